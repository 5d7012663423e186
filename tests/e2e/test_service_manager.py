"""What systemd is told: whoever starts the service with it is not left guessing, and a hung one is noticed."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import uuid4

import asyncpg
import psutil
import pytest
import structlog

from router.runtime.lifeline import Lifeline, MonotonicClock
from router.runtime.service_manager import ServiceManager, ServiceManagerService, service_manager
from tests.support import until
from tests.workers import serving
from tests.world import lead, make_tenant, simple_reps


class Systemd:
    """A socket as systemd's, and what came in: one message each, its lines by name."""

    def __init__(self, address: str, receiver: socket.socket) -> None:
        self.address = address
        self._receiver = receiver
        self.messages: list[dict[str, str]] = []

    def hear(self) -> None:
        while True:
            try:
                text = self._receiver.recv(4096).decode()
            except BlockingIOError:
                return
            self.messages.append(dict(line.split("=", 1) for line in text.splitlines()))

    async def heard(self, name: str, times: int = 1) -> None:
        """Until messages with this line came so often."""

        async def there() -> bool:
            self.hear()
            return sum(name in message for message in self.messages) >= times

        await until(there, f"{name} is said {times} times")


@contextmanager
def systemd() -> Iterator[Systemd]:
    # Not a path: that of a test's folder may be longer than an address can be.
    address = f"lead-router-test-{uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{address}")
        receiver.setblocking(False)
        yield Systemd(f"@{address}", receiver)


async def is_frozen(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


def environment(manager: Systemd, watchdog_s: float = 0.3) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}


async def test_it_says_that_it_is_ready_that_it_lives_and_that_it_stops(
    database_url: str, conn: asyncpg.Connection
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    with systemd() as manager:
        async with serving(database_url, **environment(manager)) as daemon:
            await manager.heard("READY")
            assert (await daemon.get("/livez"))[0] == 200
            await tenant.accept([lead(1)])
            await manager.heard("WATCHDOG", 3)

            async def works() -> bool:
                manager.hear()
                return manager.messages[-1]["STATUS"] == "working"

            await until(works, "its status is that it works")
            assert await daemon.stop() == 0
        manager.hear()
    kinds = [next(iter(message)) for message in manager.messages]
    assert (kinds[0], kinds[-1]) == ("READY", "STOPPING")
    assert (kinds.count("READY"), kinds.count("STOPPING")) == (1, 1)


async def test_a_database_that_is_away_is_no_reason_for_systemd_to_start_it_again() -> None:
    nowhere = "postgresql://router@127.0.0.1:1/leads"
    with systemd() as manager:
        async with serving(nowhere, **environment(manager)) as daemon:
            await manager.heard("READY")
            await manager.heard("WATCHDOG", 2)
            assert "could not be reached since the start" in manager.messages[-1]["STATUS"]
            assert await daemon.stop() == 0


async def test_a_frozen_process_gives_no_sign_of_life(database_url: str) -> None:
    with systemd() as manager:
        async with serving(database_url, **environment(manager)) as daemon:
            await manager.heard("WATCHDOG")
            daemon.hear(signal.SIGSTOP)
            await until(partial(is_frozen, daemon.process.pid), "it is frozen")
            manager.hear()
            before = len(manager.messages)
            await asyncio.sleep(0.5)
            manager.hear()
            assert len(manager.messages) == before
            daemon.hear(signal.SIGCONT)
            await manager.heard("WATCHDOG", before + 1)
            assert await daemon.stop() == 0


async def test_a_service_manager_that_does_not_listen_ends_nothing_and_is_said_once() -> None:
    stop, listening = asyncio.Event(), asyncio.Event()
    listening.set()
    service = ServiceManagerService(ServiceManager("@nobody hears this", 0.001), listening, lambda: "working")
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(60):
            run = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _: None)))
            await asyncio.sleep(0.05)
            stop.set()
            await run
    assert [line["event"] for line in logs] == ["systemd does not hear of this process"]


@pytest.mark.parametrize(
    ("given", "every_s"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": ""}, None),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, None),
        ({"NOTIFY_SOCKET": "/run/notify"}, 5.0),
        ({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "6000000"}, 2.0),
        ({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "6000000", "WATCHDOG_PID": str(os.getpid())}, 2.0),
        ({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "6000000", "WATCHDOG_PID": "1"}, 5.0),
        ({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "30000000"}, 5.0),
        ({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "soon"}, 5.0),
        ({"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "0"}, 5.0),
    ],
)
def test_what_systemd_asks_for_is_understood_and_not_passed_on(given: dict[str, str], every_s: float | None) -> None:
    found = service_manager(given)
    assert (found and found.every_s) == every_s
    assert "NOTIFY_SOCKET" not in given
