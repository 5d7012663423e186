"""One event of the type webhook.test, sent to a webhook now."""

import secrets
from typing import NamedTuple

from router.outbox.cursor import Cursor
from router.outbox.event import Event
from router.outbox.sender import Sender, utc_now
from router.outbox.signing import secret_key
from router.settings.model import WebhookSettings
from router.store.leads import database_clock
from router.store.statements import Connection
from router.store.webhooks import Webhook, secrets_of, webhook_numbered


class Trial(NamedTuple):
    """What is to be sent. `keys` are secret."""

    webhook: Webhook
    event: Event
    keys: list[bytes]


async def prepare_trial(conn: Connection, tenant_id: int, webhook_no: int) -> Trial:
    """Raises WebhookUnknown."""
    one = await webhook_numbered(conn, tenant_id, webhook_no)
    keys = [secret_key(secret) for secret in await secrets_of(conn, tenant_id, webhook_no)]
    now = await database_clock(conn)
    return Trial(one, Event(f"evt_test_{secrets.token_hex(8)}", "webhook.test", now, 0, Cursor(0, 0), {}), keys)


async def send_trial(trial: Trial, settings: WebhookSettings) -> str | None:
    """Needs no connection to the database. Returns what went wrong; None = it was taken."""
    sender = Sender(settings.timeout_s, allow_private=settings.private_addresses == "allowed")
    try:
        one = trial.webhook
        answer = await sender.send(one.url, trial.event, trial.keys, utc_now, allow_private=one.allow_private)
    finally:
        await sender.close()
    return answer.error
