"""The listener, asked over real HTTP on a free port."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

import aiohttp
import pytest
import structlog

from router.http.listener import Listener
from router.http.probes import Check
from router.http.serving import AddressRefused
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
    checks: Mapping[str, Check], *others: Service, check_deadline_s: float = 2.0, **limits: Any
) -> AsyncIterator[tuple[str, Health, Supervisor]]:
    health = Health(MonotonicClock().monotonic)
    with open_exposition("test-1", "1.2.3") as exposition:
        settings = ListenSettings(port=0, check_deadline_s=check_deadline_s)
        listener = Listener(settings, health, checks, exposition, **limits)
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
        well = {"ready": True, "reasons": {}, "failing": {}, "degraded": {}, "codes": {}, "muted": {}}
        assert await get_json(f"{url}/readyz") == (200, well)


async def test_what_somebody_has_muted_is_shown_apart_from_what_is_degraded() -> None:
    async with listening({}) as (url, health, _):
        health.degraded["connections"] = "2 instances together may open too many"
        health.degraded["service drain"] = "no sign of life"
        health.degraded["stall acme lane_not_taken"] = "7 leads stand still"
        health.muted = frozenset({"connections"})
        _, body = await get_json(f"{url}/readyz")
        assert body["degraded"].keys() == body["codes"].keys() == {"service drain", "stall acme lane_not_taken"}
        assert body["muted"] == {"connections": "2 instances together may open too many"}
        health.muted = frozenset()
        assert (await get_json(f"{url}/readyz"))[1]["codes"]["connections"] == "connections_short"


async def test_a_service_that_waits_for_something_outside_is_degraded_and_no_reason_for_a_restart() -> None:
    silent = Silent()
    async with listening({}, silent) as (url, health, _):
        status, body = await get_json(f"{url}/livez")
        assert (status, body["alive"]) == (200, True)
        assert body["services"]["drain"]["overdue_s"] > 0
        status, body = await get_json(f"{url}/readyz")
        assert "no sign of life" in body["degraded"]["service drain"]
        assert body["codes"] == {"service drain": "service_failing"}
        silent.stop.set()
        async with asyncio.timeout(60):
            while health.services["drain"].due_at is not None:
                await asyncio.sleep(0)
        assert (await get_json(f"{url}/readyz"))[1]["degraded"] == {}


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
        "failing": {},
        "degraded": {},
        "codes": {},
        "muted": {},
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


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
async def test_an_address_that_this_machine_has_not_is_not_said_to_be_a_port_that_is_taken(host: str) -> None:
    with open_exposition("a", "1") as exposition:
        health = Health(MonotonicClock().monotonic)
        listener = Listener(ListenSettings(host=host, port=0), health, {}, exposition)
        with pytest.raises(AddressRefused, match="LEAD_ROUTER_LISTEN_HOST to an address of this machine") as caught:
            await Supervisor([listener], SupervisionSettings(), health).run()
        assert "another port" not in str(caught.value) and "Unknown error" not in str(caught.value)


async def open_without_asking(url: str, clients: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    port = int(url.rpartition(":")[2])
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(clients)]
    for _, writer in opened:
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    return opened


async def test_clients_that_never_finish_a_request_keep_no_probe_and_no_descriptor_from_others() -> None:
    async with listening({"database": fine}, max_connections=8, request_s=60) as (url, _, _):
        opened = await open_without_asking(url, 40)
        for _ in range(3):
            assert (await get_json(f"{url}/readyz"))[0] == 200
        # The oldest made room; a client whose connection was ended reads its end.
        async with asyncio.timeout(60):
            for reader, _ in opened[:31]:
                with suppress(ConnectionError):
                    assert await reader.read() == b""
        for _, writer in opened:
            writer.close()


async def test_a_client_that_is_slow_to_ask_is_ended_after_its_time() -> None:
    async with listening({}, request_s=0.2) as (url, _, _):
        ((reader, writer),) = await open_without_asking(url, 1)
        async with asyncio.timeout(60):
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()


async def test_many_who_ask_whether_it_is_ready_cost_the_database_one_answer_a_second() -> None:
    looks = 0

    async def slow(_deadline_s: float) -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)

    async with listening({"database": slow}) as (url, _, _):
        begin = monotonic()
        await asyncio.gather(*(get_json(f"{url}/readyz") for _ in range(30)))
        assert looks <= 1 + (monotonic() - begin)


async def test_a_check_that_fails_now_and_then_does_not_send_clients_back_and_forth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, fails = 1000.0, False
    monkeypatch.setattr("router.http.probes.monotonic", lambda: now)
    monkeypatch.setattr("router.http.shared.monotonic", lambda: now)

    async def flaps(_deadline_s: float) -> None:
        if fails:
            raise OSError("the database is away")

    async with listening({"database": flaps}) as (url, _, _):
        for failing in (False, True) * 10:
            fails = failing
            status, body = await get_json(f"{url}/readyz")
            assert (status, body["reasons"], "database" in body["failing"]) == (200, {}, fails)
            now += 1.5
        seen = []
        for failing in (True,) * 3 + (False,) * 4:
            fails = failing
            status, body = await get_json(f"{url}/readyz")
            seen.append((status, *body["reasons"]))
            now += 1.5
        assert seen == [(200,), (503, "database"), (503, "database"), *[(503, "recovering")] * 3, (200,)]
