"""One lead as the API shows it: what `lead-router why --json` says, in fixed types, with contacts masked."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ops.text.states import STATES
from ops.why.codes import REASONS
from ops.why.description import LeadDescription, State
from ops.why.document import document
from router.domain.lead import FACT_FIELDS
from router.domain.lead_in import LeadIn
from router.domain.masking import mask_email, mask_phone
from router.domain.reason import Reason
from router.intake.journal import FoundInJournal
from router.store.leads import Contact

JOURNALLED = "journalled"
Moment = Annotated[datetime, Meta(tz=True)]


class RepName(msgspec.Struct, frozen=True):
    """A rep; null where the roster does not know it any more."""

    rep_id: str | None
    name: str | None


class TimelineEvent(msgspec.Struct, frozen=True):
    """Something that happened to the lead."""

    at: Moment
    what: str
    rep: RepName | None
    details: Annotated[dict[str, Any], Meta(description="What else is known: rule, group, batch_no, reason, actor …")]


class LeadDocument(msgspec.Struct, frozen=True):
    """A lead, where it is now and why, and what happened to it."""

    id: Annotated[int | None, Meta(description="Its number; null while it is only in the journal.")]
    source: str
    external_id: str
    created_at: Annotated[Moment | None, Meta(description="null = not stated, of a lead in the journal.")]
    received_at: Moment
    priority: int
    name: str | None
    phone: Annotated[str | None, Meta(description="Masked unless the token may see phones and e-mails.")]
    email: Annotated[str | None, Meta(description="Masked unless the token may see phones and e-mails.")]
    company: str | None
    facts: Annotated[dict[str, str], Meta(description="What rules match on: region, industry, product …")]
    state: Annotated[str, Meta(description=f"One of: {', '.join((*STATES, JOURNALLED))}.")]
    since: Moment | None
    owner: Annotated[RepName | None, Meta(description="The rep who has it; of a closed lead, who had it.")]
    reason: Annotated[str | None, Meta(description="Why it waits or is parked, from the closed list of reasons.")]
    reason_text: str | None
    next_attempt_at: Annotated[
        Moment | None, Meta(description="When it is tried again at the latest; null = when what it waits for changes.")
    ]
    next_chance: Annotated[
        dict[str, Any] | None,
        Meta(
            description="When (at) time alone lets somebody take it, through whom (reps; empty = the rules are "
            "tried again); null = it does not."
        ),
    ]
    parks_at: Annotated[Moment | None, Meta(description="When it is parked, should it still wait then.")]
    waits_for: Annotated[list[dict[str, Any]], Meta(description="Groups, owners and windows that could take it.")]
    merged_into: int | None
    outcome: str | None
    timeline: list[TimelineEvent]


def lead_document(
    description: LeadDescription, contact: Contact, see: Callable[[Any], Any], *, personal: bool
) -> LeadDocument:
    """`personal`: phones and e-mail addresses are shown; `see` masks those that stand in other texts."""
    known = see(document(description))
    lead, place = known["lead"], description.place
    waiting = known.get("waiting") or {}
    owner = known.get("assigned_to") or (known.get("closed") or {}).get("by")
    reason = waiting.get("reason") or (known.get("parked") or {}).get("reason")
    return LeadDocument(
        id=lead["number"],
        source=lead["source"],
        external_id=lead["external_id"],
        created_at=description.lead.created_at,
        received_at=description.lead.received_at,
        priority=lead["priority"],
        name=see(contact.name),
        phone=contact.phone if personal else mask_phone(contact.phone),
        email=contact.email if personal else mask_email(contact.email),
        company=see(contact.company),
        facts=lead["facts"],
        state=place.state.value,
        since=place.since,
        owner=_rep(owner),
        reason=reason,
        reason_text=REASONS[Reason(reason)] if reason else None,
        next_attempt_at=place.recheck_at if place.state is State.WAITING else None,
        next_chance=waiting.get("next_chance"),
        parks_at=description.parks_at,
        waits_for=waiting.get("waits_for") or [],
        merged_into=place.into_lead_id,
        outcome=place.outcome,
        timeline=[_event(event, at.at) for event, at in zip(known["timeline"], description.timeline, strict=True)],
    )


def journalled_document(
    source: str, external_id: str, found: FoundInJournal, see: Callable[[Any], Any], *, personal: bool
) -> LeadDocument:
    """A lead that waits in the journal, not in the database."""
    lead = found.lead or LeadIn(source, external_id)
    facts = {name: value for name in FACT_FIELDS[1:] if (value := getattr(lead, name)) is not None}
    return LeadDocument(
        id=None,
        source=source,
        external_id=external_id,
        created_at=lead.created_at,
        received_at=found.arrived_at,
        priority=lead.priority,
        name=see(lead.name),
        phone=lead.phone if personal else mask_phone(lead.phone),
        email=lead.email if personal else mask_email(lead.email),
        company=see(lead.company),
        facts=see(facts),
        state=JOURNALLED,
        since=found.arrived_at,
        owner=None,
        reason=None,
        reason_text=see(found.set_aside) or "it waits for the database",
        next_attempt_at=None,
        next_chance=None,
        parks_at=None,
        waits_for=[],
        merged_into=None,
        outcome=None,
        timeline=[TimelineEvent(found.arrived_at, JOURNALLED, None, {})],
    )


def _rep(named: dict[str, Any] | None) -> RepName | None:
    return None if named is None else RepName(named["rep_id"], named["name"])


def _event(event: dict[str, Any], at: datetime) -> TimelineEvent:
    rep = _rep(event) if "rep_id" in event else None
    details = {name: value for name, value in event.items() if name not in ("at", "what", "rep_id", "name")}
    return TimelineEvent(at, event["what"], rep, details)
