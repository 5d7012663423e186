"""The life of single assignments: finding a lead, ending one, taking a lead to give it by hand."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import asyncpg

from router.domain.lead import FACT_FIELDS, Facts, PoolLead
from router.domain.worded import worded
from router.domain.worded_states import worded_state
from router.store.changes import Change, record_change, the_lead
from router.store.statements import Connection, load
from router.store.tenants import tenant_named
from router.store.transactions import limit_transaction, retried

_SQL = load("assignments")

# What is done to one lead must not wait for a lock for ever; a batch holds its leads for milliseconds.
LOCK_TIMEOUT_MS = 5_000


class LeadUnknown(LookupError):
    """No lead, or more than one, answers to what was asked for; the message says what to do."""

    def __str__(self) -> str:
        return str(self.args[0])


class LeadInNoState(LeadUnknown):
    """The lead is stored, and is in none of the states: a broken promise, which `lead-router audit` reports."""


class NotAssigned(Exception):
    """The lead has no rep now, so nothing can be ended; the message says where it is."""


class Ending(StrEnum):
    """How an assignment ends."""

    WON = "won"
    LOST = "lost"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class FoundLead:
    """A lead's key."""

    tenant_id: int
    lead_id: int


async def find_lead(conn: Connection, text: str, tenant: str | None) -> FoundLead:
    """A lead by its number, or by external id within a tenant (`SOURCE/ID` where several sources have it).

    Raises LeadUnknown; TenantUnknown for the tenant.
    """
    if tenant is None:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
        row = None if number is None else await _SQL.by_number.row(conn, lead_id=number)
        if row is None:
            raise LeadUnknown(
                worded("there is no lead number {text!r}; to look one up by its external id add --tenant T", text=text)
            )
        return FoundLead(row["tenant_id"], row["lead_id"])
    tenant_id = (await tenant_named(conn, tenant)).tenant_id
    source, slash, external_id = text.partition("/")
    rows = list(await _SQL.by_external_id.fetch(conn, tenant_id=tenant_id, external_id=text, source=None))
    if slash and not rows:
        rows = list(await _SQL.by_external_id.fetch(conn, tenant_id=tenant_id, external_id=external_id, source=source))
    if not rows and text.isascii() and text.isdecimal() and len(text) < 19:
        row = await _SQL.by_number.row(conn, lead_id=int(text))
        rows = [row] if row is not None and row["tenant_id"] == tenant_id else []
    if not rows:
        raise LeadUnknown(
            worded("tenant {tenant} has no lead with the external id or number {text!r}", tenant=tenant, text=text)
        )
    if len(rows) > 1:
        ways = " or ".join(f"{row['source']}/{text}" for row in rows)
        raise LeadUnknown(
            worded("{count} sources have a lead {text!r}; say which: {ways}", count=len(rows), text=text, ways=ways)
        )
    return FoundLead(tenant_id, rows[0]["lead_id"])


async def lead_numbered(conn: Connection, tenant_id: int, lead_id: int) -> FoundLead:
    """A lead by its number, which has to be of this tenant. Raises LeadUnknown."""
    if not await _SQL.of_tenant.value(conn, tenant_id=tenant_id, lead_id=lead_id):
        raise LeadUnknown(worded("there is no lead number {lead}", lead=lead_id))
    return FoundLead(tenant_id, lead_id)


async def place_of(conn: Connection, lead: FoundLead) -> tuple[str, int | None]:
    """(state, rep number if assigned). Raises LeadInNoState."""
    row = await _SQL.place_of.row(conn, tenant_id=lead.tenant_id, lead_id=lead.lead_id)
    if row is None:
        raise LeadInNoState(worded("lead {lead} is in no state; run lead-router audit", lead=lead.lead_id))
    return row["state"], row["rep_no"]


@retried
async def end(
    conn: Connection,
    tenant_id: int,
    lead_id: int,
    how: Ending,
    now: datetime | None = None,
    *,
    actor: str = "",
    note: str = "",
    only_rep: int | None = None,
) -> int:
    """Ends the lead's assignment in one statement; returns the rep's number. `now` None = the database's clock.

    `actor` and `note` are kept with the assignment; with `actor` it is also among the changes. `only_rep` = only while
    the rep of this number has it. Raises NotAssigned. The lane's next batch takes the place off the rep's load: until
    then it reads high.
    """
    async with conn.transaction():
        await limit_transaction(conn, LOCK_TIMEOUT_MS)
        of = {"tenant_id": tenant_id, "lead_id": lead_id, "now": now, "actor": actor, "note": note}
        of["only_rep_no"] = only_rep
        if how is Ending.RETURNED:
            row = await _SQL.give_back.row(conn, **of)
        else:
            row = await _SQL.close.row(conn, outcome=how.value, **of)
        if row is not None and actor:
            await record_change(conn, tenant_id, Change(actor, "end", the_lead(lead_id), "assigned", how.value, note))
    if row is None:
        state, has_it = await place_of(conn, FoundLead(tenant_id, lead_id))
        if only_rep is not None and has_it not in (None, only_rep):
            raise NotAssigned(worded("lead {lead} has gone to another rep; nothing was changed", lead=lead_id))
        raise NotAssigned(
            worded(
                "lead {lead} is {state}, not assigned; there is nothing to end", lead=lead_id, state=worded_state(state)
            )
        )
    return int(row["rep_no"])


