"""The maximum of connections is changed under full load, down to two and up again: slower or faster, never broken."""

import asyncio
import signal
from pathlib import Path

import pytest

from loadtest.faults.arena import Arena, arena
from loadtest.faults.people import SQL
from loadtest.faults.server import FaultServer
from router.store.connections.connect import LISTENER_NAME
from router.store.connections.connections import APPLICATION_NAME
from tests.faults.support import full
from tests.support import until

# It counts the sessions that the server sees.
pytestmark = pytest.mark.direct


async def sessions(scene: Arena) -> int:
    """How many the routers have, without those that only listen; those of commands have no maximum in their name."""
    async with scene.session() as conn:
        every = len(await SQL.other_sessions.fetch(conn, application=f"{APPLICATION_NAME} "))
        return every - len(await SQL.other_sessions.fetch(conn, application=LISTENER_NAME))


@pytest.mark.parametrize("assignments", [150, full(1_000)])
async def test_a_maximum_that_is_lowered_and_raised_under_load_drops_nothing(
    server: FaultServer, database: str, tmp_path: Path, assignments: int
) -> None:
    config = tmp_path / "router.yaml"

    def write(maximum: int) -> None:
        config.write_text(f"connections: {{maximum: {maximum}}}\ndrain: {{concurrency: 20}}\n")

    write(100)
    async with arena(server, database, routers=2, tenants=12, LEAD_ROUTER_CONFIG=config) as scene:
        async with scene.life(portion=30):
            await scene.progressed(assignments)
            for maximum in (30, 2, 150):
                write(maximum)
                for daemon in scene.routers:
                    daemon.hear(signal.SIGHUP)

                async def few_enough(most: int = maximum * len(scene.routers)) -> bool:
                    assert all(daemon.alive for daemon in scene.routers)
                    return await sessions(scene) <= most

                await until(few_enough, f"each has at most {maximum}")
                await scene.progressed(assignments)
                await scene.recovered()
        await scene.settled()
        assert await scene.broken_promises() == []
        assert scene.errors.intake.total() == 0


async def test_a_service_of_two_connections_refuses_nothing(server: FaultServer, database: str) -> None:
    async with arena(server, database, routers=1, tenants=6, connections_maximum=2) as scene:
        async with scene.life():
            for _ in range(5):
                await scene.progressed(60)
                assert await sessions(scene) <= 2
                await asyncio.sleep(0)
        await scene.settled()
        assert await scene.broken_promises() == []
        assert scene.errors.intake.total() == 0
        [router] = scene.routers
        assert not [line for line in router.log if line.get("level") not in ("info", "debug")]
