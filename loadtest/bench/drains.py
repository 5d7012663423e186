"""The drain beside the floor and beside PgQueuer, and a burst that meets statements prepared on empty tables."""

from collections.abc import Sequence
from time import perf_counter

from loadtest.bench import floor, peers
from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.router_process import emptied_by_routers, routers
from loadtest.bench.stage import Room, Stage, emptied
from loadtest.bench.world import SQL, World
from router.drain.request import BatchRequest

_EMPTY_VISITS = 3_000


async def one_tenant(stage: Stage) -> list[Figure]:
    """drain_1_tenant_vs_floor, drain_vs_pgqueuer, wal_bytes_per_lead."""
    world = World(leads=stage.size(300_000, 20_000))
    jobs = stage.size(30_000, 2_000)
    floors, drains, wal = list[float](), list[float](), list[float]()
    async with stage.room() as room, stage.room() as other:
        made = await worlds.make(room.conn, world)
        await peers.install(other.url)
        queue = {batch: [await peers.run(other.url, jobs, batch)] for batch in peers.BATCHES}
        best = min(queue, key=lambda batch: queue[batch][0])
        for _ in range(stage.rounds + 1):
            floors.append(await _floor(room, world, made, 1))
            seconds, written = await _drain(room, world, made)
            drains.append(seconds)
            wal.append(written / world.leads)
            queue[best].append(await peers.run(other.url, jobs, best))
    # The first of each was the warm-up.
    floors, drains, wal, jobs_s = floors[1:], drains[1:], wal[1:], queue[best][2:]
    seen = f"{world.in_words}, a third known customers: drain {per_second(world.leads, drains)}"
    base = f"floor {per_second(world.leads, floors)}"
    peer = f"PgQueuer {per_second(jobs, jobs_s)} at its best batch size of {best} (of {peers.BATCHES})"
    per_job = [seconds / jobs for seconds in jobs_s]
    return [
        figure("drain_1_tenant_vs_floor", ratios(floors, drains), f"{seen}; {base}"),
        figure("drain_vs_pgqueuer", ratios(per_job, [s / world.leads for s in drains]), f"{seen}; {peer}"),
        figure("wal_bytes_per_lead", wal, f"{world.in_words}, no checkpoint meanwhile"),
    ]


async def _floor(room: Room, world: World, made: list[int], connections: int) -> float:
    await worlds.refill(room.conn, world, made)
    return await floor.run(room.url, made, connections, BatchRequest().ready)


async def _drain(room: Room, world: World, made: list[int]) -> tuple[float, int]:
    """Seconds, and bytes of write-ahead log."""
    await worlds.refill(room.conn, world, made)
    before = await SQL.written.value(room.conn)
    async with room.drain() as drain:
        seconds = await emptied(drain, made, world.leads)
    written = await SQL.written.value(room.conn) - before
    await room.audited()
    return seconds, written


async def eight_tenants(stage: Stage) -> list[Figure]:
    """drain_8_tenants_vs_floor."""
    world = World(leads=stage.size(40_000, 2_000), tenants=8)
    floors, drains = list[float](), list[float]()
    async with stage.room() as room:
        made = await worlds.make(room.conn, world)
        for _ in range(stage.rounds + 1):
            floors.append(await _floor(room, world, made, 2))
            await SQL.forget_results.execute(room.conn)
            async with routers(room, 2):
                drains.append(await burst(room, world, made))
            await room.audited()
    leads = world.leads * world.tenants
    note = (
        f"{world.in_words}, two `lead-router serve`: drain {per_second(leads, drains[1:])}; "
        f"floor {per_second(leads, floors[1:])}"
    )
    return [figure("drain_8_tenants_vs_floor", ratios(floors[1:], drains[1:]), note)]


async def burst(room: Room, world: World, made: Sequence[int]) -> float:
    """All leads of all tenants come at once to routers that are there already."""
    async with room.conn.transaction():
        for tenant_id in made:
            await worlds.own_customers(room.conn, world, tenant_id)
            await worlds.arrive(room.conn, tenant_id, world.leads)
    return await emptied_by_routers(room, list(made))


async def burst_after_empty(stage: Stage) -> list[Figure]:
    """burst_after_empty: statements are prepared on empty tables, and then everything comes at once."""
    world = World(leads=stage.size(300_000, 20_000))
    visits = stage.size(_EMPTY_VISITS, 300)
    bursts, warm = list[float](), list[float]()
    async with stage.room() as room:
        [tenant_id] = made = await worlds.make(room.conn, world)
        for _ in range(stage.rounds):
            await SQL.forget_results.execute(room.conn)
            await room.conn.execute("vacuum analyze")
            await worlds.own_customers(room.conn, world, tenant_id)
            async with room.drain() as drain:
                for _ in range(visits):
                    await drain.drain_tenant(tenant_id)
                await worlds.arrive(room.conn, tenant_id, world.leads)
                begin = perf_counter()
                await drain.drain_tenant(tenant_id)
                bursts.append(perf_counter() - begin)
                await room.audited()
                await worlds.refill(room.conn, world, made)
                warm.append(await emptied(drain, made, world.leads))
            await room.audited()
    note = (
        f"{world.in_words} after {visits:,} empty visits: {per_second(world.leads, bursts)}; "
        f"warm {per_second(world.leads, warm)}"
    )
    return [figure("burst_after_empty", ratios(warm, bursts), note)]
