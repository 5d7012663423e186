"""Events as they are stored: giving them their place in the order, reading them, and removing old ones.

The statements that do something to a lead write its event themselves, in the same transaction. A reader needs an order
in which nothing appears behind its back: so places are given only after the commit, by one at a time for each tenant
(docs/decisions/0025-order-of-events.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from router.store.changes import Change, record_change
from router.store.statements import Connection, Row, load
from router.store.transactions import retried

_SQL = load("events")
_PLACED_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class FeedPage:
    """`rows` of events in order (see `page` in events.sql). At that moment the feed went up to `last_position`, and all
    up to `removed_upto`, at `removed_until` (UTC), was gone.
    """

    rows: Sequence[Row]
    last_position: int
    removed_upto: int
    removed_until: datetime | None


async def page(
    conn: Connection,
    tenant_id: int,
    position: int,
    place: int,
    *,
    types: Sequence[str] | None,
    lead_id: int | None,
    limit: int,
) -> FeedPage:
    """At most `limit` events after (position, place in its row), in one snapshot; only those that have a place."""
    async with conn.transaction():
        await _SQL.steady_plans.execute(conn)
        rows = await _SQL.page.fetch(
            conn, tenant_id=tenant_id, position=position, place=place, types=types, lead_id=lead_id, limit=limit
        )
    first = rows[0]
    found = [row for row in rows if row["position"] is not None]
    return FeedPage(found, first["last_position"], first["removed_upto"], first["removed_until"])


async def named(conn: Connection, tenant_id: int, events: Sequence[tuple[int, int]]) -> Sequence[Row]:
    """Rows as in `page`, of single events, each (event number, place in its row); those that are gone are missing."""
    return await _SQL.named.fetch(
        conn, tenant_id=tenant_id, event_nos=[no for no, _ in events], places=[place for _, place in events]
    )


async def keys_before(
    conn: Connection, tenant_id: int, before: tuple[int, int] | None, limit: int
) -> list[tuple[int, int]]:
    """The latest events before (position, place in its row), None = the last ones, as (event number, place in its row),
    the last one first; only those that have a place.
    """
    position, place = before or (None, 0)
    async with conn.transaction():
        await _SQL.steady_plans.execute(conn)
        rows = await _SQL.keys_before.fetch(conn, tenant_id=tenant_id, position=position, place=place, limit=limit)
    return [(row["event_no"], row["place"]) for row in rows]


async def place_new(conn: Connection, tenant_id: int) -> bool:
    """Gives places to committed events that have none; returns whether there may be more of them.

    Does nothing while somebody else does it. One transaction; without such events, one cheap question.
    """
    if not await _SQL.unplaced.value(conn, tenant_id=tenant_id):
        return False
    async with conn.transaction():
        after = await _SQL.hold_feed.value(conn, tenant_id=tenant_id)
        if after is None:
            await _SQL.open_feed.execute(conn, tenant_id=tenant_id)
            after = await _SQL.hold_feed.value(conn, tenant_id=tenant_id)
        if after is None:
            return False
        placed = await _SQL.place.value(conn, tenant_id=tenant_id, after=after, limit=_PLACED_AT_ONCE)
    return bool(placed == _PLACED_AT_ONCE)


@dataclass(frozen=True, slots=True)
class FeedState:
    """A tenant's feed: since when events are written (None = they are not), its last position, and up to where and
    when (UTC) events are gone.
    """

    events_since: datetime | None
    last_position: int
    removed_upto: int
    removed_until: datetime | None
    unplaced: bool


async def feed_state(conn: Connection, tenant_id: int) -> FeedState:
    """Raises LookupError where there is no such tenant."""
    row = await _SQL.state.row(conn, tenant_id=tenant_id)
    if row is None:
        raise LookupError(f"there is no tenant {tenant_id}")
    return FeedState(*row)


async def first_since(conn: Connection, tenant_id: int, since: datetime) -> int | None:
    """The position of the first event that happened since a time, of those that have a place. None = there is none."""
    position: int | None = await _SQL.first_since.value(conn, tenant_id=tenant_id, since=since)
    return position


@dataclass(frozen=True, slots=True)
class Feed:
    """A tenant's feed in the list of all; `unplaced_since` = when the first event happened that has no place yet."""

    tenant_id: int
    tenant: str
    last_position: int
    removed_upto: int
    unplaced_since: datetime | None


async def feeds(conn: Connection, among: Sequence[int] | None = None) -> list[Feed]:
    """Of all tenants, or `among` these."""
    if among is None:
        return [Feed(*row) for row in await _SQL.feeds.fetch(conn)]
    return [Feed(*row) for row in await _SQL.feeds_among.fetch(conn, tenant_ids=list(among))]


async def remove_old(conn: Connection, tenant_id: int, before: datetime, limit: int) -> int:
    """Removes at most `limit` of the oldest rows of events that happened before then; returns how many."""
    return int(await _SQL.remove.value(conn, tenant_id=tenant_id, before=before, limit=limit))


@retried
async def switch(conn: Connection, tenant_id: int, *, enabled: bool, actor: str, why: str) -> datetime | None:
    """Switches the writing of events on or off, recorded; returns since when they are written (None = they are not)."""
    async with conn.transaction():
        row = await _SQL.switch.row(conn, tenant_id=tenant_id, enabled=enabled)
        if row is None:
            raise LookupError(f"there is no tenant {tenant_id}")
        if (row["before"] is None) != (row["events_since"] is None):
            words = ("on", "off") if row["events_since"] is None else ("off", "on")
            await record_change(conn, tenant_id, Change(actor, "events", "events", *words, why))
        since: datetime | None = row["events_since"]
        return since
