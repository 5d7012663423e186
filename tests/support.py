"""What tests of several folders share: databases, and waiting for something to become true."""

import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from loadtest.until import DEADLINE_S, until
from router.store.migrate import migrate, migrations_dir
from tests.memory_files import MEMORY

__all__ = ["BLOCKED", "DEADLINE_S", "cloned", "connected", "created", "database_of", "migrated_template", "until"]

TEMPLATE_LOCK = 4471

# How many sessions of this test's database wait for a lock: other tests share the server.
BLOCKED = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


def database_of(url: str, name: str) -> str:
    """The same server's database `name`."""
    # urlunsplit drops the empty host of a URL that names a socket folder
    scheme, host, _, query, fragment = urlsplit(url)
    return urlunsplit((scheme, host, f"/{name}", query, fragment))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(url)
    try:
        yield conn
    finally:
        await conn.close()


async def migrated_template(admin_url: str) -> str:
    """Builds the template once per content of the migrations; answers its name. Safe for several workers."""
    content = b"".join(path.read_bytes() for path in sorted(migrations_dir().glob("*.sql")))
    name = f"template_{hashlib.sha256(content).hexdigest()[:16]}"
    async with connected(admin_url) as admin:
        await admin.execute("select pg_advisory_lock($1)", TEMPLATE_LOCK)
        if not await admin.fetchval("select exists (select from pg_database where datname = $1)", name):
            async with created(admin_url, f"{name}_new", "template0") as url:
                await migrate(url)
                await admin.execute(f'alter database "{name}_new" rename to "{name}"')
    return name


@asynccontextmanager
async def cloned(admin_url: str, template: str) -> AsyncIterator[str]:
    """A database of its own for one test."""
    async with created(admin_url, f"test_{uuid.uuid4().hex}", template) as url:
        yield url


async def _strategy(admin: asyncpg.Connection) -> str:
    """The way of copying a database that is the faster one where the server's files are."""
    in_memory = await admin.fetchval("select current_setting('data_directory') like $1", f"{MEMORY}/%")
    return "file_copy" if in_memory else "wal_log"


@asynccontextmanager
async def created(admin_url: str, name: str, template: str) -> AsyncIterator[str]:
    """Creates the database, drops it at the end (unless it was renamed), whoever is connected to it."""
    async with connected(admin_url) as admin:
        await admin.execute(f'drop database if exists "{name}" with (force)')
        await admin.execute(f'create database "{name}" template "{template}" strategy {await _strategy(admin)}')
    try:
        yield database_of(admin_url, name)
    finally:
        async with connected(admin_url) as admin:
            await admin.execute(f'drop database if exists "{name}" with (force)')
