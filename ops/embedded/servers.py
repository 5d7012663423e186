"""Which servers a command works on: the configured ones, or the embedded ones of its data folder."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from ops.embedded.embedded import EmbeddedError, open_embedded
from ops.embedded.urls import ServersError, Urls
from router.settings.model import Settings
from router.store.migrate import MigrationError, migrate, pending

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
async def open_servers(settings: Settings) -> AsyncIterator[Urls]:
    """Servers with an up-to-date schema. Raises ServersError.

    Ours are migrated at once. A configured database is somebody's: its schema changes only by `migrate`.
    """
    async with open_unmigrated(settings) as urls:
        await ensure_schema(settings, urls)
        yield urls


async def ensure_schema(settings: Settings, urls: Urls) -> None:
    """The schema is that of this version afterwards. Raises ServersError when a person must act first.

    Raises OSError or asyncpg errors while the database cannot be reached.
    """
    if settings.database_url is None:
        await apply_migrations(urls.database)
    elif missing := await pending_migrations(urls.database):
        raise ServersError(
            f"the database's schema is older than this version: {', '.join(missing)} not applied; "
            f"run `lead-router migrate`"
        )


@asynccontextmanager
async def open_unmigrated(settings: Settings) -> AsyncIterator[Urls]:
    """The same servers, whatever their schema. Raises ServersError."""
    if settings.database_url is not None:
        yield Urls(settings.database_url, settings.redis_url)
        return
    try:
        servers = await open_embedded(settings.data_dir)
    except EmbeddedError as error:
        raise ServersError(str(error)) from error
    try:
        yield Urls(servers.urls.database, settings.redis_url or servers.urls.redis)
    finally:
        servers.close()


async def apply_migrations(url: str) -> list[str]:
    """Applies what is pending; answers the ids. Raises ServersError."""
    with _refusals():
        return await migrate(url)


async def pending_migrations(url: str) -> list[str]:
    """Ids of what is pending. Raises ServersError."""
    with _refusals():
        return await pending(url)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turns a database that is there but says no (name, password, permission, locks) into ServersError."""
    try:
        yield
    except MigrationError as error:
        raise ServersError(str(error)) from error
    except UNREACHABLE:
        raise
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OverflowError, ValueError) as error:
        # The last two: a URL with a port that is none.
        raise ServersError(f"the database refuses: {error}; check LEAD_ROUTER_DATABASE_URL") from error
