"""One batch: fold the inbox, claim, decide, write; all in the transaction that holds the lane."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median

import asyncpg

from router.claim import NO_CLAIMS, BatchSizes, Claims, Taken, claim_named, claim_waiting, order_of
from router.domain.calendar import TZ_DATA_VERSION
from router.domain.decide import Assigned, Inputs, Outcome, Parked, Waiting, decide
from router.domain.engine import Engine, Moment
from router.domain.flight import encode, record
from router.domain.lead import PoolLead
from router.domain.reason import Reason
from router.domain.suspicion import Only
from router.failpoints import Point, met, reached
from router.instruments import Phase
from router.lane_state import LaneState, moment_at
from router.meanwhile import meanwhile
from router.stopwatch import Stopwatch
from router.store import lane as store
from router.store import pool
from router.store.lane import NO_NEWS, Book, Closing, Lane, News, OrderKey, Record
from router.store.statements import Connection

# What the database says of a row that it will not have, as opposed to being away, busy or full.
_REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.RaiseError,
)

# How far a lead's queueing time may be ahead of a batch's and still move it (the lead came after the batch began).
_JUST_ARRIVED = timedelta(seconds=1)
# When leads that somebody else has locked are looked at again.
_LOCKED_PAUSE = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class BatchDone:
    """What a batch did.

    `more` = another batch would find work at once; `stuck` = waiting leads with room, or due, are locked by others;
    `waits_s` = seconds from queueing to assignment (median, longest); `cursor` = the last ready lead, when there may
    be more behind it; `phases_s` = seconds spent on each phase.
    """

    assigned: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    parked: Counter[Reason] = field(default_factory=Counter)
    more: bool = False
    stuck: bool = False
    waits_s: tuple[float, float] | None = None
    cursor: OrderKey | None = None
    phases_s: dict[Phase, float] = field(default_factory=dict)

    @property
    def leads(self) -> int:
        return self.assigned + self.refused.total() + self.parked.total()


class BatchRefused(Exception):
    """The database refuses what a batch would write, and says why; it was rolled back. `lead_ids` were in it."""

    def __init__(self, lead_ids: list[int], why: asyncpg.PostgresError) -> None:
        super().__init__(f"{type(why).__name__}: {why}")
        self.lead_ids = lead_ids
        self.why = why


async def run_batch(
    conn: Connection,
    lane: Lane,
    state: LaneState,
    *,
    token: int,
    after: OrderKey | None,
    sizes: BatchSizes,
    clock_given: bool,
    only: Only | None = None,
) -> BatchDone:
    """Does one batch while the lane is held; changes `state`, which is true only once the transaction commits.

    `only` names the leads that it may take (None = as `sizes` say, after the key `after`). Raises BatchRefused.
    """
    watch = Stopwatch()
    take = await _take(conn, lane, state, after, sizes, clock_given, only)
    leads = take.taken.leads
    watch.lap(Phase.CLAIM)
    try:
        if only is not None and only.blame:
            done = await _park(conn, lane, take, leads, only.blame)
        else:
            done = await _settle(conn, lane, state, take, leads, token, watch)
        reached(Point.CLOSED)
    except _REFUSALS as error:
        if not leads:
            raise
        raise BatchRefused([lead.lead_id for lead in leads], error) from error
    watch.lap(Phase.WRITE)
    return replace(done, phases_s=watch.laps_s)


@dataclass(frozen=True, slots=True)
class _Take:
    """What a batch begins with: news, leads, its moment, and the positions whose load the news changed.

    `more` = it was not all; `cursor` = the last ready lead, where there may be more behind it.
    """

    news: News
    taken: Taken
    moment: Moment
    changed: set[int]
    more: bool
    cursor: OrderKey | None


async def _take(
    conn: Connection,
    lane: Lane,
    state: LaneState,
    after: OrderKey | None,
    sizes: BatchSizes,
    clock_given: bool,
    only: Only | None,
) -> _Take:
    tenant_id = lane.tenant_id
    # What only parks writes no loads: the news is left for the next batch.
    folds = lane.has_news and not (only and only.blame)
    news = await store.fold_inbox(conn, tenant_id) if folds else NO_NEWS
    if only is not None:
        taken = await claim_named(conn, tenant_id, state, only.lead_ids)
    else:
        taken = Taken(await pool.claim_ready(conn, tenant_id, after, sizes.ready), NO_CLAIMS)
    ready = taken.ready.leads
    moment = moment_at(state.engine, lane.now if clock_given else batch_time(lane.now, news, ready))
    state.turn_day(moment.day.date)
    changed = state.fold(news.opened, news.today)
    if only is not None:
        return _Take(news, taken, moment, changed, more=True, cursor=None)
    claims = await claim_waiting(conn, tenant_id, state, moment.now, sizes.waiting(len(ready)))
    full = len(ready) == sizes.ready
    more = full or claims.more or news.more or after is not None
    cursor = order_of(max(ready, key=order_of)) if full else None
    return _Take(news, Taken(taken.ready, claims), moment, changed, more, cursor)


async def _settle(
    conn: Connection, lane: Lane, state: LaneState, take: _Take, leads: list[PoolLead], token: int, watch: Stopwatch
) -> BatchDone:
    """Decides about the leads and writes everything."""
    tenant_id, now, changed = lane.tenant_id, take.moment.now, take.changed
    met(leads)
    reached(Point.CLAIMED)
    book = Book(tenant_id, lane.batch_no + bool(leads), now)
    next_key = lane.next_wake_key
    written: Record | None = None
    outcome: Outcome | None = None
    if leads:
        inputs = _inputs(state, take.moment, leads, take.taken.owners)
        outcome = decide(state.engine, inputs)
        watch.lap(Phase.DECIDE)
        reached(Point.DECIDED)
        changed |= state.adopt(outcome)
        next_key, written = await _write(conn, lane, book, state, inputs, outcome)
    woken = await _wake(conn, tenant_id, state, take.news, outcome)
    # A key that is gone must be gone from every router's memory, so pruning is a change like any other.
    pruned = await _prune(conn, tenant_id, state, take.taken.claims)
    reached(Point.WOKEN)
    stuck = _stuck(state, take.taken.claims, now)
    more = take.more or woken > 0
    next_visit = _next_visit(state, take.moment, more=more, stuck=stuck)
    if leads or changed or woken or pruned or next_visit != lane.next_visit_at or lane.seen != lane.versions:
        state.token = token
        loads, credits = state.loads_of(changed), outcome.credits if outcome else {}
        closing = Closing(state.day, loads, credits, written, token, next_visit, next_key)
        await store.close(conn, lane, book, closing)
    return replace(_done(leads, outcome, now), more=more, stuck=stuck, cursor=take.cursor)


async def _park(conn: Connection, lane: Lane, take: _Take, leads: list[PoolLead], blame: str) -> BatchDone:
    """Parks the leads undecided, without a record: nothing can be run again that nobody came through."""
    for lead in leads:
        why = Parked(Reason.INTERNAL_ERROR, blame)
        await pool.park_undecided(conn, lane.tenant_id, take.moment.now, lead, why)
    return BatchDone(parked=Counter({Reason.INTERNAL_ERROR: len(leads)}), more=True)


async def next_leads(conn: Connection, lane: Lane, state: LaneState, sizes: BatchSizes, clock_given: bool) -> list[int]:
    """The leads that the next batch would take; they stay where they are. `state` is not to be used afterwards."""
    found = list[int]()
    try:
        async with conn.transaction():
            take = await _take(conn, lane, state, None, sizes, clock_given, None)
            found += [lead.lead_id for lead in take.taken.leads]
            raise _GiveBack
    except _GiveBack:
        return found


class _GiveBack(Exception):
    """Takes the claim back and nothing else."""


def batch_time(now: datetime, news: News, ready: Sequence[PoolLead]) -> datetime:
    """The batch's time: not before an ending that it folds in, nor before a lead that came while it began."""
    if news.at is not None:
        now = max(now, news.at)
    newest = max((lead.queued_at for lead in ready), default=now)
    return newest if now < newest <= now + _JUST_ARRIVED else now


