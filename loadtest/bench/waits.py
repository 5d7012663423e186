"""Leads that nobody can take, and rows that somebody else has locked: what they cost those who can be routed."""

import asyncio
from dataclasses import replace
from time import perf_counter

import asyncpg

from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.stage import NotClean, Room, Stage, emptied
from loadtest.bench.world import SQL, World
from router.drain.drain import Drain
from router.intake.roster_file import read_roster
from router.store.roster import import_reps

_PLACES = 10


async def waiting(stage: Stage) -> list[Figure]:
    """waiting_1m_vs_0 and wake_rows_touched."""
    world = World(leads=stage.size(100_000, 5_000))
    stuck = stage.size(1_000_000, 20_000)
    with_them, without = list[float](), list[float]()
    async with stage.room() as room, stage.room() as other:
        empty = replace(world, leads=0)
        [free_one], [tenant_id] = await worlds.make(room.conn, empty), await worlds.make(other.conn, empty)
        for one, number in ((room, free_one), (other, tenant_id)):
            await worlds.own_customers(one.conn, world, number)
        await _refuse(stage, other, tenant_id, world, stuck)
        async with room.drain() as alone, other.drain() as beside:
            for _ in range(stage.rounds + 1):
                without.append(await _more(room, alone, free_one, world))
                with_them.append(await _more(other, beside, tenant_id, world))
        await other.audited()
        touched = await _places_become_free(other, tenant_id)
        await other.audited()
    note = (
        f"{world.in_words}: {per_second(world.leads, with_them[1:])} beside {stuck:,} that nobody can take, "
        f"{per_second(world.leads, without[1:])} alone"
    )
    return [
        figure("waiting_1m_vs_0", ratios(without[1:], with_them[1:]), note),
        figure("wake_rows_touched", [touched], f"{_PLACES} places for one of {stuck:,} waiting leads' targets"),
    ]


async def _refuse(stage: Stage, room: Room, tenant_id: int, world: World, leads: int) -> None:
    """So many leads of a region whose group has nobody; the drain itself finds that they must wait."""
    await worlds.add_leads(room.conn, tenant_id, world, 1, leads, "nowhere")
    await worlds.arrive(room.conn, tenant_id, leads)
    await worlds.settle(room.conn)
    stage.say(f"{leads:,} leads are refused first")
    async with room.drain() as drain:
        done = await drain.drain_tenant(tenant_id)
    if done.refused.total() != leads:
        raise NotClean(f"{done.refused.total():,} of {leads:,} leads were refused")


async def _more(room: Room, drain: Drain, tenant_id: int, world: World) -> float:
    """As many new leads as the world has; drains them."""
    known = await SQL.last_lead.row(room.conn, tenant_id=tenant_id)
    assert known is not None
    last, count = known
    await worlds.add_leads(room.conn, tenant_id, world, count + 1, count + world.leads)
    await worlds.arrive(room.conn, tenant_id, world.leads, last)
    await worlds.settle(room.conn)
    return await emptied(drain, [tenant_id], world.leads)


async def _places_become_free(room: Room, tenant_id: int) -> float:
    """Somebody with ten places joins the group that they wait for; returns pool rows locked or deleted."""
    await room.conn.execute("vacuum (freeze) lead_pool")
    locked = await SQL.pool_rows_locked.value(room.conn, tenant_id=tenant_id)
    deleted = await _deleted(room)
    newcomer = (
        "rep_id,name,available,time_zone,working_hours,groups,max_open,max_per_day\n"
        f"new,New,yes,Asia/Shanghai,{worlds.ALWAYS},empty,{_PLACES},{_PLACES}"
    )
    await import_reps(room.conn, tenant_id, read_roster(newcomer.encode(), "reps.csv"), "bench")
    async with room.drain() as drain:
        await emptied(drain, [tenant_id], _PLACES)
    touched = await _deleted(room) - deleted
    return float(touched + await SQL.pool_rows_locked.value(room.conn, tenant_id=tenant_id) - locked)


async def _deleted(room: Room) -> int:
    await room.conn.execute("select pg_stat_force_next_flush()")
    return int(await SQL.pool_rows_deleted.value(room.conn))


async def half_locked(stage: Stage) -> list[Figure]:
    """half_locked_vs_free: leads a second of the free half, against a pool of as many leads without locks."""
    half = stage.size(100_000, 5_000)
    all_free, mixed = World(leads=half), World(leads=2 * half)
    locked, free = list[float](), list[float]()
    async with stage.room() as room, stage.room() as other:
        alone, made = await worlds.make(room.conn, all_free), await worlds.make(other.conn, mixed)
        async with room.drain() as calm, other.drain() as drain:
            for _ in range(stage.rounds + 1):
                await worlds.refill(room.conn, all_free, alone)
                free.append(await emptied(calm, alone, half))
                await room.audited()
                await worlds.refill(other.conn, mixed, made)
                locked.append(await _free_half(other, drain, made[0], half))
                await emptied(drain, made, half)
                await other.audited()
    note = f"{half:,} leads: {per_second(half, locked[1:])} between locked rows, {per_second(half, free[1:])} without"
    return [figure("half_locked_vs_free", ratios(free[1:], locked[1:]), note)]


async def _free_half(room: Room, drain: Drain, tenant_id: int, half: int) -> float:
    """Seconds until the free half is assigned while another session holds the locks of the rest."""
    foreigner: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(room.url)
    try:
        async with foreigner.transaction():
            if await SQL.lock_half.value(foreigner, tenant_id=tenant_id) != half:
                raise NotClean("not half of the rows could be locked")
            begin, assigned = perf_counter(), 0
            while assigned < half:
                assigned += (await drain.drain_tenant(tenant_id)).assigned
                await asyncio.sleep(0)
            return perf_counter() - begin
    finally:
        await foreigner.close()
