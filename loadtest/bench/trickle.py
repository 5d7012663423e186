"""Leads that come one by one: what a batch of one costs, and how long a lead waits for its rep on a quiet line."""

import asyncio
from time import monotonic

from loadtest.bench import floor
from loadtest.bench import world as worlds
from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.router_process import routers
from loadtest.bench.stage import Room, Stage, emptied
from loadtest.bench.world import SQL, World
from router.domain.lead_in import LeadIn
from router.store.leads import accept
from router.store.statements import load

_RATE = 200


async def single_leads(stage: Stage) -> list[Figure]:
    """single_lead_batches_5000_reps and single_leads_vs_floor, in turns."""
    world = World(leads=stage.size(4_000, 300), reps=5_000)
    drains, floors = list[float](), list[float]()
    async with stage.room() as room:
        made = await worlds.make(room.conn, world)
        # The router runs on: what it reads of 5,000 reps when it starts would be a good part of so few leads.
        async with room.drain(ready=1) as drain:
            for _ in range(stage.rounds + 1):
                await worlds.refill(room.conn, world, made)
                floors.append(await floor.run(room.url, made, 1, 1))
                await worlds.refill(room.conn, world, made)
                drains.append(await emptied(drain, made, world.leads))
                await room.audited()
    note = (
        f"{world.in_words}; a commit and a record for each; the floor, one lead at a time: "
        f"{per_second(world.leads, floors[1:])}"
    )
    return [
        figure("single_lead_batches_5000_reps", [world.leads / seconds for seconds in drains[1:]], note),
        figure("single_leads_vs_floor", ratios(floors[1:], drains[1:]), note),
    ]


async def idle_latency(stage: Stage) -> list[Figure]:
    """idle_latency_p99: by the commit times that the server recorded."""
    seconds = stage.size(10, 3)
    world = World(leads=1)
    p99, medians = [], []
    async with stage.room() as room:
        [tenant_id] = await worlds.make(room.conn, world)
        await SQL.forget_results.execute(room.conn)
        async with routers(room, 1):
            await _hand_in(room, tenant_id, 0, _RATE * 2)
            for turn in range(stage.rounds):
                waits = await idle_waits(room, tenant_id, (turn + 1) * 1_000_000, seconds)
                p99.append(waits[len(waits) * 99 // 100] * 1000)
                medians.append(waits[len(waits) // 2] * 1000)
        await room.conn.execute("delete from lead where source = 'web'")
        await room.audited()
    typical = sorted(medians)[len(medians) // 2]
    note = f"{seconds * _RATE:,} leads, one a transaction, {_RATE} a second; median {typical:.1f} ms"
    return [figure("idle_latency_p99", p99, note)]


async def idle_waits(room: Room, tenant_id: int, first: int, seconds: int) -> list[float]:
    """Seconds from a lead's commit to its assignment's, ascending; 200 leads a second, numbered from `first`."""
    await _hand_in(room, tenant_id, first, seconds * _RATE)
    return [row[0] for row in await SQL.assigned_after.fetch(room.conn, tenant_id=tenant_id, source=f"s{first}")]


async def _hand_in(room: Room, tenant_id: int, first: int, leads: int) -> None:
    """Accepts leads at a steady rate through the product's intake; returns when all are assigned."""
    begin = monotonic()
    for number in range(leads):
        lead = LeadIn(
            f"s{first}", str(number), region=f"region{number % worlds.REGIONS}", declared_customer=f"{first + number}"
        )
        await accept(room.conn, tenant_id, [lead])
        if (ahead := begin + (number + 1) / _RATE - monotonic()) > 0:
            await asyncio.sleep(ahead)
    await all_assigned(room, tenant_id)


async def all_assigned(room: Room, tenant_id: int) -> None:
    """Returns when no lead is left."""
    async with asyncio.timeout(60):
        while await load("lane").left_over.value(room.conn, tenant_id=tenant_id, limit=1):
            await asyncio.sleep(0.01)
