"""What a transaction of ours may cost others: how long it waits for locks, and how long it may hold them in silence.

A server does not notice for hours that nobody is left at the other end of a wire; until then a transaction that was
under way would keep its locks. The limits are `set local` in every transaction, since a pooler in transaction mode
hands the server's session, settings and all, to somebody else after each; and a limit among the options of the
connection is refused by it. What is asked outside of a transaction gets one of its own.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asyncpg.transaction import Transaction

from router.store.statements import Connection

LOCK_TIMEOUT_S = 10.0
# A command may think for long between two statements, as over a large ruleset; a dead one is gone for good.
_IDLE_MS = 120_000

_ASKING = frozenset({"fetch", "fetchrow", "fetchval", "execute", "executemany", "copy_records_to_table"})


IDLE_MS = 5_000
"""Longest silence inside a transaction that only changes rows, in milliseconds; then the server ends the session."""


async def limit_transaction(conn: Connection, lock_ms: int, idle_ms: int = IDLE_MS) -> None:
    """Until the transaction ends: LockNotAvailable after `lock_ms`, lost after `idle_ms` of silence."""
    await conn.execute(
        f"set local lock_timeout = {int(lock_ms)}; set local idle_in_transaction_session_timeout = {int(idle_ms)}"
    )


def with_lock_timeout(conn: Connection, lock_timeout_s: float = LOCK_TIMEOUT_S) -> Connection:
    """`conn`, with LockNotAvailable instead of a wait longer than this. A transaction may set its own."""
    return cast(Connection, _WithLockTimeout(conn, lock_timeout_s))


class _WithLockTimeout:
    """Passes everything on to the connection."""

    def __init__(self, conn: Connection, lock_timeout_s: float) -> None:
        self._conn = conn
        self._lock_timeout_s = lock_timeout_s

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._conn, name)
        return self._in_transaction(attribute) if name in _ASKING else attribute

    def transaction(self, **options: Any) -> "_Bounded":
        return _Bounded(self._conn, self._conn.transaction(**options), self._lock_timeout_s)

    def _in_transaction(self, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(*arguments: Any, **options: Any) -> Any:
            if self._conn.is_in_transaction():
                return await ask(*arguments, **options)
            async with self.transaction():
                return await ask(*arguments, **options)

        return asked


class _Bounded:
    """A transaction that begins with the limit; inside another one, a savepoint that leaves its limits alone."""

    def __init__(self, conn: Connection, transaction: Transaction, lock_timeout_s: float) -> None:
        self._conn = conn
        self._transaction = transaction
        self._lock_timeout_s = lock_timeout_s

    async def __aenter__(self) -> None:
        await self.start()

    async def start(self) -> None:
        inside = self._conn.is_in_transaction()
        await self._transaction.start()
        if not inside:
            await self._limit()

    async def _limit(self) -> None:
        try:
            await limit_transaction(self._conn, int(self._lock_timeout_s * 1000), _IDLE_MS)
        except BaseException:
            if not self._conn.is_closed():
                await self._transaction.rollback()
            raise

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> None:
        await self._transaction.__aexit__(kind, error, traceback)

    async def commit(self) -> None:
        await self._transaction.commit()

    async def rollback(self) -> None:
        await self._transaction.rollback()
