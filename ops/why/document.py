"""The explanation for machines: the same content as the text in codes of no language, nothing shortened.

Times are ISO 8601 in UTC.
"""

from ops.waiting.chance_text import chance_document
from ops.why.decision_document import Json, decision_document, named, targets_document, utc
from ops.why.description import (
    CustomerSummary,
    Event,
    Happened,
    Holder,
    LeadDescription,
    Names,
    Place,
    State,
    Turn,
)
from ops.why.question_document import about_rep, placing_document
from router.domain.lead import FACT_FIELDS
from router.domain.reason import Reason
from router.domain.targets import read_targets


def document(description: LeadDescription) -> Json:
    """One JSON document."""
    lead = description.lead
    facts = {
        name: value
        for name, value in zip(FACT_FIELDS, lead.facts.plain, strict=True)
        if value is not None and name != "source"
    }
    return {
        "lead": {
            "number": lead.lead_id,
            "tenant": lead.tenant,
            "source": lead.source,
            "external_id": lead.external_id,
            "name": lead.name,
            "company": lead.company,
            "created_at": utc(lead.created_at),
            "received_at": utc(lead.received_at),
            "priority": lead.priority,
            "customer_id": lead.customer_id,
            "facts": facts,
        },
        "as_of": utc(description.now),
        "time_zone": lead.time_zone,
        "state": description.place.state.value,
        "since": utc(description.place.since),
        **_place(description.place, description),
        "customer": _customer(description.customer, description.names) if description.customer else None,
        "decision": decision_document(description.record, description.names) if description.record else None,
        "rep": about_rep(description) if description.rep else None,
        "what_would_it_take": placing_document(description) if description.placing else None,
        "timeline": [_event(event, description) for event in description.timeline],
        "record_gone_of_batch": description.record_gone,
        "earlier_decisions_from_batch": description.older_batch,
        "later_decisions_left_out": description.later,
    }


def _place(place: Place, description: LeadDescription) -> Json:
    """What only leads in this state have."""
    names, given = description.names, description.given
    if place.state is State.ASSIGNED and place.rep_no is not None:
        return {
            "assigned_to": named(place.rep_no, names),
            "by_hand": place.rule_no is None and (given is None or given.what is not Happened.TAKEN_OVER),
            "batch_no": place.batch_no,
        }
    if place.state is State.PARKED:
        reason = place.reason.value if place.reason else None
        return {"parked": {"reason": reason, "detail": place.detail, "excluded": _people(place.excluded, names)}}
    if place.state is State.MERGED:
        return {"merged_into": place.into_lead_id}
    if place.state is State.CLOSED:
        had_it = None if place.rep_no is None else named(place.rep_no, names)
        return {"closed": {"outcome": place.outcome, "by": had_it}}
    if place.state is State.WAITING:
        return {"waiting": _waiting(place, description)}
    return _tombstone(place)


def _tombstone(place: Place) -> Json:
    """What is known of a lead that is gone."""
    if place.state is State.ARCHIVED:
        archived = {"outcome": place.outcome, "at": utc(place.since), "merged_into": place.into_lead_id}
        return {"archived": archived}
    if place.state is State.REMOVED:
        return {"removed": {"import": int(place.detail), "at": utc(place.since)}}
    return {}


def _customer(customer: CustomerSummary, names: Names) -> Json:
    return {
        "customer_id": customer.customer_id,
        "owner": None if customer.owner_no is None else named(customer.owner_no, names),
        "earlier_leads": customer.leads,
        "latest_of_them": [
            {
                "number": lead.lead_id,
                "source": lead.source,
                "external_id": lead.external_id,
                "created_at": utc(lead.created_at),
                "state": lead.state.value,
                "rep": None if lead.rep_no is None else named(lead.rep_no, names),
                "assigned_at": utc(lead.assigned_at),
                "outcome": lead.outcome,
                "ended_at": utc(lead.ended_at),
                "merged_into": lead.into_lead_id,
            }
            for lead in customer.earlier
        ],
    }


def _waiting(place: Place, description: LeadDescription) -> Json:
    present = description.present
    return {
        "queued_at": utc(place.since),
        "tried": place.batch_no is not None,
        "ready": place.ready,
        "waits_for": [] if place.ready else _waits_for(place, description),
        "excluded": _people(place.excluded, description.names),
        "recheck_at": utc(place.recheck_at),
        "next_chance": chance_document(description.next_chance),
        "parks_at": utc(description.parks_at),
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
        "paused_until": utc(turn.paused_until),
        "paused_why": turn.paused_why or None,
        "lane_held_by": _holder(turn.lane_held_by),
        "row_held_by": _holder(turn.row_held_by),
        "table_held_by": _holder(turn.table_held_by),
        "leads_before_it": turn.before_it,
        "last_batch_at": utc(turn.last_batch_at),
    }


def _holder(holder: Holder | None) -> Json | None:
    if holder is None:
        return None
    who = {"pid": holder.pid, "application": holder.application, "user": holder.user}
    return {**who, "since": utc(holder.since), "query": holder.query}


def _event(event: Event, description: LeadDescription) -> Json:
    found: Json = {"at": utc(event.at), "what": event.what.value}
    if event.rep_no is not None:
        found |= named(event.rep_no, description.names)
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
        "created_before": utc(event.created[0]) if event.created else None,
        "created_after": utc(event.created[1]) if event.created else None,
        "recheck_at": utc(event.recheck_at),
        "waits_for": targets_document(event.targets, description.names, event.ruleset) or None,
    }
    return found | {name: value for name, value in known.items() if value is not None}


def _rule_of(event: Event, names: Names) -> str | None:
    """The name, where the rules of that time are at hand."""
    if event.rule_no is None or event.rule_name is not None or event.ruleset != names.ruleset:
        return event.rule_name
    return names.rules[event.rule_no] if event.rule_no < len(names.rules) else None


def _waits_for(place: Place, description: LeadDescription) -> list[Json]:
    """The targets with their reasons now."""
    order = read_targets(place.targets).order
    each = description.present.each if description.present else {}
    had_it = description.present.had_it if description.present else frozenset()
    found = targets_document(place.targets, description.names, place.key_ruleset)
    return [
        record | {"reason": each.get(target), "only_reps_who_had_it": target[0] == "g" and target[1] in had_it}
        for record, target in zip(found, order, strict=True)
    ]


def _people(rep_nos: tuple[int, ...], names: Names) -> list[Json]:
    return [named(rep_no, names) for rep_no in rep_nos]
