"""Explaining a decision: a batch is decided again up to one lead, then every rule says what it sees.

Nothing is judged here that `decide` judges: conditions, windows, owners, candidates and turns are asked of the same
functions, at the same point of the batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from router.domain.attendance import Attendance
from router.domain.conditions import Operator
from router.domain.decide import Assigned, Batch, Decision, Inputs, Parked, Refusal, Waiting, earliest
from router.domain.engine import Engine
from router.domain.explain_parts import (
    Condition,
    Explanation,
    OwnerExplanation,
    OwnerVerdict,
    RuleExplanation,
    Verdict,
)
from router.domain.explain_reps import explain_group, left_out, standing_state
from router.domain.lead import PoolLead
from router.domain.matching import folded
from router.domain.reason import Reason
from router.domain.ruleset import DateRange, Match, PriorityRange, Rule

# Field, the part of the match, what it asks, for what, what the lead had.
_Part = tuple[str, Match, Operator, tuple[str, ...], str]

_LAST = (Verdict.ASSIGNED, Verdict.FAILED)


def explain(engine: Engine, inputs: Inputs, lead_id: int, recorded: Sequence[Decision] = ()) -> Explanation:
    """Why the lead got its decision in this batch. Raises LookupError when it was not in it.

    `recorded` is what was decided about the batch's leads, from the first on; of those before this one only such are
    decided again whose credits this one meets, and those that are not recorded.
    """
    batch, lead, seq = batch_up_to(engine, inputs, lead_id, recorded)
    # Before the decision, which changes the standing.
    rules = tuple(_rules(batch, lead))
    decision = batch.decide_lead(lead)
    reason: Reason | None = None
    if isinstance(decision, Waiting):
        reason = batch.reason(decision.targets)
    elif isinstance(decision, Parked):
        reason = decision.reason
    return Explanation(lead, seq, len(inputs.leads), inputs.moment, decision, reason, rules)


def batch_up_to(
    engine: Engine, inputs: Inputs, lead_id: int, recorded: Sequence[Decision] = ()
) -> tuple[Batch, PoolLead, int]:
    """The batch as the lead met it, the lead, and its place in it. Raises LookupError; `recorded` as for `explain`."""
    seq = next((i for i, lead in enumerate(inputs.leads) if lead.lead_id == lead_id), None)
    if seq is None:
        raise LookupError(f"lead {lead_id} was not in this batch")
    batch, lead = Batch(engine, inputs), inputs.leads[seq]
    met = _groups_met(engine, lead)
    for earlier, decision in zip_longest(inputs.leads[:seq], recorded[:seq]):
        if decision is None or (isinstance(decision, Assigned) and decision.group_no in met):
            batch.decide_lead(earlier)
        else:
            batch.follow(earlier, decision)
    return batch, lead, seq


def _groups_met(engine: Engine, lead: PoolLead) -> frozenset[int | None]:
    """The groups that may be asked for the lead, whatever time and its customer's owner say."""
    try:
        rules = engine.matcher.rules_for(lead.facts)
    except Exception:  # as `decide_lead` does: such a lead is parked, and asks nobody
        return frozenset()
    return frozenset(engine.group_of_rule[rule_no] for rule_no in rules) - {None}


def conditions_of(rule: Rule, batch: Batch, lead: PoolLead) -> tuple[Sequence[Condition], datetime | None]:
    """The rule's conditions up to the first that does not hold, and when time alone may change one of them (UTC)."""
    found: list[Condition] = []
    for condition in _facts(rule, lead):
        found.append(condition)
        if not condition.holds:
            return found, None
    again: datetime | None = None
    for field, part, operator, wanted, had in _others(rule.match, batch, lead):
        holds, changes = batch.conditions(replace(rule, match=part), lead)
        found.append(Condition(field, wanted, had, holds, operator))
        if not holds:
            return found, changes
        again = earliest(again, changes)
    return found, again


def _facts(rule: Rule, lead: PoolLead) -> Iterator[Condition]:
    known = folded(lead.facts)
    for condition in rule.match.facts:
        operator, wanted = condition.asked()
        holds = condition.holds(known.value_of(condition.reads))
        yield Condition(condition.field, wanted, lead.facts.value_of(condition.field), holds, operator)


def _others(match: Match, batch: Batch, lead: PoolLead) -> Iterator[_Part]:
    """The parts that facts alone do not decide, in the order in which they are judged."""
    for priority, operator, wanted in _priorities(match):
        yield "priority", Match(priority=priority), operator, wanted, str(-lead.rank)
    if match.known_customer is not None:
        known = batch.owner_of(lead) is not None
        part = Match(known_customer=match.known_customer)
        yield "known_customer", part, Operator.ONE_OF, (_truth(match.known_customer),), _truth(known)
    if match.date is not None:
        day = batch.moment.day.date.isoformat()
        yield "date", Match(date=match.date), Operator.RANGE, _bounds(match.date), day
    if match.created is not None:
        age = match.created.total_seconds() if isinstance(match.created, timedelta) else None
        wanted = (str(match.created),) if age is None else ("within", f"{age:.0f}")
        had = lead.created_at.astimezone(UTC).isoformat()
        yield "created", Match(created=match.created), Operator.ONE_OF, wanted, had


