"""What the commands about webhooks share."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ops.cli.context import CannotRun, Found
from router.outbox.cursor import Cursor, CursorError, CursorTooOld
from router.outbox.feed import begin_after, read_events
from router.store.statements import Connection
from router.store.webhooks import WebhookUnknown

number_argument = click.argument("number", type=click.IntRange(min=1, max=(1 << 63) - 1), metavar="WEBHOOK")


@contextmanager
def webhook_known() -> Iterator[None]:
    """Raises CannotRun for a webhook that does not exist."""
    try:
        yield
    except WebhookUnknown as error:
        raise CannotRun(str(error)) from error


async def begin_cursor(conn: Connection, tenant_id: int, text: str) -> Cursor:
    """Where to begin. Raises CannotRun, and Found where events after it are gone."""
    try:
        cursor = await begin_after(conn, tenant_id, text)
        await read_events(conn, tenant_id, cursor, limit=1)
    except CursorTooOld as error:
        raise Found(str(error)) from error
    except CursorError as error:
        raise CannotRun(str(error)) from error
    return cursor
