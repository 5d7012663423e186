"""Database connections: a bounded set, each acquire with a deadline, each part with its share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import asyncpg

from router.fields import Between
from router.store.statements import Connection

APPLICATION_NAME = "lead-router"


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

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", settings: ConnectionSettings) -> None:
        self._pool = pool
        self.settings = settings
        # A part may use all but one connection, so the others get one; with only one they take turns.
        share = max(1, settings.maximum - 1)
        self._shares = {part: asyncio.Semaphore(share) for part in Part}

    @asynccontextmanager
    async def acquire(self, part: Part, deadline_s: float | None = None) -> AsyncIterator[Connection]:
        """Lends a connection. Raises NoConnection when none is free within the deadline (seconds)."""
        wait = self.settings.acquire_deadline_s if deadline_s is None else deadline_s
        share = self._shares[part]
        try:
            async with asyncio.timeout(wait) as limit:
                async with share, self._pool.acquire() as conn:
                    limit.reschedule(None)
                    yield conn
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise NoConnection(f"{part}: no database connection within {wait:g} s") from error


@asynccontextmanager
async def open_connections(
    url: str, settings: ConnectionSettings | None = None
) -> AsyncIterator[Connections]:
    """Opens connections to `url`, closes them at the end. Raises OSError or asyncpg errors when it cannot."""
    limits = settings or ConnectionSettings()
    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=limits.maximum,
        timeout=limits.connect_deadline_s,
        server_settings={"application_name": APPLICATION_NAME},
    )
    try:
        yield Connections(pool, limits)
    finally:
        await pool.close()
