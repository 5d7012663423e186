"""Giving a lead to a rep by hand: takes the lane first, so caps hold, and leaves a flight record like a batch."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from router.domain.decide import Assigned, Inputs, Outcome
from router.domain.flight import record
from router.domain.flight_format import encode
from router.drain.lane_state import LaneState, moment_at
from router.drain.lane_transaction import lane_state
from router.drain.overlap import data_versions
from router.drain.session import TenantSession
from router.store import lane as store
from router.store import pool
from router.store.assignments import LeadMoved, hold_lead, hold_lead_now, take
from router.store.lane import Book, Closing, Lane, LaneLimits, Record
from router.store.roster import RepUnknown
from router.store.statements import Connection

_ATTEMPTS = 10


class CannotGive(Exception):
    """The rep cannot have the lead; nothing was changed. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was done: rep numbers, the state the lead was in, and the batch number of the flight record."""

    rep_no: int
    from_rep: int | None
    was: str
    batch_no: int


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
    gift = _Gift(lead_id, rep_id, actor, note, token, clock_given=now is not None)
    for _ in range(_ATTEMPTS):
        async with conn.transaction():
            await hold_lead(conn, tenant_id, lead_id, limits.lock_ms)
            lane = await store.hold_waiting(conn, tenant_id, now, limits)
            # Taken back alone: a transaction that rolls back with the lane in hand looks like a crash of its holder.
            given = await _attempted(conn, _give_if_there(conn, session, lane, gift))
        if isinstance(given, Given):
            return given
        if isinstance(given, Exception) and not isinstance(given, LeadMoved):
            raise given
        # Reading a large ruleset takes long: the lane is given back meanwhile.
        await session.engines.get(conn, tenant_id, lane.versions)
    raise CannotGive(f"lead {lead_id} kept changing, {_ATTEMPTS} times over; nothing was changed, try again")


async def _attempted(conn: Connection, giving: Awaitable[Given | None]) -> Given | Exception | None:
    """In a savepoint; returns also what it raised, after having taken back what it did."""
    try:
        async with conn.transaction():
            return await giving
    except Exception as error:
        return error


async def _give_if_there(conn: Connection, session: TenantSession, lane: Lane, gift: "_Gift") -> Given | None:
    """Gives the lead while the lane is held; None when the tenant's rules have to be read first."""
    await hold_lead_now(conn, lane.tenant_id, gift.lead_id)
    if lane.ruleset == 0:
        raise CannotGive("the tenant has no ruleset yet: lead-router rules apply FILE --tenant T")
    if session.engine(lane.versions) is None:
        return None
    return await _give(conn, lane, await lane_state(conn, session, lane), gift)


@dataclass(frozen=True, slots=True)
class _Gift:
    """What is to be given to whom, by whom."""

    lead_id: int
    rep_id: str
    actor: str
    note: str
    token: int
    clock_given: bool


async def _give(conn: Connection, lane: Lane, state: LaneState, gift: _Gift) -> Given:
    """Gives the lead while its row and the lane are held."""
    tenant_id = lane.tenant_id
    news = await store.fold_inbox(conn, tenant_id)
    at = lane.now if gift.clock_given else max(lane.now, news.at or lane.now)
    moment = moment_at(state.engine, at)
    state.turn_day(moment.day.date)
    changed = state.fold(news.open_counts, news.today_counts)
    taken = await take(conn, tenant_id, gift.lead_id, at)
    if taken.from_rep is not None:
        changed |= state.fold({taken.from_rep: -1}, {})
    position = _free_rep(state, gift.rep_id, taken.from_rep)
    before = Inputs(
        moment, [taken.lead], state.on_duty(at).attendance, state.open_counts.copy(), state.today_counts.copy(), {}, {}
    )
    state.open_counts[position] += 1
    state.today_counts[position] += 1
    rep_no = state.engine.roster.reps[position].no
    decision = Assigned(rep_no, None, None)
    customer = taken.lead.customer_id
    outcome = Outcome(
        [decision],
        state.open_counts,
        state.today_counts,
        {},
        {} if customer is None else {customer: rep_no},
        frozenset(),
        frozenset({position}),
    )
    book = Book(tenant_id, lane.batch_no + 1, at, lane.ruleset)
    flight = record(state.engine, before, outcome, data_versions(state.engine))
    await store.put_assignments(conn, book, [(0, taken.lead, decision)], outcome.owners, taken.from_rep)
    await pool.wake_leads(conn, tenant_id, news.leads)
    await pool.wake_customers(conn, tenant_id, outcome.owners)
    flight = msgspec.structs.replace(flight, actor=gift.actor, note=gift.note)
    loads = state.loads_of(changed | {position})
    # Places may have become free: the lane is to be visited at once.
    closing = Closing(state.day, loads, {}, Record("hand", 1, encode(flight)), gift.token, at, lane.next_wake_key)
    await store.close(conn, lane, book, closing)
    return Given(rep_no, taken.from_rep, taken.state, book.batch_no)


def _free_rep(state: LaneState, rep_id: str, from_rep: int | None) -> int:
    """The rep's position. By hand a rep off duty may get a lead; one who is gone or full may not."""
    engine = state.engine
    position = next((i for i, rep in enumerate(engine.roster.reps) if rep.rep_id == rep_id), None)
    if position is None:
        raise RepUnknown(f"there is no rep {rep_id!r}; lead-router reps list shows who there is")
    rep = engine.roster.reps[position]
    if rep.no == from_rep:
        raise CannotGive(f"rep {rep_id} has this lead already")
    if not rep.active:
        raise CannotGive(f"rep {rep_id} is not active; lead-router reps set {rep_id} --active yes")
    opened, today = int(state.open_counts[position]), int(state.today_counts[position])
    if opened >= engine.max_open[position]:
        raise CannotGive(f"rep {rep_id} has {opened} open leads, which is max_open; end one or raise the cap")
    if today >= engine.max_per_day[position]:
        raise CannotGive(f"rep {rep_id} has had {today} leads today, which is max_per_day; wait or raise the cap")
    return position
