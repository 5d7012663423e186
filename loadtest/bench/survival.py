"""How fast the service comes back from faults, and what fewer connections cost it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import psutil

from loadtest.bench import world as worlds
from loadtest.bench.drains import burst
from loadtest.bench.figures import Figure, figure, per_second, ratios
from loadtest.bench.router_process import routers
from loadtest.bench.stage import NotClean, Stage
from loadtest.bench.world import World
from loadtest.faults import foreign
from loadtest.faults.arena import Arena, arena
from loadtest.faults.people import Ledger, Writer
from loadtest.faults.server import FaultServer, fault_server, reachable_folder
from loadtest.faults.world import SOUTH
from loadtest.until import until
from ops.embedded.server import DATABASE
from router.domain.lead_in import LeadIn
from router.drain.failpoints import FAIL_POINT, Point
from router.drain.request import BatchRequest
from router.store.leads import accept
from router.store.migrate import migrate

_ROUTERS = 4
_DURABLE = {"fsync": "on"}
_AS_DELIVERED: dict[str, Any] = {"drain_batch_leads": BatchRequest().ready, "drain_poll_interval_s": 0.5}


@asynccontextmanager
async def _server() -> AsyncIterator[FaultServer]:
    """A server of our own with durable commits, since it is going to be broken."""
    with reachable_folder("lead-router-bench-") as folder:
        async with fault_server(folder, _DURABLE) as server:
            await migrate(server.url())
            yield server


async def _clean(scene: Arena) -> None:
    """Raises NotClean when something was lost."""
    await scene.settled()
    if broken := await scene.broken_promises():
        raise NotClean("; ".join(broken))


async def faults(stage: Stage) -> list[Figure]:
    """locked_rows_return, recovery_after_restart, lane_takeover."""
    rounds = stage.size(5, 1)
    rows = stage.size(5_000, 300)
    returned, restarted, taken = list[float](), list[float](), list[float]()
    async with _server() as server, arena(server, DATABASE, routers=_ROUTERS, tenants=1, **_AS_DELIVERED) as scene:
        for turn in range(rounds):
            returned.append(await _locked_rows(scene, rows, f"locked{turn}"))
            async with scene.life(turn):
                restarted.append(await _restart(scene))
                taken.append(await _takeover(scene))
            await _clean(scene)
    return [
        figure("locked_rows_return", returned, f"{rows:,} leads, half of them locked; until the last one has a rep"),
        figure("recovery_after_restart", restarted, f"{_ROUTERS} routers, immediate shutdown while leads stream in"),
        figure("lane_takeover", taken, "the holder is stopped inside the transaction, after its claim"),
    ]


async def _locked_rows(scene: Arena, rows: int, source: str) -> float:
    """Seconds from the release of the locks to the last assignment."""
    leads = [LeadIn(source, str(i), region=SOUTH, product=f"{source}{i}") for i in range(rows)]
    async with scene.session() as conn:

        async def left(most: int) -> bool:
            return bool(await conn.fetchval("select count(*) from lead_pool where wake_key = 0") <= most)

        # Paused, so that the script is there before the routers.
        await conn.execute("update lane set paused_until = 'infinity'")
        accepted = await accept(conn, scene.tenants[0], leads)
        scene.ledger.note(scene.tenants[0], leads, accepted.lead_ids)
        async with foreign.half_locked(scene.url) as locked:
            await conn.execute("update lane set paused_until = null")
            await until(lambda: left(locked), "the free half has reps")
        begin = monotonic()
        await until(lambda: left(0), "the locked half has reps")
        return monotonic() - begin


async def _restart(scene: Arena) -> float:
    """Seconds from PostgreSQL's readiness to an assignment of a lead that came then."""
    await scene.progressed(50)
    await scene.server.crash()
    await asyncio.sleep(0.5)
    await scene.server.start()
    return await scene.recovered()


async def _takeover(scene: Arena) -> float:
    """Seconds from the freeze of the lane's holder to an assignment by another router."""
    holder = await scene.add_router(**{FAIL_POINT: f"{Point.CLAIMED}:freeze:2"})

    async def frozen() -> bool:
        return bool(psutil.Process(holder.process.pid).status() == psutil.STATUS_STOPPED)

    await until(frozen, "the holder is frozen")
    seconds = await scene.recovered()
    await scene.remove_router(holder)
    return seconds


async def connections(stage: Stage) -> list[Figure]:
    """connections_30_vs_150, connections_2. The number is that of all routers together."""
    world = World(leads=stage.size(4_000, 200), tenants=20, reps=20, rules=10)
    few, many = list[float](), list[float]()
    for _ in range(stage.rounds + 1):
        few.append(await _drained(stage, world, 30))
        many.append(await _drained(stage, world, 150))
    few, many = few[1:] or few, many[1:] or many
    leads = world.leads * world.tenants
    note = (
        f"{world.in_words}, {_ROUTERS} routers, intake unharmed: {per_second(leads, few)} with "
        f"30 connections in all, {per_second(leads, many)} with 150"
    )
    refused, leads_seen = await _on_two(stage)
    two = f"one router on two connections, {leads_seen:,} leads streamed in: errors of intake, warnings, lost leads"
    return [figure("connections_30_vs_150", ratios(many, few), note), figure("connections_2", [refused], two)]


async def _drained(stage: Stage, world: World, in_all: int) -> float:
    """Seconds in which four routers with so many connections in all drain a burst. Raises NotClean."""
    variables = {"LEAD_ROUTER_CONNECTIONS_MAXIMUM": in_all // _ROUTERS, "LEAD_ROUTER_DRAIN_CONCURRENCY": world.tenants}
    async with stage.room() as room:
        made = await worlds.make(room.conn, world)
        stop = asyncio.Event()
        async with routers(room, _ROUTERS, **variables), asyncio.TaskGroup() as group:
            intake = group.create_task(Writer(room.url, made, Ledger(), seed=1).run(stop))
            seconds = await burst(room, world, made)
            stop.set()
        if intake.result():
            raise NotClean(f"intake was refused: {dict(intake.result())}")
        await room.audited()
        return seconds


async def _on_two(stage: Stage) -> tuple[float, int]:
    """Errors and warnings of a service on two connections, and the leads that it got. Raises NotClean."""
    async with (
        _server() as server,
        arena(server, DATABASE, routers=1, tenants=6, **_AS_DELIVERED, connections_maximum=2) as scene,
    ):
        async with scene.life():
            await scene.progressed(stage.size(3_000, 100), deadline_s=300)
        await _clean(scene)
        [router] = scene.routers
        warned = [line for line in router.log if line.get("level") not in ("info", "debug")]
        return float(scene.errors.intake.total() + len(warned)), scene.ledger.leads