def _priorities(match: Match) -> Iterator[tuple[frozenset[int] | PriorityRange, Operator, tuple[str, ...]]]:
    wanted = match.priority
    if isinstance(wanted, frozenset):
        yield wanted, Operator.ONE_OF, tuple(str(priority) for priority in sorted(wanted))
    elif wanted is not None:
        bounds = ["" if bound is None else str(bound) for bound in (wanted.least, wanted.most)]
        if any(bounds):
            yield PriorityRange(wanted.least, wanted.most), Operator.RANGE, tuple(bounds)
        if wanted.but:
            yield PriorityRange(but=wanted.but), Operator.NOT, tuple(str(one) for one in sorted(wanted.but))


def _bounds(dates: DateRange) -> tuple[str, ...]:
    return tuple("" if bound is None else bound.isoformat() for bound in (dates.first, dates.last))


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _rules(batch: Batch, lead: PoolLead) -> Iterator[RuleExplanation]:
    """All rules in their order; those after the deciding one were not reached."""
    over = False
    for rule_no, rule in enumerate(batch.engine.rules):
        if over:
            yield RuleExplanation(rule_no, rule.name, Verdict.NOT_REACHED)
            continue
        try:
            judged = _rule(batch, lead, rule_no, rule)
        except Exception as error:  # as `decide_lead` does: the lead was parked here
            judged = RuleExplanation(rule_no, rule.name, Verdict.FAILED, error=f"{type(error).__name__}: {error}")
        over = judged.stops or judged.verdict in _LAST
        yield judged


def _rule(batch: Batch, lead: PoolLead, rule_no: int, rule: Rule) -> RuleExplanation:
    found, again = conditions_of(rule, batch, lead)
    judged = RuleExplanation(rule_no, rule.name, Verdict.NOT_MATCHED, tuple(found), look_again=again)
    if found and not found[-1].holds:
        return judged
    judged = replace(judged, window=batch.moment.windows.get(rule_no))
    if not batch.window_open(rule_no, Refusal()):
        return replace(judged, verdict=Verdict.OUTSIDE_WINDOW, stops=rule.wait)
    if rule.to_owner:
        return _owner_rule(batch, lead, rule, judged)
    group_no = batch.engine.group_of_rule[rule_no]
    assert group_no is not None
    group = explain_group(batch.eligibility, group_no, lead)
    if group.free:
        return replace(judged, verdict=Verdict.ASSIGNED, group=group, owns=rule.owns)
    return replace(judged, verdict=Verdict.NOBODY_FREE, group=group, stops=rule.wait)


def _owner_rule(batch: Batch, lead: PoolLead, rule: Rule, judged: RuleExplanation) -> RuleExplanation:
    taker, stops = batch.ask_owner(rule, lead, Refusal())
    rep_no = batch.owner_of(lead)
    if rep_no is None:
        return replace(judged, verdict=Verdict.OWNER_SKIPPED, owner=OwnerExplanation(OwnerVerdict.NO_OWNER, None, None))
    position = batch.engine.roster.position.get(rep_no)
    rep = None if position is None else standing_state(batch.eligibility, position)
    against = () if rep is None else left_out(rep, lead.excluded, None)
    # A rule without a time lets the lead go on at once: it waits until no time.
    waits = None if rep is None else rule.fall_back_after
    falls_back = lead.waits_since(batch.moment.now) + waits if waits else None
    if taker is not None:
        verdict = OwnerVerdict.TAKES_IT
    elif stops:
        verdict = OwnerVerdict.NO_ROOM
    elif rep_no in lead.excluded:
        verdict = OwnerVerdict.HAD_IT_BEFORE
    else:
        gone = rep is None or rep.attendance is Attendance.INACTIVE
        verdict = OwnerVerdict.GONE if gone else OwnerVerdict.WAITED_LONG_ENOUGH
    owner = OwnerExplanation(verdict, rep_no, rep, against, falls_back)
    of_rule = Verdict.ASSIGNED if taker is not None else Verdict.WAITS_FOR_OWNER if stops else Verdict.OWNER_SKIPPED
    return replace(judged, verdict=of_rule, owner=owner, stops=stops)


def agrees(explanation: Explanation) -> bool:
    """Whether the explained rules end as the decision does."""
    decision, last = explanation.decision, explanation.deciding
    if not isinstance(decision, Assigned):
        return last is None or last.verdict is not Verdict.ASSIGNED
    if last is None or last.verdict is not Verdict.ASSIGNED or last.rule_no != decision.rule_no:
        return False
    if last.group is not None:
        return last.group.group_no == decision.group_no and last.group.free[0].rep.rep_no == decision.rep_no
    return last.owner is not None and last.owner.rep_no == decision.rep_no
