"""Why one rep did or did not get a lead, against `decide` in random worlds."""

from collections.abc import Sequence

from hypothesis import given, settings

from router.domain.decide import Assigned, Decision, Inputs, decide
from router.domain.engine import Engine
from router.domain.explain import batch_up_to
from router.domain.explain_rep import Offer, RepVerdict, explain_rep
from router.domain.flight import inputs_of, record, unpack
from tests.random_worlds import worlds


def could_get_it(engine: Engine, inputs: Inputs, lead_id: int, rep_no: int, decision: Decision) -> bool:
    """Whether the same rule gives the lead to the rep once nobody else may have it."""
    if not isinstance(decision, Assigned):
        return False
    batch, lead, _ = batch_up_to(engine, inputs, lead_id)
    others = {rep.no for rep in engine.roster.reps} | set(inputs.owners.values())
    alone = lead._replace(excluded=tuple(sorted({*lead.excluded, *(others - {rep_no})})))
    return batch.decide_lead(alone) == Assigned(rep_no, decision.rule_no, decision.group_no)


def everybody(engine: Engine) -> Sequence[int]:
    return [rep.no for rep in engine.roster.reps]


@given(worlds())
@settings(deadline=None, max_examples=300)
def test_a_rep_is_called_a_candidate_exactly_when_the_decision_has_the_rep_as_one(
    world: tuple[Engine, Inputs],
) -> None:
    engine, inputs = world
    for lead, decision in zip(inputs.leads, decide(engine, inputs).decisions, strict=True):
        for rep_no in everybody(engine):
            judged = explain_rep(engine, inputs, lead.lead_id, rep_no)
            assert judged.explanation.decision == decision
            assert judged.is_candidate == could_get_it(engine, inputs, lead.lead_id, rep_no, decision)
            got_it = isinstance(decision, Assigned) and decision.rep_no == rep_no
            assert (judged.verdict is RepVerdict.GOT_IT) == got_it


@given(worlds())
@settings(deadline=None, max_examples=150)
def test_every_rule_that_can_give_the_lead_to_a_rep_is_named_with_what_came_between(
    world: tuple[Engine, Inputs],
) -> None:
    engine, inputs = world
    recorded = decide(engine, inputs).decisions
    for lead in inputs.leads:
        for rep in engine.roster.reps:
            judged = explain_rep(engine, inputs, lead.lead_id, rep.no, recorded)
            assert judged == explain_rep(engine, inputs, lead.lead_id, rep.no)
            offering = [n for n, rule in enumerate(engine.rules) if engine.group_of_rule[n] in rep.groups]
            assert [rule.rule_no for rule in judged.rules if rule.group is not None] == offering
            for rule in judged.rules:
                assert (rule.offer is Offer.NOT_MATCHED) == any(not c.holds for c in rule.conditions)
                if rule.counts and not judged.is_candidate:
                    assert rule.left_out
            if judged.verdict is RepVerdict.NO_RULE:
                assert not judged.rules


@given(worlds())
@settings(deadline=None, max_examples=150)
def test_from_a_record_a_rep_is_judged_as_from_the_whole_or_said_to_be_unknown(world: tuple[Engine, Inputs]) -> None:
    engine, inputs = world
    outcome = decide(engine, inputs)
    flight = record(engine, inputs, outcome, "")
    again = inputs_of(flight, engine, {lead.lead_id: (lead.created_at, lead.facts) for lead in inputs.leads})
    for lead in inputs.leads:
        for rep_no in everybody(engine):
            known = rep_no in unpack(flight.reps)
            whole = explain_rep(engine, inputs, lead.lead_id, rep_no)
            judged = explain_rep(engine, again, lead.lead_id, rep_no, outcome.decisions, state_known=known)
            assert (judged.verdict, judged.groups) == (whole.verdict, whole.groups)
            for rule, of_whole in zip(judged.rules, whole.rules, strict=True):
                if known:
                    assert rule == of_whole
                else:
                    assert set(rule.left_out or ()) <= set(of_whole.left_out or ())
                    assert rule.left_out is None or of_whole.left_out


@given(worlds())
@settings(deadline=None, max_examples=30)
def test_a_rep_of_whom_the_roster_of_that_time_does_not_know_is_no_candidate(world: tuple[Engine, Inputs]) -> None:
    engine, inputs = world
    for lead in inputs.leads:
        judged = explain_rep(engine, inputs, lead.lead_id, 998)
        assert judged.verdict is RepVerdict.NOT_IN_ROSTER and judged.rep is None and not judged.rules
