"""Doing one fault of a schedule to an arena, and undoing it."""

import asyncio
import random
import signal
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta

from loadtest.daemon import Daemon
from loadtest.faults import foreign
from loadtest.faults.arena import Arena
from loadtest.faults.clock import set_the_clock
from loadtest.faults.proxy import Answer, Wire
from loadtest.faults.schedule import Fault, Step
from router.drain.failpoints import FAIL_POINT, Point

_PATIENCE_S = 20.0
_BEHIND = (timedelta(days=40), timedelta(hours=2), timedelta(minutes=5))


async def inject(arena: Arena, step: Step) -> None:
    """Does the fault; returns when it is over and what it broke runs again."""
    async with asyncio.TaskGroup() as group:
        group.create_task(DEEDS[step.fault](arena, step))
        if step.with_kill:
            group.create_task(_kill(arena, step))


def _router(arena: Arena, step: Step) -> Daemon:
    return arena.routers[int(step.choice * len(arena.routers))]


async def _kill(arena: Arena, step: Step) -> None:
    await asyncio.sleep(step.lasts_s / 2)
    await arena.remove_router(_router(arena, step))
    await arena.add_router()


async def _kill_at_point(arena: Arena, step: Step) -> None:
    """In the place of a router comes one that dies at a point; then a sound one again."""
    await arena.remove_router(_router(arena, step), signal.SIGTERM)
    points = list(Point)
    point = points[int(step.choice * len(points))]
    armed = await arena.add_router(**{FAIL_POINT: f"{point}:kill:{1 + int(step.lasts_s)}"})
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await armed.process.wait()
    except TimeoutError:
        # Others had all the lanes; it dies as anybody may.
        pass
    await arena.remove_router(armed)
    await arena.add_router()


async def _freeze(arena: Arena, step: Step) -> None:
    daemon = _router(arena, step)
    daemon.hear(signal.SIGSTOP)
    await asyncio.sleep(2 * step.lasts_s)
    daemon.hear(signal.SIGCONT)


async def _wire(arena: Arena, step: Step) -> None:
    arena.proxy.set_wire(Wire.CUT if step.fault is Fault.CUT else Wire.STALLED)
    await asyncio.sleep(step.lasts_s)
    arena.proxy.set_wire(Wire.OPEN)


async def _half_open(arena: Arena, _step: Step) -> None:
    arena.proxy.half_open()


async def _reset(arena: Arena, step: Step) -> None:
    for _ in range(1 + int(step.lasts_s * 3)):
        arena.proxy.reset()
        await asyncio.sleep(0.3)


async def _slow(arena: Arena, step: Step) -> None:
    arena.proxy.slow(0.1 * step.choice)
    await asyncio.sleep(step.lasts_s)
    arena.proxy.slow(0)


async def _commits(arena: Arena, step: Step) -> None:
    goal = arena.proxy.commits_cut + 3
    answer = Answer.LOST if step.fault is Fault.COMMIT_LOST else Answer.UNKNOWN
    arena.proxy.cut_at_commit(answer, times=3)
    async with asyncio.timeout(_PATIENCE_S):
        while arena.proxy.commits_cut < goal:
            await asyncio.sleep(0.01)


async def _crash(arena: Arena, step: Step) -> None:
    await arena.server.crash()
    await asyncio.sleep(step.lasts_s)
    await arena.server.start()


async def _terminate(arena: Arena, step: Step) -> None:
    await foreign.terminate_at_random(arena.url, random.Random(step.choice), step.lasts_s)


async def _read_only(arena: Arena, step: Step) -> None:
    async with foreign.read_only(arena.url):
        await asyncio.sleep(step.lasts_s)


async def _connections(arena: Arena, step: Step) -> None:
    async with foreign.connections_used_up(arena.url):
        await asyncio.sleep(step.lasts_s)


async def _rows(arena: Arena, step: Step) -> None:
    async with foreign.half_locked(arena.url):
        await asyncio.sleep(step.lasts_s)


async def _table(arena: Arena, step: Step) -> None:
    table = foreign.TABLES[int(step.choice * len(foreign.TABLES))]
    async with foreign.table_locked(arena.url, table):
        await asyncio.sleep(step.lasts_s)


async def _snapshot(arena: Arena, step: Step) -> None:
    async with foreign.old_snapshot(arena.url):
        await asyncio.sleep(step.lasts_s)


async def _altered(arena: Arena, step: Step) -> None:
    table = foreign.ALTERED[int(step.choice * len(foreign.ALTERED))]
    await foreign.alter(arena.url, table, times=1 + int(step.lasts_s))


async def _refused_change(arena: Arena, step: Step) -> None:
    await foreign.refuse_changes(arena.url, times=2 + int(2 * step.lasts_s))


async def _clients(arena: Arena, step: Step) -> None:
    daemon = _router(arena, step)
    if "listening" in daemon.events():
        async with foreign.slow_clients(daemon.port, 160):
            await asyncio.sleep(step.lasts_s)


async def _clock(arena: Arena, step: Step) -> None:
    """The database's clock is behind, as after a failover to a server that is not synchronised; then right again."""
    await set_the_clock(arena.url, -_BEHIND[int(step.choice * len(_BEHIND))])
    await asyncio.sleep(step.lasts_s)
    await set_the_clock(arena.url, timedelta(0))


DEEDS: Mapping[Fault, Callable[[Arena, Step], Coroutine[None, None, None]]] = {
    Fault.KILL: _kill,
    Fault.KILL_AT_POINT: _kill_at_point,
    Fault.FREEZE: _freeze,
    Fault.CUT: _wire,
    Fault.STALL: _wire,
    Fault.HALF_OPEN: _half_open,
    Fault.RESET: _reset,
    Fault.SLOW: _slow,
    Fault.COMMIT_LOST: _commits,
    Fault.COMMIT_UNKNOWN: _commits,
    Fault.CRASH: _crash,
    Fault.TERMINATE: _terminate,
    Fault.READ_ONLY: _read_only,
    Fault.CONNECTIONS: _connections,
    Fault.ROWS: _rows,
    Fault.TABLE: _table,
    Fault.SNAPSHOT: _snapshot,
    Fault.ALTERED: _altered,
    Fault.REFUSED_CHANGE: _refused_change,
    Fault.CLIENTS: _clients,
    Fault.CLOCK: _clock,
}
