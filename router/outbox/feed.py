"""The feed of a tenant's events, read with a cursor: by pollers, by the command line, and by the webhooks.

What is read comes in one order that never changes, and nothing appears before a cursor that was returned: a place in
the order is given after the commit, here, before reading.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from router.outbox.cursor import Cursor, after_row, check_cursor, parse_cursor
from router.outbox.event import Event, event_of
from router.rules.problems import InvalidFile
from router.store import events as store
from router.store.rulesets import RulesUnknown, load_ruleset
from router.store.statements import Connection, Row

MAX_LIMIT = 5000
_RULESETS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order; `cursor` = where to go on, also when there are none; `more` = there may be some at once."""

    events: Sequence[Event]
    cursor: Cursor
    more: bool


class RuleNames:
    """The names of rules by (tenant, ruleset), kept: versions are immutable."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, int], Sequence[str]] = OrderedDict()

    async def of(self, conn: Connection, tenant_id: int, rows: Sequence[Row]) -> list[str | None]:
        """The rule's name for each row of events; None where no rule assigned, or it cannot be read any more."""
        for version in {row["ruleset"] for row in rows if row["rule_no"] is not None}:
            if (tenant_id, version) not in self._known:
                self._known[tenant_id, version] = await _names(conn, tenant_id, version)
                if len(self._known) > _RULESETS_KEPT:
                    self._known.popitem(last=False)
        return [self._name(tenant_id, row) for row in rows]

    def _name(self, tenant_id: int, row: Row) -> str | None:
        number = row["rule_no"]
        if number is None:
            return None
        names = self._known.get((tenant_id, row["ruleset"]), ())
        return names[number] if number < len(names) else None


async def _names(conn: Connection, tenant_id: int, version: int) -> Sequence[str]:
    try:
        ruleset = await load_ruleset(conn, tenant_id, version)
    except (RulesUnknown, InvalidFile):
        # An event without the name of its rule is better than none.
        return ()
    return [rule.name for rule in ruleset.rules]


async def read_events(
    conn: Connection,
    tenant_id: int,
    after: Cursor,
    *,
    types: Sequence[str] | None = None,
    lead_id: int | None = None,
    limit: int = 1000,
    names: RuleNames | None = None,
) -> Page:
    """At most `limit` events (up to MAX_LIMIT) after the cursor, of these types and this lead (None = all).

    Returns at once, also when there is none. Not inside of a transaction: what is new has to be seen, and gets its
    place here. Raises CursorTooOld, CursorError.
    """
    unplaced = await store.place_new(conn, tenant_id)
    found = await store.page(conn, tenant_id, *after, types=types, lead_id=lead_id, limit=min(limit, MAX_LIMIT))
    check_cursor(after, found.last_position, found.removed_upto)
    full = len(found.rows) == min(limit, MAX_LIMIT)
    events = await _events(conn, tenant_id, found.rows, names or RuleNames())
    # Without a full page nothing is left up to the last place that there was.
    cursor = events[-1].cursor if full else max(after, after_row(found.last_position))
    return Page(events, cursor, full or unplaced)


async def read_named(
    conn: Connection, tenant_id: int, keys: Sequence[tuple[int, int]], names: RuleNames | None = None
) -> list[Event]:
    """Single events by (event number, place in its row), in order; those that are gone are missing."""
    return await _events(conn, tenant_id, await store.named(conn, tenant_id, keys), names or RuleNames())


async def latest_events(
    conn: Connection, tenant_id: int, before: Cursor | None, limit: int, names: RuleNames | None = None
) -> list[Event]:
    """At most `limit` events before a cursor (None = the last ones that were committed), the last one first."""
    await store.place_new(conn, tenant_id)
    keys = await store.keys_before(conn, tenant_id, before, limit)
    return (await read_named(conn, tenant_id, keys, names))[::-1] if keys else []


async def begin_after(conn: Connection, tenant_id: int, text: str) -> Cursor:
    """Where to begin: `oldest`, `newest`, or a cursor as a reader writes it. Raises CursorError."""
    if text in ("oldest", "newest"):
        return await (oldest if text == "oldest" else newest)(conn, tenant_id)
    return parse_cursor(text)


async def begin_since(conn: Connection, tenant_id: int, since: datetime) -> tuple[Cursor, datetime | None]:
    """Where to begin so that nothing is missed that happened since a time, and up to when events are gone (UTC) where
    that reaches into it (None = all are there).

    Where nothing has happened since, it is the end of the feed as it was when this was called.
    """
    end = await newest(conn, tenant_id)
    first = await store.first_since(conn, tenant_id, since)
    feed = await store.feed_state(conn, tenant_id)
    gone = feed.removed_until if feed.removed_until is not None and feed.removed_until >= since else None
    begin = end if first is None else Cursor(first, 0)
    # The first one may have been removed meanwhile.
    return (max(begin, after_row(feed.removed_upto)) if feed.removed_upto else begin), gone


async def oldest(conn: Connection, tenant_id: int) -> Cursor:
    """Before the oldest event that is left."""
    removed = (await store.feed_state(conn, tenant_id)).removed_upto
    return after_row(removed) if removed else Cursor(0, 0)


async def newest(conn: Connection, tenant_id: int) -> Cursor:
    """After the last event that was committed when this was called."""
    while await store.place_new(conn, tenant_id):
        pass
    return after_row((await store.feed_state(conn, tenant_id)).last_position)


async def _events(conn: Connection, tenant_id: int, rows: Sequence[Row], names: RuleNames) -> list[Event]:
    rules = await names.of(conn, tenant_id, rows)
    return [event_of(dict(row.items()), rule) for row, rule in zip(rows, rules, strict=True)]
