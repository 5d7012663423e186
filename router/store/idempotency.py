"""Idempotency keys as they are stored: what was answered to the first request with a key."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from router.store.statements import Connection, load

_SQL = load("idempotency")

HOLDS_S = 86_400
"""So long (seconds) a key is remembered."""


class KeyOvertakenError(Exception):
    """One of the keys is stored already, or another process was faster with it: roll back and look."""


class StoredAnswer(NamedTuple):
    """What is stored under a key: the hash of the request's body, and the answer to it."""

    body_hash: bytes
    answer: bytes


class NewKey(NamedTuple):
    """A key that was used: `body_hash` has 16 bytes."""

    key: str
    body_hash: bytes
    lead_id: int
    answer: bytes


async def stored_answers(
    conn: Connection, tenant_id: int, route: str, keys: Sequence[str]
) -> Mapping[str, StoredAnswer]:
    """What is stored under these keys and has not expired."""
    rows = await _SQL.stored_keys.fetch(conn, tenant_id=tenant_id, route=route, keys=keys)
    return {keys[row["ord"] - 1]: StoredAnswer(row["body_hash"], row["answer"]) for row in rows}


async def put_keys(conn: Connection, tenant_id: int, route: str, new: Sequence[NewKey]) -> bool:
    """Stores the keys. False = another process was faster with one of them: roll back and look again."""
    stored = await _SQL.put_keys.execute(
        conn,
        tenant_id=tenant_id,
        route=route,
        keys=[one.key for one in new],
        body_hashes=[one.body_hash for one in new],
        lead_ids=[one.lead_id for one in new],
        answers=[one.answer for one in new],
        holds_s=float(HOLDS_S),
    )
    return stored == len(new)


async def delete_expired(conn: Connection, tenant_id: int, limit: int) -> int:
    """Deletes at most `limit` expired keys of a tenant; returns how many."""
    return await _SQL.delete_expired.execute(conn, tenant_id=tenant_id, limit=limit)
