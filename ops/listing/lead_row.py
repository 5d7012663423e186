"""What a list shows of a lead."""

from datetime import datetime

import msgspec

from ops.listing.lead_filter import State
from ops.waiting.chance_text import REPS_NAMED
from ops.waiting.waiting import READY, WaitsFor
from router.domain.chance import or_tried_again
from router.domain.phrases import listed
from router.store.statements import Row


class Person(msgspec.Struct, frozen=True):
    """What says who a lead is: kept apart, since not everybody who may see the list may see it."""

    name: str | None
    phone: str | None
    email: str | None
    company: str | None


class LeadRow(msgspec.Struct, frozen=True, kw_only=True):
    """One lead. Times in UTC; `accepted_at` = when it was taken in, `state_since` = how long it is in its state.

    `reason`, `waits_for` (in words) and `next_attempt_at` (None = with the change it waits for) of a lead that waits;
    `next_chance_at` = when time alone lets somebody take it, through `next_chance_reps` (ids, some of them;
    None = the rules are tried again then, or a pause is over);
    `parks_at` = when it is parked, should it still wait then;
    `reason` and `detail` of a parked one; `rep_id` and `rep_name` of who has it, or had it when it was closed;
    `merged_into` is the number of the lead that it repeats, `outcome` how it was closed.
    """

    lead_id: int
    source: str
    external_id: str
    state: State | None
    state_since: datetime | None
    reason: str | None = None
    waits_for: str | None = None
    next_attempt_at: datetime | None = None
    next_chance_at: datetime | None = None
    next_chance_reps: str | None = None
    parks_at: datetime | None = None
    detail: str | None = None
    rep_id: str | None = None
    rep_name: str | None = None
    merged_into: int | None = None
    outcome: str | None = None
    created_at: datetime
    accepted_at: datetime
    customer_id: int | None
    region: str | None
    industry: str | None
    product: str | None
    campaign: str | None
    person: Person


def lead_row(row: Row, why: WaitsFor | None, now: datetime) -> LeadRow:
    """A row of the statement `rows`; `why` a waiting lead waits, None = for the next batch."""
    state, since = _state(row)
    reason, waits_for, next_attempt_at = _waits(row, why) if state is State.WAITING else (row["reason"], None, None)
    parks_at = _parks_at(row, why) if state is State.WAITING else None
    chance = None
    if state is State.WAITING and why is not None:
        chance = or_tried_again(why.chance, next_attempt_at, parks_at, now)
    return LeadRow(
        lead_id=row["lead_id"],
        source=row["source"],
        external_id=row["external_id"],
        state=state,
        state_since=since,
        reason=reason,
        waits_for=waits_for,
        next_attempt_at=next_attempt_at,
        next_chance_at=chance.at if chance else None,
        next_chance_reps=(listed(chance.reps, REPS_NAMED) or None) if chance else None,
        parks_at=parks_at,
        detail=row["detail"] or None,
        rep_id=row["rep_id"],
        rep_name=row["rep_name"],
        merged_into=row["into_lead_id"],
        outcome=row["outcome"],
        created_at=row["created_at"],
        accepted_at=row["received_at"],
        customer_id=row["customer_id"],
        region=row["region"],
        industry=row["industry"],
        product=row["product"],
        campaign=row["campaign"],
        person=Person(row["name"], row["phone"], row["email"], row["company"]),
    )


def _parks_at(row: Row, why: WaitsFor | None) -> datetime | None:
    queued_at: datetime = row["queued_at"]
    return None if why is None or why.patience is None else queued_at + why.patience


_SINCE = {
    State.WAITING: "queued_at",
    State.ASSIGNED: "assigned_at",
    State.PARKED: "parked_at",
    State.MERGED: "merged_at",
    State.CLOSED: "closed_at",
}


def _state(row: Row) -> tuple[State | None, datetime | None]:
    """None = in no state, which `lead-router audit` reports."""
    return next(((state, row[column]) for state, column in _SINCE.items() if row[column] is not None), (None, None))


def _waits(row: Row, why: WaitsFor | None) -> tuple[str, str, datetime | None]:
    """The reason, what for in words, and the next attempt."""
    if why is None:
        return READY, "a share of the next batches" if row["wake_key"] else "the next batch", None
    return why.reason.value, why.words, why.until or row["recheck_at"]
