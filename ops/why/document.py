"""The explanation for machines: the same content as the text in codes of no language, nothing shortened.

Times are ISO 8601 in UTC.
"""

from datetime import UTC, datetime
from typing import Any

from ops.why.description import (
    CustomerSummary,
    DecisionRecord,
    Event,
    Holder,
    LeadDescription,
    Names,
    Place,
    State,
    Turn,
)
from ops.why.runner_up import owed_more
from router.domain.calendar import zone
from router.domain.decide import Decision, Parked, Waiting
from router.domain.explain_parts import Candidate, OwnerExplanation, RepState, RuleExplanation
from router.domain.reason import Reason
from router.domain.roster import MILLI
from router.domain.targets import read_targets

Json = dict[str, Any]


def document(description: LeadDescription) -> Json:
    """One JSON document."""
    lead = description.lead
    facts = {name: value for name, value in lead.facts._asdict().items() if value is not None and name != "source"}
    return {
        "lead": {
            "number": lead.lead_id,
            "tenant": lead.tenant,
            "source": lead.source,
            "external_id": lead.external_id,
            "created_at": _at(lead.created_at),
            "received_at": _at(lead.received_at),
            "priority": lead.priority,
            "customer_id": lead.customer_id,
            "facts": facts,
        },
        "as_of": _at(description.now),
        "time_zone": lead.time_zone,
        "state": description.place.state.value,
        "since": _at(description.place.since),
        **_place(description.place, description),
        "customer": _customer(description.customer, description.names) if description.customer else None,
        "decision": _decision(description.record, description.names) if description.record else None,
        "timeline": [_event(event, description) for event in description.timeline],
        "record_gone_of_batch": description.record_gone,
        "earlier_decisions_from_batch": description.older_batch,
        "later_decisions_left_out": description.later,
    }


def _place(place: Place, description: LeadDescription) -> Json:
    """What only leads in this state have."""
    names = description.names
    if place.state is State.ASSIGNED and place.rep_no is not None:
        return {
            "assigned_to": _named(place.rep_no, names),
            "by_hand": place.rule_no is None,
            "batch_no": place.batch_no,
        }
    if place.state is State.PARKED:
        reason = place.reason.value if place.reason else None
        return {"parked": {"reason": reason, "detail": place.detail, "excluded": _people(place.excluded, names)}}
    if place.state is State.MERGED:
        return {"merged_into": place.into_lead_id}
    if place.state is State.CLOSED:
        had_it = None if place.rep_no is None else _named(place.rep_no, names)
        return {"closed": {"outcome": place.outcome, "by": had_it}}
    return {"waiting": _waiting(place, description)} if place.state is State.WAITING else {}


def _customer(customer: CustomerSummary, names: Names) -> Json:
    return {
        "customer_id": customer.customer_id,
        "owner": None if customer.owner_no is None else _named(customer.owner_no, names),
        "earlier_leads": customer.leads,
        "latest_of_them": [
            {
                "number": lead.lead_id,
                "source": lead.source,
                "external_id": lead.external_id,
                "created_at": _at(lead.created_at),
                "state": lead.state.value,
                "rep": None if lead.rep_no is None else _named(lead.rep_no, names),
                "assigned_at": _at(lead.assigned_at),
                "outcome": lead.outcome,
                "ended_at": _at(lead.ended_at),
                "merged_into": lead.into_lead_id,
            }
            for lead in customer.earlier
        ],
    }


def _waiting(place: Place, description: LeadDescription) -> Json:
    present = description.present
    return {
        "queued_at": _at(place.since),
        "tried": place.batch_no is not None,
        "ready": place.ready,
        "waits_for": [] if place.ready else _waits_for(place, description),
        "excluded": _people(place.excluded, description.names),
        "recheck_at": _at(place.recheck_at),
        "reason": _reason(place, description),
        "somebody_has_room": present.room if present else None,
        "presence_unknown": present.unsure if present else None,
        "refused_under_older_rules": present.old_rules if present else None,
        "turn": _turn(description.turn) if description.turn else None,
    }


def _reason(place: Place, description: LeadDescription) -> str | None:
    """Why it waits now; None = for its turn."""
    if description.busy is not None:
        return Reason.DATABASE_BUSY.value
    return description.present.reason.value if description.present else None


def _turn(turn: Turn) -> Json:
    return {
        "no_ruleset": turn.no_ruleset,
        "paused_until": _at(turn.paused_until),
        "paused_why": turn.paused_why or None,
        "lane_held_by": _holder(turn.lane_held_by),
        "row_held_by": _holder(turn.row_held_by),
        "table_held_by": _holder(turn.table_held_by),
        "leads_before_it": turn.before_it,
        "last_batch_at": _at(turn.last_batch_at),
    }


def _holder(holder: Holder | None) -> Json | None:
    if holder is None:
        return None
    who = {"pid": holder.pid, "application": holder.application, "user": holder.user}
    return {**who, "since": _at(holder.since), "query": holder.query}


