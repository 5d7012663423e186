"""Which events are to be delivered once more: a range of the feed."""

from router.outbox.cursor import Cursor, parse_cursor
from router.outbox.feed import newest, read_events
from router.store.statements import Connection
from router.store.webhooks import Webhook

MAX_AGAIN = 100_000


class TooManyAgain(ValueError):
    """The range has more events than are queued at a time."""


async def events_between(conn: Connection, one: Webhook, after: Cursor, last: str | None) -> list[tuple[int, int]]:
    """The keys of events of the webhook's types after a cursor, up to another one (None = up to the last event).

    Raises CursorError, CursorTooOld, TooManyAgain.
    """
    end = await newest(conn, one.tenant_id) if last is None else parse_cursor(last)
    cursor, keys = after, list[tuple[int, int]]()
    while True:
        page = await read_events(conn, one.tenant_id, cursor, types=one.types, limit=2000)
        keys += [event.key for event in page.events if event.cursor <= end]
        cursor = page.cursor
        if len(keys) > MAX_AGAIN:
            raise TooManyAgain(f"more than {MAX_AGAIN:,} events; choose a shorter range, or enable the webhook anew")
        if not page.more or cursor > end:
            return keys
