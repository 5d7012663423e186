"""Parked leads sent back and waiting ones looked at again: what there is, and one bounded part of it at a time.

What is sent back in bulk waits under a wake key of a ruleset that never was: such keys have endless room at a bounded
share of each batch, so a flood of them never keeps new leads waiting. See docs/decisions/0015.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from router.domain.phrases import count
from router.domain.targets import LAST_WAKE_KEY
from router.store.changes import Change, record_change
from router.store.hints import call_routers
from router.store.lane import Lane, LaneLimits, hold_waiting
from router.store.pool import prune_wake_keys, put_wake_keys
from router.store.statements import Connection, load

_SQL = load("retry")

SENT_BACK = 0
"""The ruleset of the wake key under which leads wait that a person sent back."""

# Their turn comes by the key. This is for the day on which it does not: then the clock brings them, as any lead.
_TURN_AT_THE_LATEST = timedelta(hours=1)

Place = tuple[int, int, datetime, int]
"""A place in line: wake key, rank, queued at, lead."""
FIRST_PLACE: Place = (0, -(1 << 31), datetime(1, 1, 1, tzinfo=UTC), 0)


async def clock(conn: Connection) -> datetime:
    """The database's time."""
    at: datetime = await _SQL.clock.value(conn)
    return at


async def parked_counts(conn: Connection, tenant_id: int, since: datetime | None) -> dict[str, int]:
    """Parked leads by reason, those parked since then."""
    return {row[0]: row[1] for row in await _SQL.parked_counts.fetch(conn, tenant_id=tenant_id, since=since)}


async def waiting_counts(conn: Connection, tenant_id: int, since: datetime | None) -> Sequence[asyncpg.Record]:
    """Rows of (wake_key, ruleset, targets, leads), of leads that were refused, those queued since then."""
    return await _SQL.waiting_counts.fetch(conn, tenant_id=tenant_id, since=since)


@dataclass(frozen=True, slots=True)
class Moved:
    """What one transaction did: of `seen` leads it moved `moved`; the others are locked by another session."""

    seen: int
    moved: int


@dataclass(frozen=True, slots=True)
class Author:
    """Who has leads looked at again, and why; `asked` = what was asked for, in words."""

    actor: str
    asked: str
    why: str


async def next_parked(
    conn: Connection, tenant_id: int, reasons: Sequence[str], since: datetime | None, after: int, limit: int
) -> list[int]:
    """At most `limit` parked leads (numbers) of these reasons after lead `after`, in the caller's transaction."""
    await _SQL.in_order.execute(conn)
    rows = await _SQL.parked_next.fetch(
        conn, tenant_id=tenant_id, reasons=reasons, since=since, after_lead_id=after, limit=limit
    )
    return [row[0] for row in rows]


async def next_waiting(
    conn: Connection,
    tenant_id: int,
    keys: Sequence[int],
    since: datetime | None,
    upto_batch: int,
    after: Place,
    limit: int,
) -> list[Place]:
    """At most `limit` leads under these keys after a place, refused by `upto_batch` or before: each is taken once."""
    await _SQL.in_order.execute(conn)
    key, rank, queued_at, lead_id = after
    rows = await _SQL.waiting_next.fetch(
        conn,
        tenant_id=tenant_id,
        wake_keys=keys,
        since=since,
        upto_batch=upto_batch,
        after_wake_key=key,
        after_rank=rank,
        after_queued_at=queued_at,
        after_lead_id=lead_id,
        limit=limit,
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def send_back(
    conn: Connection, tenant_id: int, leads: Sequence[int], reasons: Sequence[str], token: int, author: Author
) -> Moved:
    """Parked leads wait again; in the caller's transaction, which holds the lane from here on.

    Raises asyncpg.LockNotAvailableError when somebody keeps the lane.
    """
    held = await hold_lane(conn, tenant_id)
    moved = await put_in_pool(conn, held.lane, leads, reasons, held.key)
    return await _told(conn, held, token, author, Moved(len(leads), moved), "parked")


async def look_again(conn: Connection, tenant_id: int, places: Sequence[Place], token: int, author: Author) -> Moved:
    """Waiting leads get their turn whatever they wait for; as `send_back`. They keep their age."""
    held = await hold_lane(conn, tenant_id)
    keys = sorted({place[0] for place in places})
    moved = await _SQL.look_again.execute(
        conn, tenant_id=tenant_id, lead_ids=[place[3] for place in places], wake_keys=keys, wake_key=held.key
    )
    await prune_wake_keys(conn, tenant_id, keys)
    return await _told(conn, held, token, author, Moved(len(places), moved), "waiting")


async def put_in_pool(conn: Connection, lane: Lane, leads: Sequence[int], reasons: Sequence[str], wake_key: int) -> int:
    """Parked leads go into the pool, under key 0 as ready ones; returns how many. The caller holds the lane."""
    rows = await _SQL.send_back.fetch(
        conn,
        tenant_id=lane.tenant_id,
        lead_ids=leads,
        reasons=reasons,
        wake_key=wake_key,
        at=lane.now,
        recheck_at=lane.now + _TURN_AT_THE_LATEST if wake_key else None,
    )
    return len(rows)


async def call_lane(conn: Connection, lane: Lane, token: int, next_wake_key: int) -> None:
    """Makes routers come at once, and read the lane's state again unless the token stays. The caller holds the lane."""
    await _SQL.call_lane.execute(
        conn, tenant_id=lane.tenant_id, state_token=token, next_wake_key=next_wake_key, now=lane.now
    )
    await call_routers(conn, lane.tenant_id)


@dataclass(frozen=True, slots=True)
class HeldLane:
    """The lane, the wake key of what is sent back, and the next free number."""

    lane: Lane
    key: int
    next_key: int


async def hold_lane(conn: Connection, tenant_id: int) -> HeldLane:
    lane = await hold_waiting(conn, tenant_id, None, LaneLimits())
    key: int | None = await _SQL.sent_back_key.value(conn, tenant_id=tenant_id)
    if key is not None:
        return HeldLane(lane, key, lane.next_wake_key)
    first = lane.next_wake_key if lane.next_wake_key <= LAST_WAKE_KEY else 1
    number = await _SQL.free_key.value(conn, tenant_id=tenant_id, first=first)
    await put_wake_keys(conn, tenant_id, SENT_BACK, {number: ""})
    return HeldLane(lane, number, number + 1)


async def _told(conn: Connection, held: HeldLane, token: int, author: Author, moved: Moved, were: str) -> Moved:
    """Calls the routers, and records what was done, if anything was."""
    await call_lane(conn, held.lane, token, held.next_key)
    if moved.moved:
        change = Change(
            author.actor, "retry", author.asked, f"{count(moved.moved, 'lead')} {were}", "to be decided", author.why
        )
        await record_change(conn, held.lane.tenant_id, change)
    return moved
