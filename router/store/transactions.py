"""The one way to a transaction: it states its isolation level, how long it waits for locks and how long it may idle.

A server does not notice for hours that nobody is left at the other end of a wire; until then a transaction that was
under way would keep its locks. The limits are `set local` in every transaction, since a pooler in transaction mode
hands the server's session, settings and all, to somebody else after each; and a limit among the options of the
connection is refused by it. What is asked outside of a transaction gets one of its own, for the same reasons.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from itertools import count
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast

from router.store.errors import (
    STALE_PLANS,
    TRANSIENT_ERRORS,
    InterfaceError,
    NotCommitted,
    PostgresError,
    lost_to_another,
)
from router.store.statements import Connection
from router.telemetry.spans import statement_span

P = ParamSpec("P")
T = TypeVar("T")
Isolation = Literal["read_committed", "repeatable_read"]

LOCK_TIMEOUT_S = 10.0
DUTY_LOCK_TIMEOUT_S = 0.5
"""Of duties that look at everything again soon: while one waits it has a connection, and with few of them others wait
for it."""
IDLE_MS = 5_000
"""Longest silence inside a transaction that only changes rows, in milliseconds; then the server ends the session."""
COMMAND_IDLE_MS = 120_000
"""A command may think for long between two statements, as over a large ruleset; a dead one is gone for good."""

_MAX_ATTEMPTS = 6
_ROLLBACK_DEADLINE_S = 5.0

_PLANS_ONCE = "".join(
    f"; set local {setting}"
    for setting in ("plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_bitmapscan = off")
)
_STEADY = _PLANS_ONCE + "".join(
    f"; set local {setting} = off" for setting in ("enable_sort", "enable_hashjoin", "enable_mergejoin", "jit")
)
_ASKING = frozenset({"fetch", "fetchrow", "fetchval", "execute", "executemany", "copy_records_to_table"})


async def limit_transaction(conn: Connection, lock_ms: int, idle_ms: int = IDLE_MS) -> None:
    """Until the transaction ends: LockNotAvailable after `lock_ms`, lost after `idle_ms` of silence."""
    await conn.execute(_limits(lock_ms, idle_ms))


async def limit_locks(conn: Connection, lock_ms: int) -> None:
    """Until the transaction ends: LockNotAvailable after `lock_ms`, and nothing else is changed."""
    await conn.execute(f"set local lock_timeout = {int(lock_ms)}")


def with_lock_timeout(
    conn: Connection, lock_timeout_s: float = LOCK_TIMEOUT_S, idle_ms: int = IDLE_MS, *, plans_once: bool = False
) -> Connection:
    """`conn`, with LockNotAvailable instead of a wait longer than this. A transaction may set its own.

    The server ends a transaction that stands still for `idle_ms`: who was frozen in it keeps its locks no longer.
    `plans_once`: each statement is planned once for the connection, over indexes, instead of each time; only for
    statements whose plan is the same whatever the tables hold.
    """
    session = conn.session if isinstance(conn, _WithLockTimeout) else conn
    return cast(Connection, _WithLockTimeout(session, lock_timeout_s, idle_ms, _PLANS_ONCE if plans_once else ""))


def with_steady_plans(conn: Connection, idle_ms: int) -> Connection:
    """As `with_lock_timeout` with `plans_once`, and as long for locks as `conn` waits: also orders and joins are taken
    from the indexes that the statements are written for.
    """
    lock_timeout_s = conn.lock_timeout_s if isinstance(conn, _WithLockTimeout) else LOCK_TIMEOUT_S
    session = outside_transactions(conn)
    return cast(Connection, _WithLockTimeout(session, lock_timeout_s, idle_ms, _STEADY))


def outside_transactions(conn: Connection) -> Connection:
    """For the few statements that must be alone in their transaction, without limits of ours: set a deadline."""
    return conn.session if isinstance(conn, _WithLockTimeout) else conn


async def as_own_transaction(conn: Connection, ask: Callable[[Connection, int], Awaitable[T]]) -> T:
    """What `ask` returns, given the session and how long (ms) it may wait for a lock. It asks one statement that is a
    transaction by itself and sets its limits itself: no round trip for `begin`, none for `commit`.

    When it raises because the wire broke, it is not known whether it was committed. Not inside of a transaction.
    """
    session = outside_transactions(conn)
    if _is_inside(session):
        raise InterfaceError("a transaction is under way: what is asked now would not be committed with the answer")
    lock_timeout_s = conn.lock_timeout_s if isinstance(conn, _WithLockTimeout) else LOCK_TIMEOUT_S
    try:
        found = await ask(session, int(lock_timeout_s * 1000))
    except BaseException:
        if hinted := getattr(session, "hinted", None):
            hinted.clear()
        raise
    _announce(session)
    return found


class _WithLockTimeout:
    """Passes everything on to the connection; whatever is asked, is asked in a transaction."""

    def __init__(self, session: Connection, lock_timeout_s: float, idle_ms: int, more: str) -> None:
        self.session = session
        self.lock_timeout_s = lock_timeout_s
        self._limits = _limits(int(lock_timeout_s * 1000), idle_ms) + more

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.session, name)
        return self._in_transaction(attribute) if name in _ASKING else attribute

    def transaction(self, isolation: Isolation = "read_committed", *, readonly: bool = False) -> "Transaction":
        return Transaction(self.session, isolation, readonly=readonly, limits=self._limits)

    def _in_transaction(self, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(*arguments: Any, **options: Any) -> Any:
            if _is_inside(self.session):
                return await ask(*arguments, **options)
            async with self.transaction():
                return await ask(*arguments, **options)

        return asked


class Transaction:
    """One transaction; inside another one, a savepoint, for which the other one's level and limits hold.

    Its beginning, level and limits are one message, so that they cost no round trip more than a beginning alone.
    """

    def __init__(self, session: Connection, isolation: Isolation, *, readonly: bool, limits: str) -> None:
        self._session = session
        mode = f"{isolation.replace('_', ' ')}{', read only' if readonly else ''}"
        self._begin = f"begin isolation level {mode}; {limits}"
        self._savepoint = ""

    async def start(self) -> None:
        """Raises what asyncpg raises; then nothing has begun."""
        if _is_inside(self._session):
            self._savepoint = f"savepoint_{id(self):x}"
            await self._session.execute(f"savepoint {self._savepoint}")
        else:
            with statement_span("begin"):
                await self._session.execute(self._begin)

    async def commit(self) -> None:
        """Raises NotCommitted when the server rolled it back instead, since a statement in it had failed."""
        if self._savepoint:
            await self._session.execute(f"release savepoint {self._savepoint}")
            return
        with statement_span("commit"):
            done = await self._session.execute("commit")
        if done != "COMMIT":
            raise NotCommitted(f"a statement had failed before, so the server did not commit ({done})")
        _announce(self._session)

    async def rollback(self) -> None:
        if self._savepoint:
            await self._session.execute(f"rollback to savepoint {self._savepoint}")
        else:
            if hinted := getattr(self._session, "hinted", None):
                hinted.clear()
            await self._session.execute("rollback")

    async def __aenter__(self) -> None:
        await self.start()

    async def __aexit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if kind is None:
            await self.commit()
            return
        # What is raised is why it failed, and not what that did to the rollback. Over a broken wire nothing comes back:
        # the server rolls back by itself, and nobody may use the session again.
        try:
            async with asyncio.timeout(_ROLLBACK_DEADLINE_S):
                await self.rollback()
        except TRANSIENT_ERRORS:
            self._session.terminate()


def retried(
    work: Callable[Concatenate[Connection, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Connection, P], Coroutine[Any, Any, T]]:
    """`work` does one transaction on its connection: it is done again when that lost to another or to an ALTER TABLE.

    Not inside of another transaction, which has to be done again as a whole.
    """

    @wraps(work)
    async def again(conn: Connection, /, *arguments: P.args, **options: P.kwargs) -> T:
        for attempt in count(1):
            try:
                return await work(conn, *arguments, **options)
            except (PostgresError, *STALE_PLANS) as error:
                lost = isinstance(error, STALE_PLANS) or lost_to_another(error)
                if not lost or attempt == _MAX_ATTEMPTS or _is_inside(conn):
                    raise
            from router.store.backoff import wait_s  # noqa: PLC0415 - most commands lose to nobody

            await asyncio.sleep(wait_s(attempt, longest_s=0.2))
        raise AssertionError("the last attempt raises")

    return again


def _announce(session: Connection) -> None:
    """Says which tenants have news that is committed now, to who passes it on to where NOTIFY does not arrive."""
    if hinted := getattr(session, "hinted", None):
        announce, tenants = getattr(session, "announce", None), frozenset(hinted)
        hinted.clear()
        if announce is not None:
            announce(tenants)


def _is_inside(session: Connection) -> bool:
    """Whether a transaction is under way. Raises InterfaceError where the connection is closed, as asyncpg does not."""
    if session.is_closed():
        raise InterfaceError("connection is closed")
    return session.is_in_transaction()


def _limits(lock_ms: int, idle_ms: int) -> str:
    return f"set local lock_timeout = {int(lock_ms)}; set local idle_in_transaction_session_timeout = {int(idle_ms)}"
