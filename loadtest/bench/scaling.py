"""Leads a second as one thing grows and all else stays as it is: the curves of docs/capacity.md.

The points of a curve are measured in turns, so that all of them meet the same noise.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from loadtest.bench import world as worlds
from loadtest.bench.drains import burst
from loadtest.bench.figures import Figure, Point, figure, ratios
from loadtest.bench.growth import drained_round, fill_history
from loadtest.bench.router_process import routers
from loadtest.bench.stage import Stage, emptied
from loadtest.bench.world import SQL, World

Once = Callable[[int], Awaitable[float]]
"""Measures one point; returns seconds."""

_ROUTERS, _ROUTERS_QUICK = (1, 2, 4), (1, 2)
_TENANTS, _TENANTS_QUICK = (1, 20, 1_000), (1, 20)
_CONNECTIONS, _CONNECTIONS_QUICK = (2, 4, 8, 30, 150), (2, 8)
_HISTORY, _HISTORY_QUICK = (0, 1_000_000, 10_000_000), (0, 20_000)


async def scaling(stage: Stage) -> list[Figure]:
    """scaling_routers, scaling_tenants, scaling_connections, scaling_history."""
    curves = (_routers, _tenants, _connections, _history)
    return [await curve(stage) for curve in curves]


async def _routers(stage: Stage) -> Figure:
    world = World(leads=stage.size(20_000, 400), tenants=8)
    async with stage.room() as room:
        made = await worlds.make(room.conn, world)

        async def once(count: int) -> float:
            await SQL.forget_results.execute(room.conn)
            async with routers(room, count):
                seconds = await burst(room, world, made)
            await room.audited()
            return seconds

        points = await _in_turns(stage, _ROUTERS_QUICK if stage.quick else _ROUTERS, world, once)
    return _rises("scaling_routers", points, f"{world.in_words}, `lead-router serve` processes on one machine")


async def _connections(stage: Stage) -> Figure:
    world = World(leads=stage.size(8_000, 100), tenants=20, reps=20, rules=10)
    async with stage.room() as room:
        made = await worlds.make(room.conn, world)

        async def once(maximum: int) -> float:
            await SQL.forget_results.execute(room.conn)
            variables = {
                "LEAD_ROUTER_CONNECTIONS_MAXIMUM": maximum,
                "LEAD_ROUTER_DRAIN_CONCURRENCY": world.tenants,
            }
            async with routers(room, 1, **variables):
                seconds = await burst(room, world, made)
            await room.audited()
            return seconds

        points = await _in_turns(stage, _CONNECTIONS_QUICK if stage.quick else _CONNECTIONS, world, once)
    note = f"{world.in_words}, one router with that `connections.maximum`, and `drain.concurrency` {world.tenants}"
    return _rises("scaling_connections", points, note)


async def _tenants(stage: Stage) -> Figure:
    leads = stage.size(160_000, 2_000)
    places = _TENANTS_QUICK if stage.quick else _TENANTS
    sizes = {count: World(leads // count, tenants=count, reps=20, rules=10) for count in places}
    async with AsyncExitStack() as stack:
        rooms = {count: await stack.enter_async_context(stage.room()) for count in places}
        made = {count: await worlds.make(rooms[count].conn, sizes[count]) for count in places}
        drains = {count: await stack.enter_async_context(rooms[count].drain()) for count in places}

        async def once(count: int) -> float:
            return await drained_round(rooms[count], sizes[count], made[count], drains[count])

        points = await _in_turns(stage, places, sizes[1], once)
    return _falls("scaling_tenants", points, f"{leads:,} leads in all, 20 reps and 10 rules each, one router")


async def _history(stage: Stage) -> Figure:
    """The audit looks at what was drained; invented history has no flight records for it."""
    world = World(leads=stage.size(100_000, 2_000))
    places = _HISTORY_QUICK if stage.quick else _HISTORY
    async with AsyncExitStack() as stack:
        rooms = {rows: await stack.enter_async_context(stage.room()) for rows in places}
        made = {rows: await worlds.make(rooms[rows].conn, world) for rows in places}
        for rows in places:
            reps_of = await worlds.rep_numbers(rooms[rows].conn, made[rows][0])
            await fill_history(stage, rooms[rows], made[rows][0], rows, reps_of)
        drains = {rows: await stack.enter_async_context(rooms[rows].drain()) for rows in places}

        async def once(rows: int) -> float:
            if not rows:
                return await drained_round(rooms[rows], world, made[rows], drains[rows])
            await worlds.refill(rooms[rows].conn, world, made[rows])
            return await emptied(drains[rows], made[rows], world.leads)

        points = await _in_turns(stage, places, world, once)
    return _falls("scaling_history", points, f"{world.in_words}, one tenant with so many ended assignments")


async def _in_turns(stage: Stage, places: Sequence[int], world: World, once: Once) -> list[Point]:
    """All points, round by round; the first round is a warm-up, and left out of a quick run."""
    leads = world.leads * world.tenants
    rates: dict[int, list[float]] = {place: [] for place in places}
    warm_ups = 0 if stage.quick else 1
    for turn in range(stage.rounds + warm_ups):
        for place in places:
            seconds = await once(place)
            if turn >= warm_ups:
                rates[place].append(leads / seconds)
    return [Point(place, tuple(rates[place])) for place in places]


def _rises(id_: str, points: Sequence[Point], note: str) -> Figure:
    """Leads a second at the last point / at the first."""
    return figure(id_, ratios(points[-1].runs, points[0].runs), note, points)


def _falls(id_: str, points: Sequence[Point], note: str) -> Figure:
    """Cost of a lead at the last point / at the first."""
    return figure(id_, ratios(points[0].runs, points[-1].runs), note, points)
