"""Decisions, rules and reps for machines, as parts of the documents of `why` and `rules test`.

Codes of no language, nothing shortened. Times are ISO 8601 in UTC.
"""

from datetime import UTC, datetime
from typing import Any

from ops.why.description import DecisionRecord, Names
from ops.why.runner_up import owed_more
from router.domain.calendar import zone
from router.domain.decide import Decision, Parked, Waiting
from router.domain.explain_parts import Candidate, Condition, OwnerExplanation, RepState, RuleExplanation
from router.domain.roster import MILLI
from router.domain.targets import read_targets

Json = dict[str, Any]


def decision_document(record: DecisionRecord, names: Names) -> Json:
    """One decision with its rules."""
    stored, explanation = record.stored, record.explanation
    hand = {"actor": stored.flight.actor, "note": stored.flight.note}
    given = hand | {"rep": rep_document(record.by_hand, stored.at)} if record.by_hand else None
    moment = explanation.moment if explanation else None
    return {
        "batch_no": stored.batch_no,
        "at": utc(stored.at),
        "kind": stored.kind,
        "place": record.seq + 1,
        "leads": record.leads,
        "ruleset": stored.ruleset,
        "roster": stored.roster,
        "rates": stored.rates,
        "engine": stored.flight.engine,
        "business_day": moment.day.date.isoformat() if moment else None,
        "outcome": outcome_document(record.decision, names, stored.ruleset),
        "reason": explanation.reason.value if explanation and explanation.reason else None,
        "by_hand": None if record.taken_over else given,
        "taken_over": given if record.taken_over else None,
        "rules": [rule_document(rule, names, moment.now) for rule in explanation.rules]
        if explanation and moment
        else [],
        "trouble": {"kind": record.trouble.kind.value, "detail": record.trouble.detail} if record.trouble else None,
    }


def outcome_document(decision: Decision, names: Names, ruleset: int) -> Json:
    """What was decided."""
    if isinstance(decision, Waiting):
        waits = targets_document(decision.targets, names, ruleset)
        return {"kind": "waiting", "waits_for": waits, "recheck_at": utc(decision.recheck_at)}
    if isinstance(decision, Parked):
        return {"kind": "parked", "reason": decision.reason.value, "detail": decision.detail}
    return {
        "kind": "assigned",
        **named(decision.rep_no, names),
        "rule": None if decision.rule_no is None else names.rule(decision.rule_no, ruleset),
        "group": None if decision.group_no is None else names.group(decision.group_no),
    }


def rule_document(rule: RuleExplanation, names: Names, now: datetime) -> Json:
    """What became of the lead at one rule."""
    found: Json = {"number": rule.rule_no + 1, "name": rule.name, "verdict": rule.verdict.value}
    if rule.conditions:
        found["conditions"] = [condition_document(condition) for condition in rule.conditions]
    if rule.look_again is not None:
        found["time_may_change_it_at"] = utc(rule.look_again)
    if rule.window is not None:
        found["window"] = {"open": rule.window.open, "until": utc(rule.window.until)}
    if not rule.owns:
        found["owns"] = False
    if rule.owner is not None:
        found["owner"] = _owner(rule.owner, names, now)
    if rule.group is not None:
        members = [candidate_document(candidate, now) for candidate in rule.group.candidates]
        missed = owed_more(rule.group)
        found["group"] = {
            "name": rule.group.name,
            "free": len(rule.group.free),
            "candidates": members,
            "owed_more_but_not_free": missed.rep.rep_id if missed else None,
        }
    if rule.stops:
        found["stops"] = True
    if rule.error:
        found["error"] = rule.error
    return found


def condition_document(condition: Condition) -> Json:
    """One condition, with what it wanted and what the lead had."""
    return {
        "field": condition.field,
        "operator": condition.operator,
        "wanted": list(condition.wanted),
        "had": condition.had,
        "holds": condition.holds,
    }


def _owner(owner: OwnerExplanation, names: Names, now: datetime) -> Json:
    state = rep_document(owner.rep, now) if owner.rep else None
    if state is None and owner.rep_no is not None:
        state = named(owner.rep_no, names)
    left_out = [why.value for why in owner.left_out]
    return {
        "verdict": owner.verdict.value,
        "rep": state,
        "left_out": left_out,
        "falls_back_at": utc(owner.falls_back_at),
    }


def candidate_document(candidate: Candidate, now: datetime) -> Json:
    """A member of a group, as the lead met it."""
    return {
        **rep_document(candidate.rep, now),
        "place": candidate.place,
        "left_out": [why.value for why in candidate.left_out],
        "credit": round(candidate.credit, 4),
        "weight": candidate.weight / MILLI,
        "base_weight": candidate.base / MILLI,
        "factors": {name: factor / MILLI for name, factor in candidate.factors.items()},
        "due_in_leads": None if candidate.due_in is None else round(candidate.due_in, 4),
        "ahead_of_share": candidate.ahead,
    }


def rep_document(rep: RepState, now: datetime) -> Json:
    """A rep at `now`."""
    return {
        "rep_id": rep.rep_id,
        "name": rep.name,
        "attendance": rep.attendance.name.lower(),
        "local_time": now.astimezone(zone(rep.time_zone)).isoformat(),
        "time_zone": rep.time_zone,
        "open": rep.opened,
        "max_open": rep.max_open,
        "today": rep.today,
        "max_per_day": rep.max_per_day,
    }


def targets_document(text: str, names: Names, ruleset: int | None) -> list[Json]:
    """What a lead waits for."""
    return [_target(kind, number, names, ruleset) for kind, number in read_targets(text).order]


def _target(kind: str, number: int, names: Names, ruleset: int | None) -> Json:
    if kind == "o":
        return {"kind": "owner", **named(number, names)}
    if kind == "g":
        return {"kind": "group", "name": names.group(number)}
    return {"kind": "window", "rule": names.rule(number, ruleset)}


def named(rep_no: int, names: Names) -> Json:
    """A rep by id and name."""
    rep_id, name = names.reps.get(rep_no, (None, None))
    return {"rep_id": rep_id, "name": name}


def utc(at: datetime | None) -> str | None:
    """In ISO 8601."""
    return None if at is None else at.astimezone(UTC).isoformat()
