"""Why one rep did, or did not, get a lead: the rules that could have given it to the rep, and what came between.

As in `explain`, nothing is judged here that `decide` judges: the same functions are asked, at the same point of the
batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from router.domain.decide import Assigned, Batch, Decision, Inputs, Refusal
from router.domain.engine import Engine
from router.domain.explain import batch_up_to, conditions_of, explain
from router.domain.explain_parts import Candidate, Condition, Explanation, LeftOut, RepState, RuleExplanation, Verdict
from router.domain.explain_reps import left_out, standing_state
from router.domain.lead import PoolLead
from router.domain.roster import Rep
from router.domain.ruleset import Rule


class RepVerdict(StrEnum):
    """What came of one rep for one lead."""

    GOT_IT = "got_it"
    CANDIDATE = "candidate"
    LEFT_OUT = "left_out"
    NOT_REACHED = "not_reached"
    NOT_MATCHED = "not_matched"
    NO_RULE = "no_rule"
    NOT_IN_ROSTER = "not_in_roster"


class Offer(StrEnum):
    """How far the lead came towards the rep at one rule."""

    OFFERED = "offered"
    NOT_MATCHED = "not_matched"
    OUTSIDE_WINDOW = "outside_window"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RepAtRule:
    """A rule that can give the lead to the rep: as a member of `group`, or as the customer's owner (None).

    `reached` = the lead came to it; a rule after the deciding one is judged as though it had. `conditions` up to the
    first that does not hold. `left_out` is all that speaks against the rep at this rule; empty = a candidate,
    None = not recorded, since no rule that the lead came to asked for the rep. `candidate` has the numbers of a member
    where the lead came to the group.
    """

    rule_no: int
    name: str
    group: str | None
    reached: bool
    offer: Offer
    conditions: tuple[Condition, ...]
    left_out: tuple[LeftOut, ...] | None
    candidate: Candidate | None = None

    @property
    def counts(self) -> bool:
        """Whether the lead was really offered to the rep here."""
        return self.reached and self.offer is Offer.OFFERED


@dataclass(frozen=True, slots=True)
class RepExplanation:
    """One rep and one decision. `rep` None = not in the roster of that time, or its state was not recorded.

    `rules` are those that can give the lead to the rep, `others` those that the lead came to and that gave it, or
    would have, to somebody else only. `groups` names the rep's groups.
    """

    verdict: RepVerdict
    rep_no: int
    explanation: Explanation
    rep: RepState | None = None
    rules: tuple[RepAtRule, ...] = ()
    others: tuple[RuleExplanation, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def is_candidate(self) -> bool:
        """Whether the rep could have got the lead, as it came to the rep's turn or not."""
        return self.verdict in (RepVerdict.GOT_IT, RepVerdict.CANDIDATE)

    @property
    def deciding(self) -> RuleExplanation | None:
        """The rule that gave the lead away, or at which the search for somebody ended."""
        return self.explanation.deciding


def explain_rep(
    engine: Engine,
    inputs: Inputs,
    lead_id: int,
    rep_no: int,
    recorded: Sequence[Decision] = (),
    *,
    state_known: bool = True,
) -> RepExplanation:
    """Why the rep (a number) got the lead or not. `recorded`, and what is raised, as for `explain`.

    `state_known` False = the inputs do not say how the rep stood: a flight record has only those who were asked for.
    """
    explanation = explain(engine, inputs, lead_id, recorded)
    position = engine.roster.position.get(rep_no)
    if position is None:
        return RepExplanation(RepVerdict.NOT_IN_ROSTER, rep_no, explanation)
    batch, lead, _ = batch_up_to(engine, inputs, lead_id, recorded)
    state = standing_state(batch.eligibility, position) if state_known else None
    rules = tuple(_rules(batch, lead, position, state, explanation))
    offered = {rule.rule_no for rule in rules}
    others = tuple(r for r in explanation.rules if (r.group or r.owner) and r.rule_no not in offered)
    names = engine.roster.group_names
    return RepExplanation(
        _verdict(explanation.decision, rep_no, rules),
        rep_no,
        explanation,
        state,
        rules,
        others,
        tuple(sorted(names[group_no] for group_no in engine.roster.reps[position].groups)),
    )


def _verdict(decision: Decision, rep_no: int, rules: Sequence[RepAtRule]) -> RepVerdict:
    if isinstance(decision, Assigned) and decision.rep_no == rep_no:
        return RepVerdict.GOT_IT
    offers = [rule for rule in rules if rule.counts]
    if any(rule.left_out == () for rule in offers):
        return RepVerdict.CANDIDATE
    if offers:
        return RepVerdict.LEFT_OUT
    if any(rule.offer is Offer.OFFERED for rule in rules):
        return RepVerdict.NOT_REACHED
    return RepVerdict.NOT_MATCHED if rules else RepVerdict.NO_RULE


def _rules(
    batch: Batch, lead: PoolLead, position: int, state: RepState | None, explanation: Explanation
) -> Iterator[RepAtRule]:
    rep = batch.engine.roster.reps[position]
    for rule_no, rule in enumerate(batch.engine.rules):
        offers = batch.owner_of(lead) == rep.no if rule.to_owner else batch.engine.group_of_rule[rule_no] in rep.groups
        if offers:
            yield _rule(batch, lead, rep, state, rule_no, explanation.rules[rule_no])


def _rule(
    batch: Batch, lead: PoolLead, rep: Rep, state: RepState | None, rule_no: int, judged: RuleExplanation
) -> RepAtRule:
    rule = batch.engine.rules[rule_no]
    offer, conditions = _offer(batch, lead, rule_no, rule)
    members = judged.group.candidates if judged.group else ()
    member = next((c for c in members if c.rep.rep_no == rep.no), None)
    against = _against(rule, rep, state, lead) if member is None else member.left_out
    reached = judged.verdict is not Verdict.NOT_REACHED
    return RepAtRule(rule_no, rule.name, rule.group, reached, offer, conditions, against, member)


def _against(rule: Rule, rep: Rep, state: RepState | None, lead: PoolLead) -> tuple[LeftOut, ...] | None:
    if state is None:
        return (LeftOut.HAD_IT_BEFORE,) if rep.no in lead.excluded else None
    # An owner keeps customers whatever the weight.
    return left_out(state, lead.excluded, None if rule.to_owner else rep.weight)


def _offer(batch: Batch, lead: PoolLead, rule_no: int, rule: Rule) -> tuple[Offer, tuple[Condition, ...]]:
    try:
        found = tuple(conditions_of(rule, batch, lead)[0])
    except Exception:  # as `decide_lead` does: such a lead is parked
        return Offer.FAILED, ()
    if found and not found[-1].holds:
        return Offer.NOT_MATCHED, found
    return (Offer.OFFERED if batch.window_open(rule_no, Refusal()) else Offer.OUTSIDE_WINDOW), found
