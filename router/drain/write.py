"""What a batch writes beside its assignments: leads that nobody gets, whoever is woken, and the lane's next state."""

from datetime import datetime, timedelta

from router.domain.decide import Outcome, Parked, Waiting
from router.domain.engine import Moment
from router.domain.lead import PoolLead
from router.drain.claim import Claimed
from router.drain.failpoints import Point, reached
from router.drain.lane_state import LaneState
from router.drain.overlap import Decided
from router.drain.request import BatchRequest
from router.store import lane as store
from router.store import pool
from router.store.lane import Book, Closing, Lane, News
from router.store.statements import Connection

# When leads that somebody else has locked are looked at again.
_LOCKED_PAUSE = timedelta(seconds=0.5)


async def write_others(conn: Connection, lane: Lane, state: LaneState, decided: Decided | None) -> int:
    """Writes those that nobody gets; returns the next free wake key."""
    next_key = lane.next_wake_key
    if decided is None:
        return next_key
    refused: list[tuple[PoolLead, int, datetime]] = []
    parked: list[tuple[PoolLead, Parked]] = []
    new_keys: dict[int, str] = {}
    ruleset = state.engine.ruleset.version
    for lead, decision in zip(decided.inputs.leads, decided.outcome.decisions, strict=True):
        if isinstance(decision, Waiting):
            number = state.key_numbers.get((ruleset, decision.targets))
            if number is None:
                number = state.free_key(next_key)
                next_key = number + 1
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
    return next_key


async def close(
    conn: Connection,
    lane: Lane,
    state: LaneState,
    request: BatchRequest,
    claimed: Claimed,
    decided: Decided | None,
    next_wake_key: int,
    token: int,
) -> tuple[bool, bool]:
    """Wakes who is to be decided again, and leaves the lane to the next batch, unless nothing changed.

    Returns whether another batch would find work at once, and whether leads that should be taken are locked.
    """
    tenant_id, now = lane.tenant_id, claimed.moment.now
    woken = await _wake(conn, tenant_id, state, claimed.news, decided.outcome if decided else None)
    # A key that is gone must be gone from every router's memory, so pruning is a change like any other.
    pruned = await _prune(conn, tenant_id, state, claimed)
    reached(Point.WOKEN)
    stuck = _stuck(state, claimed, now)
    more = claimed.more(request) or woken > 0
    next_visit = _next_visit(state, claimed.moment, more=more, stuck=stuck)
    changed = decided or claimed.changed or woken or pruned
    if changed or next_visit != lane.next_visit_at or lane.seen != lane.versions:
        state.token = token
        loads, credits = state.loads_of(claimed.changed), decided.outcome.credits if decided else {}
        book = decided.book if decided else Book(tenant_id, lane.batch_no, now, lane.ruleset)
        record = decided.record if decided else None
        closing = Closing(state.day, loads, credits, record, token, next_visit, next_wake_key)
        await store.close(conn, lane, book, closing)
    reached(Point.CLOSED)
    return more, stuck


async def _wake(conn: Connection, tenant_id: int, state: LaneState, news: News, outcome: Outcome | None) -> int:
    """Makes ready what waits but is to be decided again: leads of customers whose owner moved, and those of the inbox.

    Counts only what became ready, so rows that somebody keeps locked do not keep the router spinning.
    """
    if not state.keys:
        return 0
    woken = await pool.wake_leads(conn, tenant_id, news.leads)
    return woken + await pool.wake_customers(conn, tenant_id, outcome.owners if outcome else ())


async def _prune(conn: Connection, tenant_id: int, state: LaneState, claimed: Claimed) -> bool:
    """Forgets keys that nobody waits under; returns whether there were any."""
    candidates = (claimed.tried | state.maybe_empty) & state.keys.keys()
    state.maybe_empty.clear()
    pruned = await pool.prune_wake_keys(conn, tenant_id, candidates)
    state.forget_keys(pruned)
    return bool(pruned)


def _stuck(state: LaneState, claimed: Claimed, now: datetime) -> bool:
    """Whether leads with room, or due, are left after the claims and the pruning: somebody else has locked them."""
    if claimed.due_locked or claimed.more_waiting or not claimed.tried:
        return claimed.due_locked
    return not claimed.tried.isdisjoint(state.keys_with_room(now))


def _next_visit(state: LaneState, moment: Moment, *, more: bool, stuck: bool) -> datetime | None:
    """When to come without a hint: at once, soon, or when time brings a rep, a new day or a recheck."""
    if more:
        return moment.now
    if stuck:
        return moment.now + _LOCKED_PAUSE
    if not state.keys:
        return state.next_due
    times = [state.next_due, moment.day.end, state.on_duty(moment.now).until]
    return min(at for at in times if at is not None)
