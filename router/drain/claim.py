"""What a batch takes from the lead pool: ready leads, waiting ones for which there is room, and those that are due."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from time import perf_counter

from router.domain.engine import Moment
from router.domain.lead import PoolLead
from router.drain.lane_state import LaneState, moment_at
from router.drain.request import BatchRequest
from router.store import lane as store
from router.store import pool
from router.store.lane import NO_NEWS, Lane, News, OrderKey
from router.store.more_facts import with_more_facts
from router.store.statements import Connection

order_of: Callable[[PoolLead], OrderKey] = attrgetter("rank", "queued_at", "lead_id")
"""Leads are claimed and decided in this order."""

# How far a lead's queueing time may be ahead of a batch's and still move it (the lead came after the batch began).
_JUST_ARRIVED = timedelta(seconds=1)
_queued_at: Callable[[PoolLead], datetime] = attrgetter("queued_at")


@dataclass(slots=True)
class Claimed:
    """What a batch has in hand: the inbox's news, ready leads and waiting ones, unordered, with the owning rep's
    number by customer.

    `changed` = positions of reps whose load the inbox changed; `look_s` = seconds of the first claim; `last` = the key
    of the last ready lead; `rest` = so many more may follow it, 0 = these are all. Of the waiting: `tried` = the wake
    keys that had room, `more_waiting` = there may be as much again, `due_locked` = some that are due are locked.
    `asked` = what the rules ask of leads beyond what the pool holds.
    """

    moment: Moment
    news: News
    ready: list[PoolLead]
    owners: dict[int, int]
    changed: set[int]
    look_s: float
    waiting: Sequence[PoolLead] = ()
    tried: frozenset[int] = frozenset()
    more_waiting: bool = False
    due_locked: bool = False
    last: OrderKey | None = None
    rest: int = 0
    asked: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.ready or self.waiting)

    def in_order(self) -> list[PoolLead]:
        """All of them, in the order in which they are decided."""
        return sorted([*self.ready, *self.waiting], key=order_of)

    def more(self, request: BatchRequest) -> bool:
        """Whether there may be more to take, behind these leads, before them, or because it came after the moment."""
        behind = len(self.ready) >= request.first or self.more_waiting or self.news.more
        return behind or request.lead_ids is not None or request.after is not None

    def saw_all(self, request: BatchRequest) -> bool:
        """Whether no ready lead was left that could be taken, of those that it looked at."""
        return request.lead_ids is None and len(self.ready) < request.first

    def cursor(self, request: BatchRequest) -> OrderKey | None:
        """The last ready lead, where there may be more behind it."""
        return self.last if request.lead_ids is None and len(self.ready) == request.ready else None


async def fold(conn: Connection, lane: Lane) -> News:
    """Takes what others have put into the lane's inbox."""
    return await store.fold_inbox(conn, lane.tenant_id) if lane.has_news else NO_NEWS


async def claim(conn: Connection, lane: Lane, state: LaneState, request: BatchRequest, news: News) -> Claimed:
    """Takes what is decided first: of a long backlog half a batch of ready leads, and what waits and may be tried.

    The batch's moment is fixed by it; `state` turns to its business day and takes the news over.
    """
    begin = perf_counter()
    if request.lead_ids is None:
        ready, owners = await _claim_first(conn, lane.tenant_id, request)
    else:
        ready, owners = await pool.claim_named(conn, lane.tenant_id, request.lead_ids)
        state.maybe_empty.update(lead.wake_key for lead in ready if lead.wake_key)
    asked = state.engine.matcher.asked
    ready = await with_more_facts(conn, lane.tenant_id, ready, asked)
    look_s = perf_counter() - begin
    now = lane.now if request.clock_given else batch_time(lane.now, news, ready)
    moment = moment_at(state.engine, now)
    state.turn_day(moment.day.date)
    claimed = Claimed(moment, news, ready, owners, state.fold(news.open_counts, news.today_counts), look_s)
    claimed.asked = asked
    if request.lead_ids is None:
        await _claim_waiting(conn, lane.tenant_id, state, request, claimed)
        claimed.last = max(map(order_of, ready), default=None)
        claimed.rest = request.ready - request.first if len(ready) == request.first else 0
        if claimed.rest and claimed.waiting:
            # All are in hand then: they are decided in one order with the ready ones.
            await claim_rest(conn, lane, request, claimed)
    return claimed


