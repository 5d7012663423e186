"""One batch: fold the inbox, claim, decide, write; all in the transaction that holds the lane."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median
from time import perf_counter

import asyncpg

from router.domain.decide import Assigned, Outcome, Parked, Waiting
from router.domain.engine import Moment
from router.domain.lead import PoolLead
from router.domain.reason import Reason
from router.drain.claim import NO_CLAIMS, Asked, Claims, Taken, claim_named, claim_waiting, order_of
from router.drain.failpoints import Point, reached
from router.drain.lane_state import LaneState
from router.drain.overlap import Decided, Take, claim_rest, decide_and_give, moment_of
from router.store import lane as store
from router.store import pool
from router.store.lane import NO_NEWS, Book, Closing, Lane, News, OrderKey
from router.store.statements import Connection
from router.telemetry.instruments import Phase
from router.telemetry.stopwatch import Stopwatch

# What the database says of a row that it will not have, as opposed to being away, busy or full.
_REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.RaiseError,
)

# When leads that somebody else has locked are looked at again.
_LOCKED_PAUSE = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class BatchDone:
    """What a batch did.

    `more` = another batch would find work at once; `stuck` = waiting leads with room, or due, are locked by others;
    `waits_s` = seconds from queueing to assignment (median, longest); `cursor` = the last ready lead, when there may
    be more behind it; `look_s` = seconds of the first claim; `phases_s` = seconds of the visit that went into each
    phase, once it is over.
    """

    assigned: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    parked: Counter[Reason] = field(default_factory=Counter)
    more: bool = False
    stuck: bool = False
    waits_s: tuple[float, float] | None = None
    cursor: OrderKey | None = None
    look_s: float = 0.0
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
    conn: Connection, lane: Lane, state: LaneState, asked: Asked, *, token: int, watch: Stopwatch
) -> BatchDone:
    """Does one batch while the lane is held; changes `state`, which is true only once the transaction commits.

    Raises BatchRefused.
    """
    take = await _take(conn, lane, state, asked)
    watch.lap(Phase.CLAIM)
    try:
        if asked.only is not None and asked.only.blame:
            done = await _park(conn, lane, take, asked.only.blame)
        else:
            done = await _settle(conn, lane, state, take, token, watch)
        reached(Point.CLOSED)
    except _REFUSALS as error:
        if not take.taken:
            raise
        raise BatchRefused([lead.lead_id for lead in take.taken.in_order()], error) from error
    watch.lap(Phase.WRITE)
    return done


async def _take(conn: Connection, lane: Lane, state: LaneState, asked: Asked) -> Take:
    """Takes what is decided first: of a long backlog half a batch of ready leads, and what waits and may be tried."""
    only, sizes, tenant_id = asked.only, asked.sizes, lane.tenant_id
    # What only parks writes no loads: the news is left for the next batch.
    folds = lane.has_news and not (only and only.blame)
    news = await store.fold_inbox(conn, tenant_id) if folds else NO_NEWS
    begin = perf_counter()
    if only is not None:
        taken = await claim_named(conn, tenant_id, state, only.lead_ids)
    else:
        taken = Taken(await pool.claim_ready(conn, tenant_id, asked.after, sizes.first), NO_CLAIMS)
    look_s = perf_counter() - begin
    moment = moment_of(lane, state, news, taken, clock_given=asked.clock_given)
    take = Take(asked, news, taken, moment, state.fold(news.opened, news.today), look_s)
    if only is None:
        await _take_waiting(conn, lane, state, take)
    return take


async def _take_waiting(conn: Connection, lane: Lane, state: LaneState, take: Take) -> None:
    """Takes those that wait. Where some do, all are in hand then: they are decided in one order with the ready ones."""
    ready, sizes = take.taken.ready, take.asked.sizes
    claims = await claim_waiting(conn, lane.tenant_id, state, take.moment.now, sizes.waiting(len(ready.leads)))
    take.taken = Taken(ready, claims)
    take.last = max(map(order_of, ready.leads), default=None)
    take.rest = sizes.ready - sizes.first if len(ready.leads) == sizes.first else 0
    if take.rest and claims.leads:
        await claim_rest(conn, lane, take)


async def _settle(
    conn: Connection, lane: Lane, state: LaneState, take: Take, token: int, watch: Stopwatch
) -> BatchDone:
    """Decides about the leads and writes everything."""
    tenant_id, changed = lane.tenant_id, take.changed
    next_key, decided = lane.next_wake_key, None
    if take.taken:
        decided = await decide_and_give(conn, lane, state, take, watch)
        changed |= state.adopt(decided.outcome)
        next_key = await _put_others(conn, lane, state, decided)
    now = take.moment.now
    woken = await _wake(conn, tenant_id, state, take.news, decided.outcome if decided else None)
    # A key that is gone must be gone from every router's memory, so pruning is a change like any other.
    pruned = await _prune(conn, tenant_id, state, take.taken.claims)
    reached(Point.WOKEN)
    stuck = _stuck(state, take.taken.claims, now)
    more = take.more or woken > 0
    next_visit = _next_visit(state, take.moment, more=more, stuck=stuck)
    if decided or changed or woken or pruned or next_visit != lane.next_visit_at or lane.seen != lane.versions:
        state.token = token
        loads, credits = state.loads_of(changed), decided.outcome.credits if decided else {}
        book = decided.book if decided else Book(tenant_id, lane.batch_no, now)
        closing = Closing(state.day, loads, credits, decided.record if decided else None, token, next_visit, next_key)
        await store.close(conn, lane, book, closing)
    return replace(_done(decided), more=more, stuck=stuck, cursor=take.cursor, look_s=take.look_s)


async def _put_others(conn: Connection, lane: Lane, state: LaneState, decided: Decided) -> int:
    """Writes those that nobody gets; answers the next free wake key."""
    refused: list[tuple[PoolLead, int, datetime]] = []
    parked: list[tuple[PoolLead, Parked]] = []
    new_keys: dict[int, str] = {}
    ruleset = state.engine.ruleset.version
    for lead, decision in zip(decided.inputs.leads, decided.outcome.decisions, strict=True):
        if isinstance(decision, Waiting):
            number = state.key_numbers.get((ruleset, decision.targets))
            if number is None:
                number = lane.next_wake_key + len(new_keys)
                new_keys[number] = decision.targets
                state.learn_key(number, ruleset, decision.targets)
            refused.append((lead, number, decision.recheck_at))
        elif isinstance(decision, Parked):
            parked.append((lead, decision))
    if refused:
        earliest = min(recheck for _, _, recheck in refused)
        state.next_due = earliest if state.next_due is None else min(state.next_due, earliest)
    await pool.put_back(conn, decided.book, refused)
    reached(Point.REFUSED_WRITTEN)
    await pool.put_parked(conn, decided.book, parked)
    reached(Point.PARKED_WRITTEN)
    await pool.put_wake_keys(conn, lane.tenant_id, ruleset, new_keys)
    reached(Point.KEYS_WRITTEN)
    return lane.next_wake_key + len(new_keys)


async def _park(conn: Connection, lane: Lane, take: Take, blame: str) -> BatchDone:
    """Parks the leads undecided, without a record: nothing can be run again that nobody came through."""
    leads = take.taken.in_order()
    for lead in leads:
        why = Parked(Reason.INTERNAL_ERROR, blame)
        await pool.park_undecided(conn, lane.tenant_id, take.moment.now, lead, why)
    return BatchDone(parked=Counter({Reason.INTERNAL_ERROR: len(leads)}), more=True)


async def next_leads(conn: Connection, lane: Lane, state: LaneState, asked: Asked) -> list[int]:
    """Leads that the next batch would take; they stay where they are. `state` is not to be used afterwards."""
    found = list[int]()
    try:
        async with conn.transaction():
            take = await _take(conn, lane, state, asked)
            found += [lead.lead_id for lead in take.taken.in_order()]
            raise _GiveBack
    except _GiveBack:
        return found


class _GiveBack(Exception):
    """Takes the claim back and nothing else."""


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


def _done(decided: Decided | None) -> BatchDone:
    if decided is None:
        return BatchDone()
    now, decisions, reasons = decided.book.at, decided.outcome.decisions, decided.outcome.reasons
    waits = [
        (now - lead.queued_at).total_seconds()
        for lead, decision in zip(decided.inputs.leads, decisions, strict=True)
        if isinstance(decision, Assigned)
    ]
    return BatchDone(
        assigned=len(waits),
        refused=Counter(reasons[d.targets] for d in decisions if isinstance(d, Waiting)),
        parked=Counter(d.reason for d in decisions if isinstance(d, Parked)),
        waits_s=(median(waits), max(waits)) if waits else None,
    )
