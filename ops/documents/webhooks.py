"""Webhooks that events are delivered to: never a secret, nor more of the URL than its beginning."""

from datetime import datetime
from typing import Any

from router.outbox.cursor import Cursor
from router.outbox.event import event_id
from router.store.statements import Row
from router.store.webhooks import Webhook, shown_url


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


def dead_document(row: Row) -> dict[str, Any]:
    """An event that was given up."""
    return {
        "id": event_id(row["event_no"], row["place"]),
        "lead_id": row["lead_id"],
        "attempts": row["attempts"],
        "error": row["error"],
        "since": row["since"].isoformat(),
    }
