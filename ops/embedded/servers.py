"""Which servers a command works on: the configured ones, or the embedded ones of its data folder."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import asyncpg

from ops.embedded.urls import ServersError, Urls
from router.settings.model import Settings
from router.store.connections.connect import Announce
from router.store.connections.single import open_connection
from router.store.errors import Trouble, trouble_of
from router.store.migrate import MigrationError, migrate, pending
from router.store.statements import Connection

# The server is not there just now, or has no connection left; what it would say is not known.
UNREACHABLE = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


@asynccontextmanager
async def open_unmigrated(settings: Settings) -> AsyncIterator[Urls]:
    """The servers, whatever their schema. Raises ServersError."""
    if settings.database_url is not None:
        yield Urls(settings.database_url, settings.redis_url)
        return
    from ops.embedded.embedded import EmbeddedError, open_embedded  # noqa: PLC0415 - only who has no servers needs them

    try:
        servers = await open_embedded(settings.data_dir)
    except EmbeddedError as error:
        raise ServersError(str(error)) from error
    try:
        yield Urls(servers.urls.database, settings.redis_url or servers.urls.redis)
    finally:
        servers.close()


@asynccontextmanager
async def open_servers(settings: Settings) -> AsyncIterator[Urls]:
    """Servers with an up-to-date schema. Raises ServersError."""
    async with open_unmigrated(settings) as urls:
        await ensure_schema(settings, urls)
        yield urls


async def ensure_schema(settings: Settings, urls: Urls) -> None:
    """The schema is that of this version afterwards. Raises as `open_migrated`."""
    async with open_migrated(settings, urls):
        pass


@asynccontextmanager
async def open_migrated(settings: Settings, urls: Urls, announce: Announce | None = None) -> AsyncIterator[Connection]:
    """One connection to a database with the schema of this version. Raises ServersError when a person must act first.

    Embedded servers are migrated at once. A configured database is somebody's: its schema changes only by `migrate`.
    Raises OSError or asyncpg errors while the database cannot be reached. `announce` as of `open_connection`.
    """
    async with AsyncExitStack() as opened:
        with _refusals():
            conn = await opened.enter_async_context(open_connection(urls.database, settings.connections, announce))
            missing = await pending(conn)
            if missing and settings.database_url is None:
                await migrate(urls.database)
            elif missing:
                raise ServersError(
                    f"the database's schema is older than this version: {', '.join(missing)} not applied; "
                    f"run `lead-router migrate`"
                )
        yield conn


async def apply_migrations(url: str) -> list[str]:
    """Applies what is pending; returns the ids. Raises ServersError."""
    with _refusals():
        return await migrate(url)


async def pending_migrations(settings: Settings, urls: Urls) -> list[str]:
    """Ids of what is pending. Raises ServersError."""
    with _refusals():
        async with open_connection(urls.database, settings.connections) as conn:
            return await pending(conn)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turns a database that is there but refuses (name, password, permission, locks) into ServersError."""
    try:
        yield
    except MigrationError as error:
        raise ServersError(str(error)) from error
    except UNREACHABLE as error:
        if trouble_of(error) is Trouble.DENIED:
            raise ServersError(f"the database refuses: {error}; check LEAD_ROUTER_DATABASE_URL") from error
        raise
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OverflowError, ValueError) as error:
        # The last two: a URL with a port that is none.
        raise ServersError(f"the database refuses: {error}; check LEAD_ROUTER_DATABASE_URL") from error
