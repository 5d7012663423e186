"""What a lead costs as the world around it grows; each pair is measured in turns."""

from time import perf_counter

from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.stage import Room, Stage, emptied
from loadtest.bench.world import SQL, World
from router.drain.drain import Drain


async def backlog(stage: Stage) -> list[Figure]:
    """backlog_1m_vs_1k: the first leads of a long backlog, against a thousand at a time."""
    world = World(leads=stage.size(1_000_000, 30_000))
    batches = stage.size(50, 10)
    small, large = list[float](), list[float]()
    async with stage.room() as room:
        [tenant_id] = made = await worlds.make(room.conn, world)
        for _ in range(stage.rounds):
            await SQL.forget_results.execute(room.conn)
            await worlds.own_customers(room.conn, world, tenant_id)
            await worlds.settle(room.conn)
            async with room.drain() as drain:
                after, seconds = 0, 0.0
                for turn in range(batches + 1):
                    after = await worlds.arrive(room.conn, tenant_id, 1000, after)
                    # The first reads roster and rules.
                    seconds += await emptied(drain, made, 1000) * (turn > 0)
                small.append(seconds / batches / 1000)
                await worlds.arrive(room.conn, tenant_id, world.leads, after)
                await worlds.settle(room.conn)
                large.append(await _some_batches(drain, tenant_id, batches))
            await room.audited()
    note = f"the first {batches} batches of {world.leads:,} leads: {_cost(large)}; 1,000 at a time: {_cost(small)}"
    return [figure("backlog_1m_vs_1k", ratios(large, small), note)]


async def _some_batches(drain: Drain, tenant_id: int, batches: int) -> float:
    """Seconds a lead, the first batch left out."""
    await drain.drain_tenant(tenant_id, batch_limit=1)
    begin = perf_counter()
    done = await drain.drain_tenant(tenant_id, batch_limit=batches)
    return (perf_counter() - begin) / done.assigned


def _cost(seconds: list[float]) -> str:
    return f"{sorted(seconds)[len(seconds) // 2] * 1e6:.1f} µs a lead"


async def reps(stage: Stage) -> list[Figure]:
    """reps_5000_vs_10: in groups of ten, and in one sentence in larger ones."""
    leads = stage.size(100_000, 5_000)
    small = World(leads, reps=10, group_size=10)
    large = World(leads, reps=5_000, group_size=10)
    wide = World(leads, reps=5_000, group_size=250)
    async with stage.room() as room, stage.room() as other, stage.room() as third:
        few, many = await _pair(stage, room, small, other, large)
        made = await worlds.make(third.conn, wide)
        async with third.drain() as drain:
            in_wide = [await drained_round(third, wide, made, drain) for _ in range(2)][1:]
    note = (
        f"groups of 10: {per_second(leads, many)} with 5,000 reps, {per_second(leads, few)} with 10; "
        f"5,000 in groups of 250: {per_second(leads, in_wide)}"
    )
    return [figure("reps_5000_vs_10", ratios(many, few), note)]


async def rules(stage: Stage) -> list[Figure]:
    """rules_1000_vs_5."""
    leads = stage.size(100_000, 5_000)
    async with stage.room() as room, stage.room() as other:
        few, many = await _pair(stage, room, World(leads, rules=5), other, World(leads, rules=1_000))
    note = f"{leads:,} leads: {per_second(leads, many)} with 1,000 rules, {per_second(leads, few)} with 5"
    return [figure("rules_1000_vs_5", ratios(many, few), note)]


async def tenants(stage: Stage) -> list[Figure]:
    """tenants_1000_vs_8: the same number of leads in all."""
    leads, many_tenants = stage.size(160_000, 4_000), stage.size(1_000, 100)
    few_world = World(leads // 8, tenants=8, reps=20, rules=10)
    many_world = World(leads // many_tenants, tenants=many_tenants, reps=20, rules=10)
    async with stage.room() as room, stage.room() as other:
        few, many = await _pair(stage, room, few_world, other, many_world)
    note = (
        f"{leads:,} leads in all: {per_second(leads, many)} of {many_tenants:,} tenants, {per_second(leads, few)} of 8"
    )
    return [figure("tenants_1000_vs_8", ratios(many, few), note)]


async def _pair(stage: Stage, room: Room, small: World, other: Room, large: World) -> tuple[list[float], list[float]]:
    """Seconds of drains of two worlds by routers that run on, in turns; the first of each is the warm-up."""
    few, many = list[float](), list[float]()
    made, more = await worlds.make(room.conn, small), await worlds.make(other.conn, large)
    async with room.drain() as drain, other.drain() as other_drain:
        for _ in range(stage.rounds + 1):
            few.append(await drained_round(room, small, made, drain))
            many.append(await drained_round(other, large, more, other_drain))
    return few[1:], many[1:]


async def drained_round(room: Room, world: World, made: list[int], drain: Drain) -> float:
    """Seconds of one drain of the whole world, everything undecided before it; audited afterwards."""
    await worlds.refill(room.conn, world, made)
    seconds = await emptied(drain, made, world.leads * world.tenants)
    await room.audited()
    return seconds


async def history(stage: Stage) -> list[Figure]:
    """history_10m_vs_0. The audit looks at what was drained; invented history has no flight records for it."""
    world = World(leads=stage.size(100_000, 5_000))
    rows = stage.size(10_000_000, 100_000)
    with_it, without = list[float](), list[float]()
    async with stage.room() as room, stage.room() as other, room.drain() as drain, other.drain() as other_drain:
        made, old = await worlds.make(room.conn, world), await worlds.make(other.conn, world)
        await fill_history(stage, other, old[0], rows, await worlds.rep_numbers(other.conn, old[0]))
        for _ in range(stage.rounds + 1):
            without.append(await drained_round(room, world, made, drain))
            await worlds.refill(other.conn, world, old)
            with_it.append(await emptied(other_drain, old, world.leads))
    note = (
        f"{world.in_words}: {per_second(world.leads, with_it[1:])} with {rows:,} ended assignments, "
        f"{per_second(world.leads, without[1:])} without"
    )
    return [figure("history_10m_vs_0", ratios(with_it[1:], without[1:]), note)]


async def fill_history(stage: Stage, room: Room, tenant_id: int, rows: int, reps_of: list[int]) -> None:
    """So many assignments of the tenant that have ended, and nothing left of that to be written or vacuumed."""
    portion = 1_000_000
    for first in range(0, rows, portion):
        stage.say(f"history: {first:,} of {rows:,}")
        await SQL.fill_history.execute(
            room.conn, tenant_id=tenant_id, first=first, last=min(first + portion, rows) - 1, rep_nos=reps_of
        )
    # Else the server's own vacuum comes while the drain is measured.
    await room.conn.execute("vacuum (analyze) assignment_history")
    await SQL.settle.execute(room.conn)
