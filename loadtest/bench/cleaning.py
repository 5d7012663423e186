"""The drain beside cleanup, and alone."""

import asyncio
from time import perf_counter

from opentelemetry.metrics import NoOpMeter

from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.stage import NotClean, Room, Stage, emptied
from loadtest.bench.world import SQL, World
from loadtest.until import until
from ops.cleanup.cleaner import Cleaner, Result
from router.drain.drain import Drain
from router.settings.model import CleanupSettings
from router.store.connections.connections import Part, open_connections
from router.store.tenants import tenant_named
from router.telemetry.instruments import Instruments

_DAYS = 1000
_HOLDER = 1


async def cleanup(stage: Stage) -> list[Figure]:
    """cleanup_running_vs_not."""
    world, old = World(leads=stage.size(300_000, 5_000)), stage.size(1_000_000, 20_000)
    beside, alone = list[float](), list[float]()
    removed = 0
    async with stage.room() as room:
        [tenant_id] = await worlds.make(room.conn, World(leads=0))
        await worlds.own_customers(room.conn, world, tenant_id)
        await SQL.fill_closed.execute(room.conn, tenant_id=tenant_id, first=1, last=old, days=_DAYS)
        await room.conn.execute("vacuum (analyze) lead, closed")
        async with room.drain() as drain:
            for number in range(2 * (stage.rounds + 1)):
                seconds, rows = await _round(room, drain, tenant_id, world, number, clean=number % 2 == 1)
                (beside if number % 2 else alone).append(seconds)
                removed += rows
        await room.audited()
    note = (
        f"{world.in_words}: {per_second(world.leads, beside[1:])} while {removed:,} of {old:,} closed leads were "
        f"archived, {per_second(world.leads, alone[1:])} without"
    )
    return [figure("cleanup_running_vs_not", ratios(alone[1:], beside[1:]), note)]


async def _round(
    room: Room, drain: Drain, tenant_id: int, world: World, number: int, *, clean: bool
) -> tuple[float, int]:
    """Seconds to drain, and rows that were removed while it went on. Raises NotClean when cleanup had nothing to do."""
    first = number * world.leads + 1
    last = await room.conn.fetchval("select coalesce(max(lead_id), 0) from lead where tenant_id = $1", tenant_id)
    await worlds.add_leads(room.conn, tenant_id, world, first, first + world.leads - 1)
    await worlds.settle(room.conn)
    if not clean:
        return await _drained(room, drain, tenant_id, world, last), 0
    seen: list[int] = []
    async with open_connections(room.url) as connections:
        cleaner = Cleaner(
            lambda: connections.acquire(Part.DUTIES),
            CleanupSettings(window="always"),
            _HOLDER,
            "bench",
            Instruments(NoOpMeter("bench")),
            seen=lambda _table, rows: seen.append(rows),
        )
        tenant = await tenant_named(room.conn, "bench1")
        cleaning = asyncio.create_task(cleaner.tenant(tenant))
        try:
            await until(lambda: _begun(seen, cleaning), "cleanup removes rows")
            before = sum(seen)
            seconds = await _drained(room, drain, tenant_id, world, last)
            rows = sum(seen) - before
            if cleaning.done():
                raise NotClean("cleanup came to its end before the drain did")
        finally:
            cleaning.cancel()
            await asyncio.gather(cleaning, return_exceptions=True)
    return seconds, rows


async def _drained(room: Room, drain: Drain, tenant_id: int, world: World, after: int) -> float:
    await worlds.arrive(room.conn, tenant_id, world.leads, after)
    begin = perf_counter()
    await emptied(drain, [tenant_id], world.leads)
    return perf_counter() - begin


async def _begun(seen: list[int], cleaning: "asyncio.Task[Result]") -> bool:
    if cleaning.done():
        raise NotClean(f"cleanup ended at once: {cleaning.result()}")
    return bool(seen)
