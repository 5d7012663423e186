"""What tests of several folders share: databases, and waiting for something to become true."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from loadtest.until import DEADLINE_S
from loadtest.until import until as looked_until
from router.store.migrate import migrate, migrations_dir
from tests.memory_files import MEMORY

__all__ = [
    "BLOCKED",
    "DEADLINE_S",
    "ReadyDatabases",
    "connected",
    "created",
    "database_of",
    "migrated_template",
    "until",
]

T = TypeVar("T")

TEMPLATE_LOCK = 4471

# How many sessions of this test's database wait for a lock: other tests share the server.
BLOCKED = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


# What is awaited for a while is looked for more rarely: a look may be a whole command, and others need the processor.
RAREST_S = 0.15


async def until(
    true: Callable[[], Awaitable[bool]], what: str, deadline_s: float = DEADLINE_S, every_s: float = 0.01
) -> None:
    """Looks until `true()`, every `every_s` at first; after `deadline_s` (seconds) fails, naming `what` was awaited."""
    await looked_until(true, what, deadline_s, every_s, RAREST_S)


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


class ReadyDatabases:
    """Clones of a template, one for each test: the next one is made while a test runs, over one connection of the
    worker's own. For a server that stays up as long as this is open.
    """

    def __init__(self, admin_url: str, template: str) -> None:
        self._admin_url, self._template = admin_url, template
        self._loop = asyncio.new_event_loop()
        # Tests have an event loop each, the connection needs one that stays.
        self._thread = ThreadPoolExecutor(1, "databases")
        self._admin = self._do(asyncpg.connect(admin_url)).result()
        self._strategy = self._do(_strategy(self._admin)).result()
        self._next = self._do(self._make())

    @asynccontextmanager
    async def one(self) -> AsyncIterator[str]:
        """The URL of a fresh database; it is dropped at the end, whoever is connected to it."""
        made, self._next = self._next, self._do(self._make())
        name = await asyncio.wrap_future(made)
        try:
            yield database_of(self._admin_url, name)
        finally:
            await asyncio.wrap_future(self._do(self._drop(name)))

    def close(self) -> None:
        """Drops the one that no test took."""
        self._do(self._drop(self._next.result())).result()
        self._do(self._admin.close()).result()
        self._thread.shutdown()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return self._thread.submit(self._loop.run_until_complete, work)

    async def _execute(self, statement: str) -> None:
        if self._admin.is_closed():
            # A test ended it, as one that ends the sessions of others.
            self._admin = await asyncpg.connect(self._admin_url)
        await self._admin.execute(statement)

    async def _make(self) -> str:
        name = f"test_{uuid.uuid4().hex}"
        await self._execute(f'create database "{name}" template "{self._template}" strategy {self._strategy}')
        return name

    async def _drop(self, name: str) -> None:
        await self._execute(f'drop database if exists "{name}" with (force)')


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
