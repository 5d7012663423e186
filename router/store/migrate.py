"""Schema migrations: `sql/migrations/NNNN_name.sql`, applied by pogo under an advisory lock."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from router.store.statements import Connection, load, sql_root

SCHEMA = "public"
CONNECT_DEADLINE_S = 10.0
LOCK_POLL_S = 0.1
LOCK_DEADLINE_S = 600.0
# A migration that cannot get its table gives up rather than make everybody queue behind it.
LOCK_TIMEOUT = "10s"


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
            await _run("apply", conn)
        return wanted


async def rollback(url: str) -> list[str]:
    """Takes every migration back, newest first; returns their ids. **Deletes all data.** For tests."""
    async with _connected(url) as conn:
        await _become_sole_migrator(conn)
        applied = await _applied(conn)
        await _run("rollback", conn)
        return applied[::-1]


async def _run(action: str, conn: asyncpg.Connection) -> None:
    # Every command looks whether something is pending; few have something to apply.
    from pogo_core.error import BadMigrationError  # noqa: PLC0415
    from pogo_core.util import migrate as pogo  # noqa: PLC0415

    quiet = logging.getLogger("lead_router.migrate")
    quiet.setLevel(logging.ERROR)
    try:
        await getattr(pogo, action)(conn, migrations_dir(), schema_name=SCHEMA, logger=quiet)
    except BadMigrationError as error:
        raise MigrationError(f"{error}: {error.__cause__ or 'see the migration file'}") from error


async def _applied(conn: Connection) -> list[str]:
    statements = load("migrate")
    if not await statements.has_migrations.value(conn):
        return []
    return [row["migration_id"] for row in await statements.applied_migrations.fetch(conn)]


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
            while not await load("migrate").migration_lock.value(conn):
                await asyncio.sleep(LOCK_POLL_S)
    except TimeoutError as error:
        raise MigrationError(
            f"another process has been migrating for {LOCK_DEADLINE_S:g} s; see pg_locks, locktype 'advisory'"
        ) from error
