"""What a transaction of ours may cost others: how long it waits for locks, and how long it may hold them in silence.

A server does not notice for hours that nobody is left at the other end of a wire; until then a transaction that was
under way would keep its locks.
"""

from router.store.statements import Connection

IDLE_MS = 5_000
"""Longest silence inside a transaction that only changes rows, in milliseconds; then the server ends the session."""


async def limit_transaction(conn: Connection, lock_ms: int, idle_ms: int = IDLE_MS) -> None:
    """Until the transaction ends: asyncpg.LockNotAvailableError after `lock_ms`, lost after `idle_ms` of silence."""
    await conn.execute(
        f"set local lock_timeout = {int(lock_ms)}; set local idle_in_transaction_session_timeout = {int(idle_ms)}"
    )
