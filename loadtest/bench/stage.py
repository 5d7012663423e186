"""Where the measurements happen: the embedded server with durable commits, a fresh database for each of them."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter

import asyncpg

from loadtest.bench import world as worlds
from ops.audit.audit import audit
from ops.embedded.servers import apply_migrations
from router.drain.drain import Drain
from router.drain.request import BatchRequest
from router.drain.until_idle import drain_until_idle
from router.store.connections.connections import open_connections


class NotClean(Exception):
    """The audit found something, or leads are left: the figure does not count."""


@dataclass(slots=True)
class Room:
    """A database for one measurement."""

    url: str
    conn: "asyncpg.Connection[asyncpg.Record]"

    async def audited(self, tenant: str | None = None) -> float:
        """Audits; returns how long it took (s). Raises NotClean."""
        begin = perf_counter()
        found = await audit(self.conn, tenant)
        if not found.ok:
            raise NotClean(", ".join(f"{v.kind.name} {v.count}: {v.examples[0]}" for v in found.violations))
        return perf_counter() - begin

    @asynccontextmanager
    async def drain(self, ready: int | None = None, url: str | None = None) -> AsyncIterator[Drain]:
        """A router as `lead-router drain` makes it, with batches of `ready` leads (None = the product's), over another
        way to the database than `url` of the room.
        """
        request = BatchRequest() if ready is None else BatchRequest(ready=ready)
        async with open_connections(url or self.url) as connections:
            yield Drain(connections, lambda: secrets.randbits(63), request=request)


@dataclass(slots=True)
class Stage:
    """The server, and how much is done on it: `quick` = small worlds, for being runnable and not for figures."""

    url: str
    quick: bool
    say: Callable[[str], None]
    _rooms: int = 0

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    @property
    def rounds(self) -> int:
        return 1 if self.quick else 3

    @asynccontextmanager
    async def room(self) -> AsyncIterator[Room]:
        """A fresh migrated database, dropped afterwards."""
        self._rooms += 1
        name = f"bench_{self._rooms}"
        url = self.url.replace("/lead_router?", f"/{name}?")
        admin = await asyncpg.connect(self.url)
        try:
            await admin.execute(f"create database {name}")
            await apply_migrations(url)
            conn = await worlds.connect(url)
            try:
                yield Room(url, conn)
            finally:
                await conn.close()
            await admin.execute(f"drop database {name} with (force)")
        finally:
            await admin.close()


async def emptied(drain: Drain, made: Sequence[int], leads: int) -> float:
    """Drains the tenants; returns seconds. Raises NotClean unless exactly `leads` were assigned."""
    begin = perf_counter()
    idle = await drain_until_idle(drain, made)
    seconds = perf_counter() - begin
    assigned = sum(one.drained.assigned for one in idle)
    if assigned != leads:
        raise NotClean(f"{assigned:,} of {leads:,} leads were assigned: {[one.failure for one in idle if one.failure]}")
    return seconds