async def _claim_first(conn: Connection, tenant_id: int, request: BatchRequest) -> pool.ClaimedRows:
    if request.since is not None:
        return await pool.claim_recent(conn, tenant_id, request.ranks, request.since, request.first)
    return await pool.claim_ready(conn, tenant_id, request.after, request.first)


async def claim_rest(conn: Connection, lane: Lane, request: BatchRequest, claimed: Claimed) -> list[PoolLead]:
    """Takes the rest of the ready leads. Those that came after the batch's moment are the next one's."""
    until = None if request.clock_given else claimed.moment.now
    more, owners = await pool.claim_ready(conn, lane.tenant_id, claimed.last, claimed.rest, until)
    more = await with_more_facts(conn, lane.tenant_id, more, claimed.asked)
    claimed.ready = [*claimed.ready, *more]
    claimed.owners = owners | claimed.owners
    claimed.last = max(map(order_of, more), default=claimed.last)
    claimed.rest = 0
    return more


def batch_time(now: datetime, news: News, ready: Sequence[PoolLead]) -> datetime:
    """The batch's time: not before an ending that it folds in, nor before a lead that came while it began."""
    if news.at is not None:
        now = max(now, news.at)
    newest = max(map(_queued_at, ready), default=now)
    return newest if now < newest <= now + _JUST_ARRIVED else now


async def _claim_waiting(
    conn: Connection, tenant_id: int, state: LaneState, request: BatchRequest, claimed: Claimed
) -> None:
    """Takes waiting leads: those for which there is room, and as many that are due."""
    limit, now = request.waiting(len(claimed.ready)), claimed.moment.now
    rooms = state.keys_with_room(now)
    claimed.tried = frozenset(rooms)
    waiting, due = list[PoolLead](), list[PoolLead]()
    if rooms:
        asked = asked_of_keys(rooms, limit)
        waiting, owners = await pool.claim_waiting(conn, tenant_id, asked, limit)
        claimed.owners |= owners
        claimed.more_waiting = len(waiting) == limit or cut_short(asked, rooms, waiting)
    if state.next_due is not None and state.next_due <= now:
        due, owners = await pool.claim_due(conn, tenant_id, now, limit)
        claimed.owners |= owners
        claimed.more_waiting = claimed.more_waiting or len(due) == limit
        state.next_due = await store.next_recheck(conn, tenant_id)
        claimed.due_locked = len(due) < limit and state.next_due is not None and state.next_due <= now
    claimed.waiting = await with_more_facts(conn, tenant_id, waiting + due, claimed.asked)
    state.maybe_empty.update(lead.wake_key for lead in claimed.waiting if lead.wake_key)


def asked_of_keys(rooms: Mapping[int, int], limit: int) -> dict[int, int]:
    """How many leads to ask of each key: its room, but where many keys have much, an equal part of twice `limit`.

    The claim sorts what it gets by rank and keeps `limit`, so a bound on what it looks at is enough.
    """
    if sum(min(room, limit) for room in rooms.values()) <= 4 * limit:
        return {key: min(room, limit) for key, room in rooms.items()}
    part = max(1, 2 * limit // len(rooms))
    return {key: min(room, part) for key, room in rooms.items()}


def cut_short(asked: Mapping[int, int], rooms: Mapping[int, int], claimed: Sequence[PoolLead]) -> bool:
    """Whether a key gave all that it was asked for although it had room for more."""
    got = Counter(lead.wake_key for lead in claimed)
    return any(got[key] == asked[key] < rooms[key] for key in asked)


_FIRST = BatchRequest(ready=1)
WAITING_ONLY = BatchRequest(ready=1, after=(2**31 - 1, datetime.max.replace(tzinfo=UTC), 2**63 - 1))
"""One lead that waits: no ready one comes after this place in line."""


async def next_lead(conn: Connection, lane: Lane, state: LaneState, request: BatchRequest = _FIRST) -> int | None:
    """The lead that a batch would decide first, which stays where it is; None = there is none to take.

    `state` is not to be used afterwards.
    """
    found: list[PoolLead] = []
    try:
        async with conn.transaction():
            found = (await claim(conn, lane, state, request, NO_NEWS)).in_order()
            raise _GiveBack
    except _GiveBack:
        return found[0].lead_id if found else None


class _GiveBack(Exception):
    """Takes the claim back and nothing else."""
