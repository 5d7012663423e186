"""Giving a lead to a rep by hand: takes the lane first, so caps hold, and leaves a flight record like a batch."""

from dataclasses import dataclass
from datetime import date, datetime

from router.domain.attendance import Attendance, leave_until
from router.domain.worded import worded, worded_count
from router.drain.lane_state import LaneState
from router.drain.lane_transaction import lane_state
from router.drain.session import TenantSession
from router.manual.by_hand import Author, CannotGive, attempted, held_lane, position_of, room_of
from router.store import lane as store
from router.store.assignments import LeadMoved, hold_lead, hold_lead_now, take
from router.store.changes import Change, record_change, the_lead
from router.store.lane import Lane, LaneLimits
from router.store.statements import Connection

__all__ = ["CannotGive", "Given", "assign_by_hand"]

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Given:
    """What was done: rep numbers, the state the lead was in, and the batch number of the flight record.

    `attendance` = whether the rep is on duty; of one on leave `leave_until` is its last day, in the rep's own zone.
    """

    rep_no: int
    from_rep: int | None
    was: str
    batch_no: int
    attendance: Attendance = Attendance.ON_DUTY
    leave_until: date | None = None


async def assign_by_hand(
    conn: Connection,
    tenant_id: int,
    lead_id: int,
    rep_id: str,
    *,
    actor: str,
    note: str = "",
    token: int,
    now: datetime | None = None,
    limits: LaneLimits = LaneLimits(),
) -> Given:
    """Gives a waiting, parked or assigned lead to a rep (CRM id), who then owns the customer; moves no credit.

    Raises CannotGive (inactive or full rep), RepUnknown, NotAssigned (lead merged or closed), LeadUnknown, and
    LockNotAvailable when lane or lead stay locked.
    """
    session = TenantSession(tenant_id)
    gift = _Gift(lead_id, rep_id, Author(actor, note, token), clock_given=now is not None)
    for _ in range(_ATTEMPTS):
        async with conn.transaction():
            await hold_lead(conn, tenant_id, lead_id, limits.lock_ms)
            lane = await store.hold_waiting(conn, tenant_id, now, limits)
            given = await attempted(conn, _give_if_there(conn, session, lane, gift))
        if isinstance(given, Given):
            return given
        if isinstance(given, Exception) and not isinstance(given, LeadMoved):
            raise given
        # Reading a large ruleset takes long: the lane is given back meanwhile.
        await session.engines.get(conn, tenant_id, lane.versions)
    raise CannotGive(
        worded(
            "lead {lead} kept changing, {attempts} times over; nothing was changed, try again",
            lead=lead_id,
            attempts=_ATTEMPTS,
        )
    )


async def _give_if_there(conn: Connection, session: TenantSession, lane: Lane, gift: "_Gift") -> Given | None:
    """Gives the lead while the lane is held; None when the tenant's rules have to be read first."""
    await hold_lead_now(conn, lane.tenant_id, gift.lead_id)
    if lane.ruleset == 0:
        raise CannotGive(worded("the tenant has no ruleset yet: lead-router rules apply FILE --tenant T"))
    if session.engine(lane.versions) is None:
        return None
    return await _give(conn, lane, await lane_state(conn, session, lane), gift)


@dataclass(frozen=True, slots=True)
class _Gift:
    """What is to be given to whom, by whom."""

    lead_id: int
    rep_id: str
    author: Author
    clock_given: bool


async def _give(conn: Connection, lane: Lane, state: LaneState, gift: _Gift) -> Given:
    """Gives the lead while its row and the lane are held."""
    held = await held_lane(conn, lane, state, clock_given=gift.clock_given)
    taken = await take(conn, lane.tenant_id, gift.lead_id, held.at)
    if taken.from_rep is not None:
        held.take_off(taken.from_rep, 1)
    position = _free_rep(state, gift.rep_id, taken.from_rep)
    batch_no = await held.give(conn, [taken.lead], position, gift.author, taken.from_rep)
    rep = state.engine.roster.reps[position]
    before = taken.state if taken.from_rep is None else f"{taken.state}: rep {_named(state, taken.from_rep)}"
    change = Change(gift.author.actor, "assign", the_lead(gift.lead_id), before, f"rep {gift.rep_id}", gift.author.note)
    await record_change(conn, lane.tenant_id, change)
    attendance = Attendance(int(state.on_duty(held.at).attendance[position]))
    return Given(rep.no, taken.from_rep, taken.state, batch_no, attendance, leave_until(rep, held.at))


def _named(state: LaneState, rep_no: int) -> str:
    """The CRM's id of a rep; of one who is gone, our number."""
    position = state.engine.roster.position.get(rep_no)
    return f"number {rep_no}" if position is None else state.engine.roster.reps[position].rep_id


def _free_rep(state: LaneState, rep_id: str, from_rep: int | None) -> int:
    """The rep's position; one who is gone or full may not get the lead, nor who has it."""
    position = position_of(state, rep_id)
    if state.engine.roster.reps[position].no == from_rep:
        raise CannotGive(worded("rep {rep} has this lead already", rep=rep_id))
    room = room_of(state, position)
    if room.max_open is not None and room.open_leads >= room.max_open:
        has = worded_count("{count:,} open lead", "{count:,} open leads", room.open_leads)
        raise CannotGive(
            worded("rep {rep} has {has}, which is max_open; end one or raise the cap", rep=rep_id, has=has)
        )
    if room.max_per_day is not None and room.today >= room.max_per_day:
        had = worded_count("{count:,} lead", "{count:,} leads", room.today)
        raise CannotGive(
            worded("rep {rep} has had {had} today, which is max_per_day; wait or raise the cap", rep=rep_id, had=had)
        )
    return position
