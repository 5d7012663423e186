"""A router that is killed takes nothing with it, wherever in a batch it dies."""

import asyncio
import random
import signal

import pytest

from loadtest.faults.arena import Arena, arena
from loadtest.faults.server import FaultServer
from router.drain.failpoints import FAIL_POINT, Point
from tests.faults.support import full

# Between the halves of a long batch; the others are passed by every batch.
_HALVES = [Point.MORE_CLAIMED, Point.HALF_WRITTEN]
_ALWAYS = [point for point in Point if point not in _HALVES]
# Routers that are killed faster than they start leave nearly all leads for the end, when they come one at a time.
_FEW = 3


async def dies(scene: Arena, point: Point, times: int) -> None:
    """A router that is armed comes to the point so often, and dies there."""
    daemon = await scene.add_router(**{FAIL_POINT: f"{point}:kill:{times}"})
    # Six of them start at once, and each needs leads to come to its point.
    async with asyncio.timeout(240):
        assert await daemon.ended() == -signal.SIGKILL, daemon.log
    scene.routers.remove(daemon)


@pytest.mark.parametrize("rounds", [1, full(3)])
async def test_a_router_killed_anywhere_in_a_batch_loses_no_lead_and_doubles_none(
    server: FaultServer, database: str, rounds: int
) -> None:
    async with arena(server, database, routers=1) as scene:
        async with scene.life(portion=_FEW):
            for round_ in range(rounds):
                for some in (_ALWAYS[:5], _ALWAYS[5:]):
                    await asyncio.gather(*(dies(scene, point, times=1 + round_) for point in some))
            await scene.recovered()
        await scene.settled()
        assert await scene.broken_promises() == []
        assert scene.errors.intake.total() == 0


@pytest.mark.parametrize("rounds", [1, full(5)])
async def test_a_router_killed_between_the_halves_of_a_batch_loses_no_lead_and_doubles_none(
    server: FaultServer, database: str, rounds: int
) -> None:
    async with arena(server, database, routers=0, drain_batch_leads=6) as scene:
        async with scene.life():
            for point in _HALVES * rounds:
                # After two crashes leads come one at a time, and then a batch has no halves.
                async with scene.session() as conn:
                    await conn.execute("update lane set crashes = 0, careful = 0, noted_lead = null, noted_by = '{}'")
                await dies(scene, point, times=2)
            await scene.add_router()
            await scene.recovered()
        await scene.settled()
        assert await scene.broken_promises() == []
        assert scene.errors.intake.total() == 0


@pytest.mark.parametrize("kills", [6, full(50)])
async def test_routers_killed_at_random_moments_lose_no_lead_and_double_none(
    server: FaultServer, database: str, kills: int
) -> None:
    rng = random.Random(5)
    async with arena(server, database, journals=2) as scene:
        async with scene.life(over_http=True, portion=_FEW):
            for _ in range(kills):
                await asyncio.sleep(rng.random() / 2)
                assert await scene.remove_router(scene.routers[0]) == -signal.SIGKILL
                await scene.add_router()
                await scene.routers[0].said("listening")
            await scene.taken(10)
            await scene.recovered()
        await scene.settled()
        assert await scene.broken_promises() == []
        assert scene.errors.intake.total() == 0
