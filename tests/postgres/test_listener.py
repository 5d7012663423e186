"""Readiness against a real database that comes and goes, and what the connections show of themselves."""

import asyncio
import json
import random
import socket

import aiohttp
import pytest

from router.http.listener import Listener
from router.runtime.health import Health
from router.runtime.lifeline import MonotonicClock
from router.runtime.supervisor import Supervisor
from router.settings.model import ConnectionSettings, ListenSettings, SupervisionSettings
from router.store.connections.connections import Connections, Part, open_connections
from router.store.errors import NoConnection
from router.telemetry.exposition import open_exposition
from router.telemetry.instruments import Instruments
from tests.support import connected


async def readiness(port: int) -> tuple[int, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as answer:
        return answer.status, json.loads(await answer.text())["reasons"]


@pytest.mark.direct
async def test_readiness_follows_the_database(database_url: str, admin_url: str) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    health = Health(MonotonicClock().monotonic)
    with open_exposition("a", "1") as exposition:
        async with open_connections(database_url) as connections, connected(admin_url) as admin:
            checks = {"database": connections.check}
            listener = Listener(ListenSettings(port=0), health, checks, exposition)
            supervisor = Supervisor([listener], SupervisionSettings(), health)
            async with asyncio.TaskGroup() as group:
                group.create_task(supervisor.run())
                await listener.started.wait()
                assert await readiness(listener.port) == (200, {})
                await admin.execute(f'alter database "{name}" allow_connections false')
                await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
                # An answer holds for a second.
                async with asyncio.timeout(60):
                    while (answer := await readiness(listener.port))[0] == 200:
                        pass
                assert (answer[0], list(answer[1])) == (503, ["database"])
                await admin.execute(f'alter database "{name}" allow_connections true')
                async with asyncio.timeout(60):
                    while (await readiness(listener.port))[0] != 200:
                        pass
                supervisor.stop()


def value(text: str, series: str) -> float:
    (line,) = (line for line in text.splitlines() if line.startswith(f"{series} "))
    return float(line.rpartition(" ")[2])


async def test_connections_show_use_waits_and_timeouts_by_part(database_url: str) -> None:
    with open_exposition("a", "1") as exposition:
        async with open_connections(database_url, ConnectionSettings(maximum=2), exposition.instruments) as connections:
            async with connections.acquire(Part.DRAIN):
                waiter = asyncio.create_task(no_connection(connections, Part.DRAIN, 0.3))
                await asyncio.sleep(0)
                busy = exposition.text().decode()
                await waiter
                async with connections.acquire(Part.INTAKE, 5):
                    pass
            idle = exposition.text().decode()
    assert value(busy, "lead_router_connections_maximum") == 2
    assert value(busy, 'lead_router_connections_in_use{part="drain"}') == 1
    assert value(busy, 'lead_router_connections_waiting{part="drain"}') == 1
    assert value(busy, 'lead_router_connections_timeouts_total{part="drain"}') == 0
    assert value(idle, 'lead_router_connections_in_use{part="drain"}') == 0
    assert value(idle, 'lead_router_connections_waiting{part="drain"}') == 0
    assert value(idle, 'lead_router_connections_timeouts_total{part="drain"}') == 1
    assert value(idle, 'lead_router_connections_use_duration_seconds_count{part="intake"}') == 1
    assert value(idle, 'lead_router_connections_acquire_duration_seconds_count{part="drain"}') == 1


async def no_connection(connections: Connections, part: Part, deadline_s: float) -> None:
    with pytest.raises(NoConnection, match=part):
        async with connections.acquire(part, deadline_s):
            pass


async def test_a_timeout_of_the_user_of_a_connection_is_not_taken_for_a_missing_connection(
    connections: Connections,
) -> None:
    with pytest.raises(TimeoutError, match="mine"):
        async with connections.acquire(Part.DRAIN, 0.01):
            await asyncio.sleep(0.05)
            raise TimeoutError("mine")


async def test_a_database_that_does_not_answer_is_not_taken_for_connections_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"postgresql://router@127.0.0.1:{mute.getsockname()[1]}/leads"
        limits = ConnectionSettings(maximum=1, connect_deadline_s=0.05)
        async with open_connections(url, limits, instance="a") as connections:
            with pytest.raises(NoConnection, match=r"the server gives none: TimeoutError: .* within 0.05 s"):
                async with connections.acquire(Part.DRAIN, 0.5):
                    pass
        with pytest.raises(TimeoutError, match=r"does not answer within 0.05 s"):
            async with open_connections(url, limits):
                pass


# Debian's PgBouncer 1.18 ends itself over some cancel requests, of which this test makes hundreds.
@pytest.mark.direct
async def test_no_connection_is_lost_when_requests_are_cancelled_at_any_moment(database_url: str) -> None:
    chance = random.Random(7)
    async with open_connections(database_url, ConnectionSettings(maximum=3), Instruments.silent()) as connections:

        async def use(part: Part) -> None:
            async with connections.acquire(part, chance.choice([0.0, 0.001, 5.0])) as conn:
                await conn.fetchval("select 1")

        tasks = [asyncio.create_task(use(chance.choice(list(Part)))) for _ in range(300)]
        while not all(task.done() for task in tasks):
            chance.choice(tasks).cancel()
            await asyncio.sleep(0)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(o, NoConnection | asyncio.CancelledError | None) for o in outcomes)
        async with (
            connections.acquire(Part.DRAIN, 5),
            connections.acquire(Part.DRAIN, 5),
            connections.acquire(Part.INTAKE, 5),
        ):
            pass