def _decision(record: DecisionRecord, names: Names) -> Json:
    stored, explanation = record.stored, record.explanation
    hand = {"actor": stored.flight.actor, "note": stored.flight.note}
    moment = explanation.moment if explanation else None
    return {
        "batch_no": stored.batch_no,
        "at": _at(stored.at),
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
        "by_hand": hand | {"rep": _rep(record.by_hand, stored.at)} if record.by_hand else None,
        "rules": [rule_document(rule, names, moment.now) for rule in explanation.rules]
        if explanation and moment
        else [],
        "trouble": {"kind": record.trouble.kind.value, "detail": record.trouble.detail} if record.trouble else None,
    }


def outcome_document(decision: Decision, names: Names, ruleset: int) -> Json:
    if isinstance(decision, Waiting):
        waits = _targets(decision.targets, names, ruleset)
        return {"kind": "waiting", "waits_for": waits, "recheck_at": _at(decision.recheck_at)}
    if isinstance(decision, Parked):
        return {"kind": "parked", "reason": decision.reason.value, "detail": decision.detail}
    return {
        "kind": "assigned",
        **_named(decision.rep_no, names),
        "rule": None if decision.rule_no is None else names.rule(decision.rule_no, ruleset),
        "group": None if decision.group_no is None else names.group(decision.group_no),
    }


def rule_document(rule: RuleExplanation, names: Names, now: datetime) -> Json:
    found: Json = {"number": rule.rule_no + 1, "name": rule.name, "verdict": rule.verdict.value}
    if rule.conditions:
        found["conditions"] = [
            {"field": c.field, "operator": c.operator, "wanted": list(c.wanted), "had": c.had, "holds": c.holds}
            for c in rule.conditions
        ]
    if rule.look_again is not None:
        found["time_may_change_it_at"] = _at(rule.look_again)
    if rule.window is not None:
        found["window"] = {"open": rule.window.open, "until": _at(rule.window.until)}
    if rule.owner is not None:
        found["owner"] = _owner(rule.owner, names, now)
    if rule.group is not None:
        members = [_candidate(candidate, now) for candidate in rule.group.candidates]
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


def _owner(owner: OwnerExplanation, names: Names, now: datetime) -> Json:
    state = _rep(owner.rep, now) if owner.rep else None
    if state is None and owner.rep_no is not None:
        state = _named(owner.rep_no, names)
    left_out = [why.value for why in owner.left_out]
    return {
        "verdict": owner.verdict.value,
        "rep": state,
        "left_out": left_out,
        "falls_back_at": _at(owner.falls_back_at),
    }


def _candidate(candidate: Candidate, now: datetime) -> Json:
    return {
        **_rep(candidate.rep, now),
        "place": candidate.place,
        "left_out": [why.value for why in candidate.left_out],
        "credit": round(candidate.credit, 4),
        "weight": candidate.weight / MILLI,
        "base_weight": candidate.base / MILLI,
        "factors": {name: factor / MILLI for name, factor in candidate.factors.items()},
        "due_in_leads": None if candidate.due_in is None else round(candidate.due_in, 4),
        "ahead_of_share": candidate.ahead,
    }


def _rep(rep: RepState, now: datetime) -> Json:
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


def _event(event: Event, description: LeadDescription) -> Json:
    found: Json = {"at": _at(event.at), "what": event.what.value}
    if event.rep_no is not None:
        found |= _named(event.rep_no, description.names)
    known = {
        "batch_no": event.batch_no,
        "ruleset": event.ruleset,
        "rule_number": None if event.rule_no is None else event.rule_no + 1,
        "rule": _rule_of(event, description.names),
        "group": None if event.group_no is None else description.names.group(event.group_no),
        "by_hand": event.by_hand or None,
        "detail": event.detail or None,
        "outcome": event.outcome or None,
        "reason": event.reason.value if event.reason else None,
        "actor": event.actor or None,
        "note": event.note or None,
        "merged_into": event.into_lead_id,
        "recheck_at": _at(event.recheck_at),
        "waits_for": _targets(event.targets, description.names, event.ruleset) or None,
    }
    return found | {name: value for name, value in known.items() if value is not None}


def _rule_of(event: Event, names: Names) -> str | None:
    """The name, where the rules of that time are at hand."""
    if event.rule_no is None or event.rule_name is not None or event.ruleset != names.ruleset:
        return event.rule_name
    return names.rules[event.rule_no] if event.rule_no < len(names.rules) else None


def _targets(text: str, names: Names, ruleset: int | None) -> list[Json]:
    return [_target(kind, number, names, ruleset) for kind, number in read_targets(text).order]


def _waits_for(place: Place, description: LeadDescription) -> list[Json]:
    """The targets with their reasons now."""
    order = read_targets(place.targets).order
    each = description.present.each if description.present else {}
    found = _targets(place.targets, description.names, place.key_ruleset)
    return [record | {"reason": each.get(target)} for record, target in zip(found, order, strict=True)]


def _target(kind: str, number: int, names: Names, ruleset: int | None) -> Json:
    if kind == "o":
        return {"kind": "owner", **_named(number, names)}
    if kind == "g":
        return {"kind": "group", "name": names.group(number)}
    return {"kind": "window", "rule": names.rule(number, ruleset)}


def _people(rep_nos: tuple[int, ...], names: Names) -> list[Json]:
    return [_named(rep_no, names) for rep_no in rep_nos]


def _named(rep_no: int, names: Names) -> Json:
    rep_id, name = names.reps.get(rep_no, (None, None))
    return {"rep_id": rep_id, "name": name}


def _at(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()
