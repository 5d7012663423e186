"""A router that freezes with a lane in its hands: another one takes over, and the frozen one wakes up harmless."""

import signal
from time import monotonic

import psutil

from loadtest.daemon import Daemon
from loadtest.faults.arena import Arena, arena
from loadtest.faults.people import SQL
from loadtest.faults.server import FaultServer
from loadtest.faults.world import SOUTH
from router.domain.lead_in import LeadIn
from router.drain.failpoints import FAIL_POINT, Point
from router.store.leads import accept
from tests.support import until

TAKEOVER_S = 30.0
BULKY = 4_000


async def frozen(daemon: Daemon) -> None:
    async def stands_still() -> bool:
        assert daemon.alive, daemon.log
        return bool(psutil.Process(daemon.process.pid).status() == psutil.STATUS_STOPPED)

    await until(stands_still, "it is frozen")


async def wakes_up_harmless(scene: Arena, daemon: Daemon) -> None:
    """It goes on, alone, and routes again."""
    daemon.hear(signal.SIGCONT)
    await scene.progressed(20)
    for other in [other for other in scene.routers if other is not daemon]:
        await scene.remove_router(other, signal.SIGTERM)
    await scene.recovered()
    assert daemon.alive


async def test_another_router_takes_the_lane_of_one_that_is_frozen_in_a_transaction(
    server: FaultServer, database: str
) -> None:
    async with arena(server, database, routers=1, tenants=1) as scene:
        holder = await scene.add_router(**{FAIL_POINT: f"{Point.CLAIMED}:freeze:3"})
        async with scene.life():
            await frozen(holder)
            assert await scene.recovered() <= TAKEOVER_S
            await wakes_up_harmless(scene, holder)
        await scene.settled()
        assert await scene.broken_promises() == []


async def bulky_leads(scene: Arena, count: int) -> None:
    """So many leads whose facts are long; they come at once."""
    leads = [LeadIn("bulk", f"b{i}", region=SOUTH, landing_page=f"/{i:0{BULKY}}") for i in range(count)]
    async with scene.session() as conn, conn.transaction():
        accepted = await accept(conn, scene.tenants[0], leads)
    scene.ledger.note(scene.tenants[0], leads, accepted.lead_ids)


async def test_another_router_takes_the_lane_of_one_that_is_frozen_while_it_receives_a_claim(
    server: FaultServer, database: str
) -> None:
    leads = 5_000
    async with arena(server, database, routers=1, tenants=1, drain_batch_leads=20_000) as scene:
        [holder] = scene.routers
        await scene.recovered()
        seen = scene.proxy.passed_to_client
        scene.proxy.slow(0.05)
        await bulky_leads(scene, leads)

        async def in_the_middle() -> bool:
            return scene.proxy.passed_to_client - seen > 1_000_000

        await until(in_the_middle, "the claim is on its way")
        holder.hear(signal.SIGSTOP)
        scene.proxy.slow(0)
        async with scene.session() as conn:

            async def stuck() -> bool:
                return bool(await SQL.stuck_in_write.fetch(conn))

            await until(stuck, "the server waits for somebody to take the answer")
        # How long a process takes to start is the machine's business.
        await (await scene.add_router()).said("listening")
        begin = monotonic()
        await scene.recovered()
        assert monotonic() - begin <= TAKEOVER_S
        holder.hear(signal.SIGCONT)
        await scene.settled()
        async with scene.life():
            await wakes_up_harmless(scene, holder)
        await scene.settled()
        assert await scene.broken_promises() == []
        async with scene.session() as conn:
            assert await SQL.assigned_so_far.value(conn) >= leads
