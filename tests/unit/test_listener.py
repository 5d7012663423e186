"""The listener, asked over real HTTP on a free port."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import structlog

from router.http.listener import AddressRefused, Check, Listener
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.runtime.supervisor import Service, Supervisor
from router.settings.model import ListenSettings, SupervisionSettings
from router.telemetry.exposition import open_exposition


class Silent:
    """Shows no sign of life after its first."""

    name = "drain"
    max_silence_s = 0.0

    def __init__(self) -> None:
        self.stop = asyncio.Event()

    async def run(self, life: Lifeline) -> None:
        await self.stop.wait()
        await life.wait()


@asynccontextmanager
async def listening(
    checks: Mapping[str, Check], *others: Service, check_deadline_s: float = 2.0
) -> AsyncIterator[tuple[str, Health, Supervisor]]:
    health = Health(MonotonicClock().monotonic)
    with open_exposition("test-1", "1.2.3") as exposition:
        settings = ListenSettings(port=0, check_deadline_s=check_deadline_s)
        listener = Listener(settings, health, checks, exposition)
        supervisor = Supervisor([listener, *others], SupervisionSettings(), health, instruments=exposition.instruments)
        async with asyncio.TaskGroup() as group:
            group.create_task(supervisor.run())
            await listener.started.wait()
            yield f"http://127.0.0.1:{listener.port}", health, supervisor
            supervisor.stop()


async def get(url: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def get_json(url: str) -> tuple[int, Any]:
    status, kind, text = await get(url)
    assert kind.startswith("application/json")
    return status, json.loads(text)


async def fine(_deadline_s: float) -> None:
    return None


async def refused(_deadline_s: float) -> None:
    raise OSError("cannot reach postgresql://router:S3cret@db/leads")


async def hangs(_deadline_s: float) -> None:
    await asyncio.Event().wait()


async def test_a_process_that_progresses_is_alive_and_ready() -> None:
    async with listening({"database": fine}) as (url, _, _):
        status, body = await get_json(f"{url}/livez")
        assert (status, body["alive"]) == (200, True)
        assert body["services"]["listener"]["state"] == "running"
        assert await get_json(f"{url}/readyz") == (200, {"ready": True, "reasons": {}, "degraded": {}, "codes": {}})


async def test_a_service_that_hangs_makes_the_process_not_alive_until_it_goes_on() -> None:
    silent = Silent()
    async with listening({}, silent) as (url, health, _):
        status, body = await get_json(f"{url}/livez")
        assert (status, body["alive"]) == (503, False)
        assert body["services"]["drain"]["overdue_s"] > 0
        silent.stop.set()
        async with asyncio.timeout(5):
            while health.services["drain"].due_at is not None:
                await asyncio.sleep(0)
        assert (await get_json(f"{url}/livez"))[0] == 200


async def test_every_failed_check_is_named_and_no_password_is_shown() -> None:
    checks = {"database": refused, "redis": hangs, "disk": fine}
    async with listening(checks, check_deadline_s=0.1) as (url, _, _):
        status, body = await get_json(f"{url}/readyz")
    assert status == 503
    assert body == {
        "ready": False,
        "reasons": {
            "database": "OSError: cannot reach postgresql://router:***@db/leads",
            "redis": "no answer within 0.1 s",
        },
        "degraded": {},
        "codes": {},
    }


async def test_a_process_that_stops_is_not_ready_but_alive() -> None:
    async with listening({}) as (url, health, _):
        health.stopping = True
        status, body = await get_json(f"{url}/readyz")
        assert (status, list(body["reasons"])) == (503, ["stopping"])
        assert (await get_json(f"{url}/livez"))[0] == 200


async def test_metrics_are_shown_in_the_format_that_prometheus_reads() -> None:
    async with listening({}) as (url, _, _):
        status, kind, text = await get(f"{url}/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")
    assert 'lead_router_service_deaths_total{service="listener"} 0.0' in text
    assert 'service_instance_id="test-1"' in text
    assert 'service_version="1.2.3"' in text


async def test_the_port_is_free_again_after_the_stop() -> None:
    async with listening({}) as (url, _, _):
        port = int(url.rpartition(":")[2])
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


async def test_a_port_that_is_taken_ends_the_process_with_the_port_in_the_message() -> None:
    with socket.socket() as taken, open_exposition("a", "1") as exposition:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        health = Health(MonotonicClock().monotonic)
        listener = Listener(ListenSettings(port=port), health, {}, exposition)
        refused = pytest.raises(AddressRefused, match=f"port {port}: Address already in use.*LEAD_ROUTER_LISTEN_PORT")
        with refused, structlog.testing.capture_logs() as logs:
            await Supervisor([listener], SupervisionSettings(), health).run()
        assert logs == []