def _inputs(state: LaneState, moment: Moment, leads: list[PoolLead], owners: dict[int, int]) -> Inputs:
    codes = state.on_duty(moment.now).codes
    return Inputs(moment, leads, codes, state.opened, state.today, state.credits, owners)


async def _write(
    conn: Connection, lane: Lane, book: Book, state: LaneState, inputs: Inputs, outcome: Outcome
) -> tuple[int, Record]:
    """Writes what became of the leads; answers the next free wake key, and the record for closing the visit."""
    given: list[tuple[int, PoolLead, Assigned]] = []
    refused: list[tuple[PoolLead, int, datetime]] = []
    parked: list[tuple[PoolLead, Parked]] = []
    new_keys: dict[int, str] = {}
    ruleset = state.engine.ruleset.version
    for seq, (lead, decision) in enumerate(zip(inputs.leads, outcome.decisions, strict=True)):
        if isinstance(decision, Assigned):
            given.append((seq, lead, decision))
        elif isinstance(decision, Waiting):
            number = state.key_numbers.get((ruleset, decision.targets))
            if number is None:
                number = lane.next_wake_key + len(new_keys)
                new_keys[number] = decision.targets
                state.learn_key(number, ruleset, decision.targets)
            refused.append((lead, number, decision.recheck_at))
        else:
            parked.append((lead, decision))
    if refused:
        earliest = min(recheck for _, _, recheck in refused)
        state.next_due = earliest if state.next_due is None else min(state.next_due, earliest)
    flight = await meanwhile(
        store.put_assignments(conn, book, given, outcome.owners), lambda: _recorded(state.engine, inputs, outcome)
    )
    reached(Point.ASSIGNMENTS_WRITTEN)
    await pool.put_back(conn, book, refused)
    reached(Point.REFUSED_WRITTEN)
    await pool.put_parked(conn, book, parked)
    reached(Point.PARKED_WRITTEN)
    await pool.put_wake_keys(conn, book.tenant_id, ruleset, new_keys)
    reached(Point.KEYS_WRITTEN)
    return lane.next_wake_key + len(new_keys), Record("drain", len(inputs.leads), flight)


