"""Schema migrations: `sql/migrations/NNNN_name.sql`, each in its own transaction, one process at a time.

One that says `-- migrate: apply without transaction` builds an index beside writers (`create index concurrently`). It
is done again when it was broken off, so it begins by dropping what it makes.

The schema is the first one of the search path that exists; what was applied is written down there, and nowhere else.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from router.store.distribution import CannotDistribute, distribute, has_citus, is_spread
from router.store.statements import Connection, load, sql_root

_SQL = load("migrate")
_PART = re.compile(r"^-- migrate: (\w+)( without transaction)?\n(.*?)(?=^-- migrate: |\Z)", re.MULTILINE | re.DOTALL)
_STATEMENT_END = re.compile(r";\s*$", re.MULTILINE)
CONNECT_DEADLINE_S = 10.0
LOCK_POLL_S = 0.1
DEADLOCKS_AT_MOST = 10
LOCK_DEADLINE_S = 600.0
# A migration that cannot get its table gives up rather than make everybody queue behind it.
LOCK_TIMEOUT = "10s"
# Building an index beside writers waits for transactions that are older, and holds up no one meanwhile.
CONCURRENT_TIMEOUT = "10min"


class MigrationError(Exception):
    """A migration failed or somebody else is migrating for too long; what did not finish was rolled back."""


def migrations_dir() -> Path:
    """The folder with the migrations."""
    return sql_root() / "migrations"


def known() -> list[str]:
    """Ids (file names without suffix) of the migrations of this version, in order."""
    return sorted(path.stem for path in migrations_dir().glob("*.sql"))


async def pending(conn: Connection) -> list[str]:
    """Ids of the migrations that the database still needs; changes nothing.

    Raises MigrationError when a newer version has been here: what this one would write there may be wrong.
    """
    done = set(await _applied(conn))
    if newer := sorted(done - set(known())):
        raise MigrationError(
            f"the database's schema is newer than this version, which does not know {', '.join(newer)}; "
            f"use the version of lead-router that applied it, or a later one"
        )
    return [migration for migration in known() if migration not in done]


async def migrate(url: str) -> list[str]:
    """Applies what is pending; returns the ids applied. Safe to call from many processes at once.

    Needs a connection of its own (not through a transaction-mode PgBouncer). Raises MigrationError.
    """
    async with _connected(url) as conn:
        await _become_sole_migrator(conn)
        wanted = await pending(conn)
        if wanted:
            await _begin_bookkeeping(conn)
        for migration in wanted:
            await _apply_beside_others(conn, migration)
        if wanted and await is_spread(conn):
            await _distribute(conn)
        return wanted


async def migrate_and_distribute(url: str) -> tuple[list[str], list[str]]:
    """As `migrate`, and spreads all tables over the servers of Citus; the ids applied, and the tables spread now.

    Raises MigrationError, also where the extension is missing: before anything was changed.
    """
    async with _connected(url) as conn:
        if not await has_citus(conn):
            await _distribute(conn)
        applied = await migrate(url)
        await _become_sole_migrator(conn)
        return applied, await _distribute(conn)


async def _distribute(conn: asyncpg.Connection) -> list[str]:
    try:
        return await distribute(conn)
    except CannotDistribute as error:
        raise MigrationError(str(error)) from error


async def rollback(url: str) -> list[str]:
    """Takes every migration back, newest first; returns their ids. **Deletes all data.** For tests."""
    async with _connected(url) as conn:
        await _become_sole_migrator(conn)
        await _begin_bookkeeping(conn)
        applied = (await _applied(conn))[::-1]
        for migration in applied:
            async with conn.transaction():
                await _take_back(conn, migration)
        return applied


async def _apply_beside_others(conn: asyncpg.Connection, migration: str) -> None:
    """Routers take the same tables in another order: a deadlock takes all of it back, and it is done anew."""
    for left in reversed(range(DEADLOCKS_AT_MOST)):
        try:
            await _apply(conn, migration)
        except MigrationError as error:
            if not left or not isinstance(error.__cause__, asyncpg.DeadlockDetectedError):
                raise
            await asyncio.sleep(LOCK_POLL_S)
        else:
            return


async def _apply(conn: asyncpg.Connection, migration: str) -> None:
    sql, is_transaction = _part(migration, "apply")
    if not is_transaction:
        await _execute_one_by_one(conn, migration, sql)
    async with conn.transaction():
        if is_transaction:
            await _execute(conn, migration, sql)
        await _SQL.was_applied.execute(conn, migration_id=migration)


async def _take_back(conn: asyncpg.Connection, migration: str) -> None:
    await _execute(conn, migration, _part(migration, "rollback")[0])
    await _SQL.was_taken_back.execute(conn, migration_id=migration)


def _part(migration: str, name: str) -> tuple[str, bool]:
    """What is between a migration's line `-- migrate: name` and the next one, and whether it is one transaction."""
    text = (migrations_dir() / f"{migration}.sql").read_text(encoding="utf-8")
    parts = {part: (sql, not outside) for part, outside, sql in _PART.findall(text)}
    return parts[name]


async def _execute(conn: asyncpg.Connection, migration: str, sql: str) -> None:
    try:
        await conn.execute(sql)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration}: {error}; nothing of it was kept") from error


async def _execute_one_by_one(conn: asyncpg.Connection, migration: str, sql: str) -> None:
    await _SQL.lock_timeout.row(conn, timeout=CONCURRENT_TIMEOUT)
    try:
        for statement in filter(str.strip, _STATEMENT_END.split(sql)):
            await conn.execute(statement)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration}: {error}; run lead-router migrate again, which begins it anew") from error
    await _SQL.lock_timeout.row(conn, timeout=LOCK_TIMEOUT)


async def _begin_bookkeeping(conn: asyncpg.Connection) -> None:
    async with conn.transaction():
        known = await _SQL.bookkeeping.row(conn)
        if known is None or known["own_schema"] is None:
            raise MigrationError("no schema of the search_path exists or may be used: create one, or set search_path")
        await _SQL.begin_bookkeeping.execute(conn)
        if known["is_old"]:
            await _SQL.take_over.execute(conn)
            await _SQL.forget_old.execute(conn)


async def _applied(conn: Connection) -> list[str]:
    known = await _SQL.bookkeeping.row(conn)
    if known is None or not (known["is_there"] or known["is_old"]):
        return []
    statement = _SQL.applied if known["is_there"] else _SQL.applied_before
    return [row["migration_id"] for row in await statement.fetch(conn)]


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(
        url,
        timeout=CONNECT_DEADLINE_S,
        server_settings={"application_name": "lead-router migrate", "lock_timeout": LOCK_TIMEOUT},
    )
    try:
        yield conn
    finally:
        await conn.close()


async def _become_sole_migrator(conn: asyncpg.Connection) -> None:
    """The lock lasts until the connection closes, however that happens."""
    try:
        async with asyncio.timeout(LOCK_DEADLINE_S):
            while not await _SQL.migration_lock.value(conn):
                await asyncio.sleep(LOCK_POLL_S)
    except TimeoutError as error:
        raise MigrationError(
            f"another process has been migrating for {LOCK_DEADLINE_S:g} s; see pg_locks, locktype 'advisory'"
        ) from error