async def hold_lead(conn: Connection, tenant_id: int, lead_id: int, lock_ms: int) -> None:
    """Waits, before the lane is taken, for whoever has locked the lead: nobody else shall wait for that.

    Raises asyncpg.LockNotAvailableError in time. Routers pass over the lead until the caller's transaction ends.
    """
    await limit_transaction(conn, lock_ms)
    await _SQL.hold_lead.value(conn, tenant_id=tenant_id, lead_id=lead_id)


class LeadMoved(Exception):
    """The lead went elsewhere before the lane was taken, and somebody else has it there: roll back and begin again."""


async def hold_lead_now(conn: Connection, tenant_id: int, lead_id: int) -> None:
    """Locks the lead where it is once the lane is held. Raises LeadMoved instead of waiting, which could deadlock."""
    try:
        await _SQL.hold_lead_now.value(conn, tenant_id=tenant_id, lead_id=lead_id)
    except asyncpg.LockNotAvailableError as error:
        raise LeadMoved(f"lead {lead_id} is being changed by somebody else all the time; try again") from error


@dataclass(frozen=True, slots=True)
class Taken:
    """A lead taken out of where it was, to be given by hand; `from_rep` had it until now."""

    lead: PoolLead
    state: str
    from_rep: int | None


async def take(conn: Connection, tenant_id: int, lead_id: int, at: datetime) -> Taken:
    """Takes a waiting, parked or assigned lead, in the caller's transaction that holds the lane.

    Raises NotAssigned when it is merged or closed, LeadUnknown when it is nowhere.
    """
    facts = await _SQL.lead_facts.row(conn, tenant_id=tenant_id, lead_id=lead_id)
    if facts is None:
        raise LeadUnknown(worded("there is no lead {lead}", lead=lead_id))
    key = {"tenant_id": tenant_id, "lead_id": lead_id}
    handed = await _SQL.hand_over.row(conn, at=at, **key)
    if handed is not None:
        lead = _pool_lead(facts, at, (), 0, handed["batch_no"])
        return Taken(lead, "assigned", handed["rep_no"])
    for state, statement in (("waiting", _SQL.take_from_pool), ("parked", _SQL.take_from_parked)):
        row = await statement.row(conn, **key)
        if row is not None:
            excluded = tuple(row["excluded"] or ())
            lead = _pool_lead(facts, row["queued_at"], excluded, row["wake_key"], row["last_batch_no"])
            return Taken(lead, state, None)
    state, _ = await place_of(conn, FoundLead(tenant_id, lead_id))
    raise NotAssigned(
        worded("lead {lead} is {state}; it cannot be given to a rep", lead=lead_id, state=worded_state(state))
    )


def _pool_lead(
    row: asyncpg.Record, queued_at: datetime, excluded: tuple[int, ...], wake_key: int, last_batch_no: int | None
) -> PoolLead:
    return PoolLead(
        lead_id=row["lead_id"],
        rank=row["rank"],
        queued_at=queued_at,
        created_at=row["created_at"],
        facts=Facts.of(row[name] for name in FACT_FIELDS),
        customer_id=row["customer_id"],
        excluded=excluded,
        wake_key=wake_key,
        last_batch_no=last_batch_no,
    )


@dataclass(frozen=True, slots=True)
class Held:
    """A lead that a rep has now, since `assigned_at` (UTC), and who it is; `rule_no` None = given by hand."""

    lead_id: int
    source: str
    external_id: str
    created_at: datetime
    assigned_at: datetime
    customer_id: int | None
    batch_no: int
    rule_no: int | None
    name: str | None
    phone: str | None
    email: str | None
    company: str | None


async def held_by(conn: Connection, tenant_id: int, rep_no: int, after: int, limit: int) -> list[Held]:
    """The leads that a rep has, those with a number above `after`, in the order of their numbers."""
    rows = await _SQL.held_by.fetch(conn, tenant_id=tenant_id, rep_no=rep_no, after=after, limit=limit)
    return [Held(**row) for row in rows]


async def held_in_order(
    conn: Connection,
    tenant_id: int,
    rep_no: int,
    *,
    newest: bool,
    after: tuple[datetime, int] | None,
    limit: int,
) -> list[Held]:
    """The same by the time of their assignment, those behind `after` (time and number of the last one shown)."""
    statement = _SQL.held_newest if newest else _SQL.held_oldest
    at, lead_id = after or (None, None)
    rows = await statement.fetch(conn, tenant_id=tenant_id, rep_no=rep_no, after_at=at, after=lead_id, limit=limit)
    return [Held(**row) for row in rows]


async def lane_progress(conn: Connection, tenant_id: int) -> int:
    """The number of the lane's last batch."""
    return int(await _SQL.lane_progress.value(conn, tenant_id=tenant_id))


async def rep_id_of(conn: Connection, tenant_id: int, rep_no: int) -> str:
    """The CRM's id of a rep's number. Raises LookupError for a number that nobody has."""
    rep_id = await _SQL.rep_id.value(conn, tenant_id=tenant_id, rep_no=rep_no)
    if rep_id is None:
        raise LookupError(f"there is no rep number {rep_no}")
    return str(rep_id)