def _recorded(engine: Engine, inputs: Inputs, outcome: Outcome) -> bytes:
    return encode(record(engine, inputs, outcome, data_versions(engine)))


async def _wake(conn: Connection, tenant_id: int, state: LaneState, news: News, outcome: Outcome | None) -> int:
    """Makes ready what waits but is to be decided again: leads of customers whose owner moved, and those of the inbox.

    Counts only what became ready, so rows that somebody keeps locked do not keep the router spinning.
    """
    if not state.keys:
        return 0
    woken = await pool.wake_leads(conn, tenant_id, news.leads)
    return woken + await pool.wake_customers(conn, tenant_id, outcome.owners if outcome else ())


async def _prune(conn: Connection, tenant_id: int, state: LaneState, claims: Claims) -> bool:
    """Forgets keys that nobody waits under; answers whether there were any."""
    suspects = (claims.tried | state.maybe_empty) & state.keys.keys()
    state.maybe_empty.clear()
    pruned = await pool.prune_wake_keys(conn, tenant_id, suspects)
    state.forget_keys(pruned)
    return bool(pruned)


def _stuck(state: LaneState, claims: Claims, now: datetime) -> bool:
    """Whether leads with room, or due, are left after the claims and the pruning: somebody else has locked them."""
    if claims.due_locked or claims.more or not claims.tried:
        return claims.due_locked
    return not claims.tried.isdisjoint(state.keys_with_room(now))


def _next_visit(state: LaneState, moment: Moment, *, more: bool, stuck: bool) -> datetime | None:
    """When to come although nobody calls: at once, soon, or when time brings a rep, a new day or a recheck."""
    if more:
        return moment.now
    if stuck:
        return moment.now + _LOCKED_PAUSE
    if not state.keys:
        return state.next_due
    times = [state.next_due, moment.day.end, state.on_duty(moment.now).until]
    return min(at for at in times if at is not None)


def _done(leads: Sequence[PoolLead], outcome: Outcome | None, now: datetime) -> BatchDone:
    if outcome is None:
        return BatchDone()
    decisions = outcome.decisions
    waits = [
        (now - lead.queued_at).total_seconds()
        for lead, decision in zip(leads, decisions, strict=True)
        if isinstance(decision, Assigned)
    ]
    return BatchDone(
        assigned=len(waits),
        refused=Counter(outcome.reasons[d.targets] for d in decisions if isinstance(d, Waiting)),
        parked=Counter(d.reason for d in decisions if isinstance(d, Parked)),
        waits_s=(median(waits), max(waits)) if waits else None,
    )


def data_versions(engine: Engine) -> str:
    """The versions of time zone and holiday data, for flight records."""
    return f"{TZ_DATA_VERSION}; {engine.holidays.version}"
