"""Which servers a command works on: the configured ones, or the embedded ones of its data folder."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from time import monotonic

import asyncpg

from ops.embedded.urls import NoDatabase, ServersError, Urls
from router.settings.model import Settings
from router.store.connections.connect import Announce
from router.store.connections.single import open_connection
from router.store.distribution import NO_CITUS, Step, has_citus, to_do
from router.store.errors import Trouble, trouble_of
from router.store.migrate import MigrationError, migrate, migrate_and_distribute, pending
from router.store.statements import Connection
from router.telemetry.masking import mask_url

# The server is not there just now, or has no connection left; what it would say is not known.
UNREACHABLE = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


def no_database(settings: Settings) -> str:
    """What a command says that has no database to work on."""
    return (
        "no database is configured: set LEAD_ROUTER_DATABASE_URL; without one, `lead-router up`, `lead-router migrate` "
        f"and `lead-router tenants add` create an embedded database in {settings.data_dir.absolute()}"
    )


def database_shown(settings: Settings) -> str:
    """Which database it is, without its password."""
    if settings.database_url is None:
        return f"embedded, in {settings.data_dir}"
    return mask_url(settings.database_url)


Told = Callable[[str], None]
"""Tells a person what takes a while."""


@asynccontextmanager
async def open_unmigrated(settings: Settings, *, create: bool = False, tell: Told | None = None) -> AsyncIterator[Urls]:
    """The servers, whatever their schema. Raises ServersError, NoDatabase where none is configured and the data
    folder has none: only with `create` is an embedded one made, so that a forgotten setting shows. `tell` hears of
    that, since the first start takes longer than others.
    """
    if settings.database_url is not None:
        yield Urls(settings.database_url, settings.redis_url)
        return
    if not create and not _has_embedded(settings):
        raise NoDatabase(no_database(settings))
    from ops.embedded.embedded import EmbeddedError, open_embedded  # noqa: PLC0415 - only who has no servers needs them

    is_first = not _has_embedded(settings)
    if is_first and tell is not None:
        tell(f"first start: making an embedded PostgreSQL and Valkey in {settings.data_dir}; this is done once")
    began = monotonic()
    try:
        servers = await open_embedded(settings.data_dir)
    except EmbeddedError as error:
        raise ServersError(str(error)) from error
    if is_first and tell is not None:
        tell(f"the embedded servers run, after {monotonic() - began:.1f} s")
    try:
        yield Urls(servers.urls.database, settings.redis_url or servers.urls.redis)
    finally:
        servers.close()


@asynccontextmanager
async def open_servers(settings: Settings) -> AsyncIterator[Urls]:
    """Servers with an up-to-date schema, made where there are none. Raises ServersError."""
    async with open_unmigrated(settings, create=True) as urls:
        await ensure_schema(settings, urls)
        yield urls


def _has_embedded(settings: Settings) -> bool:
    """Whether the data folder has a database; one that another account keeps to itself counts."""
    folder = settings.data_dir / "postgres"
    if os.path.isdir(folder) and not os.access(folder, os.X_OK):  # noqa: PTH112 - Path raises where it may not look
        return True
    return os.path.exists(folder / "PG_VERSION")  # noqa: PTH110 - as above


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


async def apply_and_distribute(url: str) -> tuple[list[str], list[str]]:
    """As `apply_migrations`, and spreads the tables over the servers of Citus; the ids, and the tables that were spread
    now. Raises ServersError.
    """
    with _refusals():
        return await migrate_and_distribute(url)


async def steps_to_distribute(settings: Settings, urls: Urls, *, needs_citus: bool) -> list[Step]:
    """What is to be done until all tables are spread. Raises ServersError, with `needs_citus` also where the extension
    is missing.
    """
    with _refusals():
        async with open_connection(urls.database, settings.connections) as conn:
            if needs_citus and not await has_citus(conn):
                raise ServersError(NO_CITUS)
            return await to_do(conn)


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
