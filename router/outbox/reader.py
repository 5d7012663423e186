"""What an endpoint gets next: first the leads that were put off, as many as there is room for, then the feed."""

from collections.abc import Callable, Sequence

from router.outbox.backlog import Backlog, Entry
from router.outbox.cursor import CursorTooOld, after_row
from router.outbox.event import Event
from router.outbox.feed import Page, RuleNames, read_events, read_named
from router.store import webhooks as store
from router.store.connections.connections import Connections, Part
from router.store.events import feed_state
from router.store.statements import Connection, Row
from router.store.webhooks import Working
from router.telemetry.logs import get_logger

log = get_logger(__name__)

PAGE = 1000
_FIRST_PAGE = 250
MOST_IN_HAND = 10_000
"""Events that are kept in memory for one endpoint; leads that wait beyond that are in the database only."""
_DUE_AT_ONCE = 500
_DUE_EVERY_S = 1.0


class Reader:
    """Fills a backlog. `head` = the position up to which the feed has events, as far as is known."""

    def __init__(
        self,
        working: Working,
        me: int,
        connections: Connections,
        names: RuleNames,
        backlog: Backlog,
        clock: Callable[[], float],
    ) -> None:
        self.head = 0
        self._working = working
        self._me = me
        self._connections = connections
        self._names = names
        self._backlog = backlog
        self._clock = clock
        self._began = False
        self._looked_at = clock()

    def wants_more(self) -> bool:
        """There is room, and the feed may have more events."""
        if self._is_full():
            return False
        return not self._began or self._backlog.read.position <= self.head

    def wants_due(self) -> bool:
        """There is room, and it is time to look whether leads are due that are in the database only."""
        waited = self._clock() - self._looked_at >= _DUE_EVERY_S
        return self._backlog.any_away and waited and not self._is_full()

    @property
    def overfull(self) -> bool:
        """Too many events are in hand: those that wait for long are to be kept in the database only."""
        return self._backlog.in_hand > MOST_IN_HAND

    def make_room(self) -> None:
        """Forgets leads that wait. Call it when all is saved."""
        if self.overfull:
            self._backlog.evict(MOST_IN_HAND // 2)

    def _is_full(self) -> bool:
        return self._backlog.size > PAGE // 2 or self.overfull

    async def read_on(self) -> None:
        """The next page of the feed; before the first one, what was put off, which is older."""
        async with self._connections.acquire(Part.DUTIES) as conn:
            if not self._began:
                await self._load_put_off(conn)
                return
            try:
                page = await self._page(conn)
            except CursorTooOld:
                await self._go_on_after_what_is_gone(conn)
                return
            waiting = await self._waiting(conn, page.events)
        self._backlog.add_page(page.events, waiting)
        self._backlog.read = page.cursor
        # What was committed since comes with the next look at all feeds.
        if not page.more:
            self.head = page.cursor.position - 1

    async def _page(self, conn: Connection) -> Page:
        working, after = self._working, self._backlog.read
        limit = PAGE if self._backlog.size else _FIRST_PAGE
        return await read_events(conn, working.tenant_id, after, types=working.types, limit=limit, names=self._names)

    async def _waiting(self, conn: Connection, events: Sequence[Event]) -> dict[int, set[tuple[int, int]]]:
        if not self._backlog.any_away or not events:
            return {}
        return await store.waiting_of_leads(conn, self._working, [one.lead_id for one in events])

    async def _load_put_off(self, conn: Connection) -> None:
        """As much as may be in hand; the rest comes when it is due."""
        found = await self._load(conn, due_only=False)
        self._began = found < _DUE_AT_ONCE
        if not self._began and self._backlog.in_hand >= MOST_IN_HAND // 2:
            self._began = self._backlog.any_away = True

    async def load_due(self) -> None:
        """Leads whose next attempt is due and that are in the database only. Call it when all is saved."""
        async with self._connections.acquire(Part.DUTIES) as conn:
            found = await self._load(conn, due_only=True)
        if found < _DUE_AT_ONCE:
            self._looked_at = self._clock()

    async def _load(self, conn: Connection, *, due_only: bool) -> int:
        """Loads leads with all their events that wait; returns how many leads."""
        rows = await store.put_off_lines(conn, self._working, self._backlog.leads, _DUE_AT_ONCE, due_only=due_only)
        keys = [_key(row) for row in rows]
        known = {one.key: one for one in await read_named(conn, self._working.tenant_id, keys, self._names)}
        gone = [key for key in keys if key not in known]
        await store.bury(conn, self._working, gone, "past the retention of events")
        now = self._clock()
        self._backlog.load([_entry(row, known[_key(row)], now) for row in rows if _key(row) in known])
        return len({row["lead_id"] for row in rows})

    async def _go_on_after_what_is_gone(self, conn: Connection) -> None:
        working = self._working
        upto = (await feed_state(conn, working.tenant_id)).removed_upto
        log.error(
            "events are gone that a webhook never got", tenant=working.tenant, webhook=working.webhook_no, upto=upto
        )
        await store.note_missed(conn, self._me, working, upto)
        self._backlog.read = after_row(upto)


def _key(row: Row) -> tuple[int, int]:
    return (row["event_no"], row["place"])


def _entry(row: Row, event: Event, now: float) -> Entry:
    if row["wait_s"] is None:
        return Entry(event, row["attempts"], float("inf"), stored=True)
    due = now + row["wait_s"] if row["wait_s"] > 0 and row["attempts"] else 0.0
    return Entry(event, row["attempts"], due, stored=True)
