"""What the commands about webhooks share."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click

from ops.cli.context import CannotRun, Found
from router.outbox.cursor import Cursor, CursorError, CursorTooOld
from router.outbox.feed import begin_after, read_events
from router.store.statements import Connection
from router.store.webhooks import Webhook, WebhookUnknown, shown_url

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


def document(one: Webhook, tenant: str, now: datetime) -> dict[str, Any]:
    """For machines; never a secret."""
    behind_s = None if one.behind_since is None else round((now - one.behind_since).total_seconds(), 3)
    return {
        "webhook": one.webhook_no,
        "tenant": tenant,
        "url": shown_url(one.url),
        "types": one.types,
        "state": state_of(one),
        "enabled": one.enabled,
        "disabled_why": one.disabled_why,
        "cursor": str(Cursor(one.position, one.place)),
        "behind_s": behind_s,
        "delivered": one.delivered,
        "delivered_at": one.delivered_at and one.delivered_at.isoformat(),
        "failures": one.failures,
        "failing_since": one.failing_since and one.failing_since.isoformat(),
        "last_error": one.last_error,
        "waiting": one.waiting,
        "dead": one.dead,
        "missed_upto": one.missed_upto,
        "secrets": one.secrets,
        "allow_private": one.allow_private,
        "note": one.note,
    }


def state_of(one: Webhook) -> str:
    if not one.enabled:
        return "disabled"
    return "failing" if one.failing_since is not None else "works"
