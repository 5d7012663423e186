"""Database connections: a bounded set, each acquire with a deadline, each part with its share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import asyncpg

from router.fields import Between
from router.instruments import Instruments
from router.store.statements import Connection, load

APPLICATION_NAME = "lead-router"
CLOSE_DEADLINE_S = 2.0


class Part(StrEnum):
    """Who asks for a connection. Each part has its own share, so that one cannot starve the others."""

    DRAIN = "drain"
    INTAKE = "intake"
    CONSOLE = "console"
    DUTIES = "duties"


class NoConnection(Exception):
    """No connection became free before the deadline. What was asked for was not done; ask again."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Sizes are connections, times are seconds."""

    maximum: Annotated[int, Between(1, 1000)] = 8
    acquire_deadline_s: Annotated[float, Between(0.01, 600)] = 10.0
    connect_deadline_s: Annotated[float, Between(0.01, 600)] = 10.0
    tcp_user_timeout_ms: Annotated[int, Between(100, 600_000)] = 5000


class Connections:
    """A bounded set of connections to one database; open with `open_connections`."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        settings: ConnectionSettings,
        instruments: Instruments | None = None,
    ) -> None:
        self._pool = pool
        self.settings = settings
        self._instruments = instruments or Instruments.silent()
        # A part may use all but one connection, so the others get one; with only one they take turns.
        share = max(1, settings.maximum - 1)
        self._shares = {part: asyncio.Semaphore(share) for part in Part}

    @asynccontextmanager
    async def acquire(self, part: Part, deadline_s: float | None = None) -> AsyncIterator[Connection]:
        """Lends a connection. Raises NoConnection when none is free within the deadline (seconds)."""
        wait_s = self.settings.acquire_deadline_s if deadline_s is None else deadline_s
        async with AsyncExitStack() as held:
            conn = await self._wait(held, part, wait_s)
            with self._instruments.connection_use(part):
                yield conn

    async def _wait(self, held: AsyncExitStack, part: Part, wait_s: float) -> Connection:
        with self._instruments.connection_wait(part):
            try:
                async with asyncio.timeout(wait_s) as limit:
                    await held.enter_async_context(self._shares[part])
                    return await held.enter_async_context(self._pool.acquire())
            except TimeoutError as error:
                if not limit.expired():
                    raise
                self._instruments.connection_timed_out(part)
                raise NoConnection(f"{part}: no database connection within {wait_s:g} s") from error

    async def check(self, deadline_s: float) -> None:
        """Asks the database for an answer. Raises NoConnection, TimeoutError, OSError or asyncpg errors."""
        async with asyncio.timeout(deadline_s), self.acquire(Part.DUTIES, deadline_s) as conn:
            await load("health").answers.value(conn)


@asynccontextmanager
async def open_connections(
    url: str, settings: ConnectionSettings | None = None, instruments: Instruments | None = None
) -> AsyncIterator[Connections]:
    """Opens connections to `url`, closes them at the end. Raises OSError or asyncpg errors when it cannot."""
    limits = settings or ConnectionSettings()
    meters = instruments or Instruments.silent()
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=limits.maximum,
        timeout=limits.connect_deadline_s,
        server_settings={"application_name": APPLICATION_NAME},
    )
    meters.connections_opened(limits.maximum, Part)
    try:
        yield Connections(pool, limits, meters)
    finally:
        meters.connections_closed(limits.maximum)
        await _close(pool)


async def _close(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    try:
        async with asyncio.timeout(CLOSE_DEADLINE_S):
            await pool.close()
    except TimeoutError:
        # A dead wire answers no goodbye; the pool has given up its connections by itself.
        pool.terminate()
