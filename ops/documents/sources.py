"""Sources of leads: what is shown of them (never a secret), and the secrets of their webhooks."""

import base64
import secrets
from collections.abc import Sequence
from typing import Any

from router.intake.webhook_signature import PREFIX, BadSecret, check_secret
from router.rules.source_file import SHARED_KEY, SourceFile, WebhookDoor
from router.store.sources import Source, keys_of, rejects_of, secret_ages
from router.store.statements import Connection

_SECRET_BYTES = 32


def new_secret(scheme: str) -> str:
    """A secret that nobody had before: 32 random bytes."""
    if scheme == SHARED_KEY:
        return secrets.token_urlsafe(_SECRET_BYTES)
    return PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def check_secrets(source: SourceFile, held: Sequence[str]) -> None:
    """Another scheme may need secrets of another form. Raises BadSecret."""
    if isinstance(source.door, WebhookDoor):
        for secret in held:
            try:
                check_secret(source.door.scheme, secret)
            except BadSecret as error:
                raise BadSecret(
                    f"a secret of this source does not fit {source.door.scheme}: {error}; add a source"
                ) from error


async def source_document(conn: Connection, source: Source) -> dict[str, Any]:
    """A source with its addresses, its file, and what it refused recently."""
    keys = await keys_of(conn, source.tenant_id, source.name)
    ages = await secret_ages(conn, source.tenant_id, source.name)
    rejects = await rejects_of(conn, source.tenant_id, source.name)
    return {
        **counts_document(source),
        "paths": [{"path": path_of(source.kind, key), "until": until} for key, until in keys],
        "secrets": [one._asdict() for one in ages],
        "file": source.definition,
        "rejects": [{**one._asdict(), "body_hash": one.body_hash.hex()} for one in rejects],
    }


def counts_document(source: Source) -> dict[str, Any]:
    """What came through it."""
    return {
        "source": source.name,
        "kind": source.kind,
        "taken": source.taken,
        "refused": source.refused,
        "trapped": source.trapped,
        "last_at": source.last_at,
        "created_by": source.created_by,
        "created_at": source.created_at,
        "changed_at": source.changed_at,
    }


def path_of(kind: str, key: str) -> str:
    """The address of a source."""
    return f"/v1/forms/{key}" if kind == "form" else f"/v1/webhooks/{key}"
