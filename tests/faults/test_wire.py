"""The wire between router and database is cut, stalls, half-opens, resets, slows; and is cut at the worst moment."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from loadtest.faults.arena import Arena, arena
from loadtest.faults.proxy import Answer, Wire
from loadtest.faults.server import FaultServer
from tests.faults.support import full

SHORT_S, FULL_S = 1.5, 12.0
# Behind a pooler, too: the sessions that stay behind hold lanes, and nobody but us will end them.
_ROUTED_AGAIN_S = 25.0


async def cut(scene: Arena, seconds: float) -> None:
    scene.proxy.set_wire(Wire.CUT)
    await asyncio.sleep(seconds)
    scene.proxy.set_wire(Wire.OPEN)


async def stalled(scene: Arena, seconds: float) -> None:
    scene.proxy.set_wire(Wire.STALLED)
    await asyncio.sleep(seconds)
    scene.proxy.set_wire(Wire.OPEN)


async def half_open(scene: Arena, _seconds: float) -> None:
    scene.proxy.half_open()


async def reset(scene: Arena, seconds: float) -> None:
    for _ in range(round(seconds * 4)):
        scene.proxy.reset()
        await asyncio.sleep(0.25)


async def slow(scene: Arena, seconds: float) -> None:
    scene.proxy.slow(0.05)
    await asyncio.sleep(seconds)
    scene.proxy.slow(0)


@pytest.mark.parametrize("seconds", [SHORT_S, full(FULL_S)])
@pytest.mark.parametrize("fault", [cut, stalled, half_open, reset, slow])
async def test_a_bad_wire_delays_leads_and_loses_none(
    server: FaultServer, database: str, fault: Callable[[Arena, float], Awaitable[None]], seconds: float
) -> None:
    async with arena(server, database) as scene:
        async with scene.life(through_proxy=True, over_http=True):
            await scene.progressed(50)
            await fault(scene, seconds)
            assert await scene.recovered() < _ROUTED_AGAIN_S
            await scene.progressed(50)
            await scene.taken(10)
        await scene.settled()
        assert await scene.broken_promises() == []
        assert all(daemon.alive for daemon in scene.routers)
        assert scene.surprises() == []


@pytest.mark.parametrize("commits", [10, full(60)])
@pytest.mark.parametrize("answer", list(Answer))
async def test_a_commit_whose_answer_never_came_is_neither_lost_nor_done_twice(
    server: FaultServer, database: str, answer: Answer, commits: int
) -> None:
    async with arena(server, database) as scene:
        async with scene.life(through_proxy=True):
            number = 0
            # Routers commit more often than intake does; it must have been hit, too.
            while number < commits or not scene.intake_errors:
                number += 1
                scene.proxy.cut_at_commit(answer)
                async with asyncio.timeout(60):
                    while scene.proxy.commits_cut < number:
                        await asyncio.sleep(0.005)
            await scene.recovered()
        await scene.settled()
        assert await scene.broken_promises() == []
        assert scene.errors.intake.total() > 0
