"""Single leads parked and sent back by a person, recorded with who and why."""

from datetime import datetime

from router.domain.reason import Reason
from router.domain.worded import Worded, worded
from router.domain.worded_states import worded_state
from router.store.assignments import LOCK_TIMEOUT_MS, FoundLead, hold_lead, place_of
from router.store.changes import Change, record_change, the_lead
from router.store.lane import LaneLimits, hold_waiting
from router.store.retry import call_lane, put_in_pool
from router.store.statements import Connection, load
from router.store.transactions import limit_transaction, retried

_SQL = load("parking")

BY_HAND = Reason.SCREENING
"""The reason of leads that a person parks: somebody has still to say whether they are worth a rep."""

_ATTEMPTS = 10


class CannotMove(Exception):
    """The lead is not where it would have to be; nothing was changed. The message says where it is, what to do."""


async def park(conn: Connection, lead: FoundLead, actor: str, why: str) -> datetime:
    """Parks a waiting lead for a person to look at; returns when.

    Raises CannotMove, LeadUnknown, and asyncpg.LockNotAvailableError when somebody keeps it locked.
    """
    key = {"tenant_id": lead.tenant_id, "lead_id": lead.lead_id}
    detail = f"by {actor}: {why}".replace("\x00", "")
    for _ in range(_ATTEMPTS):
        async with conn.transaction():
            await limit_transaction(conn, LOCK_TIMEOUT_MS)
            at: datetime | None = await _SQL.park.value(conn, reason=BY_HAND.value, detail=detail, **key)
            if at is not None:
                change = Change(actor, "park", the_lead(lead.lead_id), "waiting", f"parked: {BY_HAND}", why)
                await record_change(conn, lead.tenant_id, change)
                return at
        await _where(conn, lead, wanted="waiting", only=worded("only a waiting lead can be parked"))
    # A batch took it and put it back each time: as many in a row come about only when somebody else moves it, too.
    raise CannotMove(
        worded(
            "lead {lead} kept changing, {attempts} times over; nothing was changed, try again",
            lead=lead.lead_id,
            attempts=_ATTEMPTS,
        )
    )


@retried
async def unpark(conn: Connection, lead: FoundLead, actor: str, why: str) -> str:
    """Sends one parked lead back, ready for the next batch; returns the reason for which it was parked.

    Raises CannotMove, LeadUnknown, and asyncpg.LockNotAvailableError when somebody keeps it or the lane locked.
    """
    async with conn.transaction():
        await hold_lead(conn, lead.tenant_id, lead.lead_id, LOCK_TIMEOUT_MS)
        found = await _SQL.parked_reason.row(conn, tenant_id=lead.tenant_id, lead_id=lead.lead_id)
        if found is not None:
            lane = await hold_waiting(conn, lead.tenant_id, None, LaneLimits())
            await put_in_pool(conn, lane, [lead.lead_id], [found["reason"]], wake_key=0)
            await call_lane(conn, lane, lane.state_token, lane.next_wake_key)
            before = f"parked: {found['reason']} {found['detail']}".strip()
            change = Change(actor, "unpark", the_lead(lead.lead_id), before, "waiting", why)
            await record_change(conn, lead.tenant_id, change)
            return str(found["reason"])
    await _where(conn, lead, wanted="parked", only=worded("only a parked lead can be sent back"))
    raise CannotMove(worded("lead {lead} was parked this moment; try again", lead=lead.lead_id))


async def _where(conn: Connection, lead: FoundLead, wanted: str, only: Worded) -> None:
    """Raises CannotMove, with what is true `only` of a lead there, unless the lead is where it is wanted."""
    state, _ = await place_of(conn, lead)
    if state == wanted:
        return
    now = worded_state(state)
    if state == "parked":
        row = await _SQL.parked_reason.row(conn, tenant_id=lead.tenant_id, lead_id=lead.lead_id)
        already = worded("parked already")
        now = already
        if row is not None:
            now = already + worded(" ({reason}: {detail})", reason=row["reason"], detail=row["detail"])
    raise CannotMove(
        worded("lead {lead} is {state}; {only}, nothing was changed", lead=lead.lead_id, state=now, only=only)
    )
