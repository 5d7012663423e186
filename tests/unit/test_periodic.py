"""What a daemon does again and again: a failure is counted, shown, logged once, tried again, and ends no service."""

import asyncio

import structlog

from router.runtime.health import Health
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.runtime.periodic import Periodic
from router.runtime.supervisor import Supervisor
from router.settings.model import SupervisionSettings
from router.telemetry.exposition import open_exposition
from tests.support import until


class Flaky(Periodic):
    """Fails as often as it is told to, then works."""

    name = "flaky"
    failing = "flaky work not done"
    interval_s = 0.001
    longest_wait_s = 0.001

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.done = asyncio.Event()
        self.seen: list[dict[str, str]] = []
        self.health: Health | None = None

    async def once(self, life: Lifeline) -> None:
        if self.health is not None:
            self.seen.append(dict(self.health.degraded))
        if self.left:
            self.left -= 1
            raise ConnectionRefusedError("no route to postgresql://u:secret@db/x")
        self.done.set()


async def test_a_failing_service_is_degraded_and_counted_until_it_works_and_never_crashes() -> None:
    with open_exposition("a", "1") as exposition, structlog.testing.capture_logs() as logs:
        health, service = Health(MonotonicClock().monotonic), Flaky(3)
        service.health = health
        supervisor = Supervisor([service], SupervisionSettings(), health, instruments=exposition.instruments)
        running = asyncio.create_task(supervisor.run())

        async def works_again() -> bool:
            return service.done.is_set() and not health.degraded

        await until(works_again, "the service works again")
        supervisor.stop()
        await running
        text = exposition.text().decode()
    problem = "flaky work not done: ConnectionRefusedError: no route to postgresql://u:***@db/x"
    assert service.seen[:4] == [{}, *[{"service flaky": problem}] * 3]
    assert 'lead_router_service_failures_total{service="flaky"} 3.0' in text
    assert 'lead_router_service_deaths_total{service="flaky"} 0.0' in text
    loud = [(log["event"], log["log_level"]) for log in logs if log["log_level"] != "debug"]
    assert loud == [("flaky work not done", "warning"), ("service works again", "info")]


async def test_an_error_that_waiting_cannot_cure_is_left_to_the_supervisor() -> None:
    class Broken(Flaky):
        async def once(self, life: Lifeline) -> None:
            raise ValueError("a fault of ours")

    life = Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None)
    try:
        await Broken(0).run(life)
    except ValueError:
        return
    raise AssertionError("the error was swallowed")


async def test_the_stop_ends_a_service_that_only_fails() -> None:
    stop = asyncio.Event()
    service = Flaky(1_000_000)
    running = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _: None)))

    async def failed_some_times() -> bool:
        return service.left < 999_990

    await until(failed_some_times, "it failed some times")
    stop.set()
    async with asyncio.timeout(60):
        await running
