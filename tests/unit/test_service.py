"""Supervision: no service dies unseen, none outlives the stop, and one that cannot live ends the process."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.runtime.health import Health, ServiceHealth, State
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.runtime.supervisor import Service, ServiceLost, Supervisor
from router.settings.model import SupervisionSettings
from router.telemetry.exposition import open_exposition

LIMITS = SupervisionSettings(deaths_allowed=3, deaths_window_s=60.0)


class JumpingClock:
    """Lets everything that can run do so, then jumps to the end of the wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        self.waited.append(seconds)
        deadline = self.now + seconds
        for _ in range(50):
            await asyncio.sleep(0)
            if event.is_set():
                return True
        self.now = max(self.now, deadline)
        return event.is_set()


class Scripted:
    """Each run does the next of its acts; after the last it waits for the stop."""

    max_silence_s = 5.0

    def __init__(self, name: str, *acts: Callable[[Lifeline], Awaitable[None]], diary: list[str] | None = None) -> None:
        self.name = name
        self.acts = list(acts)
        self.runs = 0
        self.diary = diary if diary is not None else []

    async def run(self, life: Lifeline) -> None:
        self.runs += 1
        self.diary.append(f"{self.name} starts")
        if self.acts:
            await self.acts.pop(0)(life)
        else:
            await life.wait()
        self.diary.append(f"{self.name} ends")


async def dies(_life: Lifeline) -> None:
    raise OSError("no route to postgresql://router:S3cret@db/leads")


async def returns(_life: Lifeline) -> None:
    return None


async def leaks_a_cancellation(_life: Lifeline) -> None:
    raise asyncio.CancelledError


async def ignores_the_stop(_life: Lifeline) -> None:
    await asyncio.Event().wait()


def supervised(
    services: Sequence[Service], clock: JumpingClock, limits: SupervisionSettings = LIMITS
) -> tuple[Supervisor, Health]:
    health = Health(clock.monotonic)
    return Supervisor(services, limits, health, clock=clock), health


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


@pytest.mark.parametrize("death", [dies, returns, leaks_a_cancellation])
async def test_a_service_that_dies_in_whatever_way_is_started_again(
    death: Callable[[Lifeline], Awaitable[None]],
) -> None:
    service, other = Scripted("drain", death, death), Scripted("listener")
    supervisor, health = supervised([other, service], JumpingClock())
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run())
        await until(lambda: service.runs == 3)
        report = health.report()
        supervisor.stop()
    assert report["drain"].deaths == 2
    assert report["drain"].alive
    assert report["drain"].last_error
    assert "S3cret" not in report["drain"].last_error
    assert other.runs == 1


async def test_restarts_wait_at_random_below_a_limit_that_doubles() -> None:
    limits = SupervisionSettings(
        restart_wait_first_s=0.2, restart_wait_most_s=1.0, deaths_allowed=5, deaths_window_s=60.0
    )
    clock = JumpingClock()
    supervisor, _ = supervised([Scripted("drain", *[dies] * 6)], clock, limits)
    with pytest.raises(
        ServiceLost, match=r"drain crashed 6 times in 60 s: OSError: no route to postgresql://router:\*\*\*@"
    ):
        await supervisor.run()
    assert all(0 <= waited <= most for waited, most in zip(clock.waited, [0.2, 0.4, 0.8, 1.0, 1.0], strict=False))
    assert len(clock.waited) >= 5


async def test_a_service_that_cannot_live_ends_the_process_after_the_others_stopped() -> None:
    diary: list[str] = []
    listener = Scripted("listener", diary=diary)
    supervisor, health = supervised([listener, Scripted("drain", *[dies] * 4)], JumpingClock())
    with pytest.raises(ServiceLost):
        await supervisor.run()
    assert diary[-1] == "listener ends"
    assert health.report()["drain"].state is State.LOST
    assert not health.report()["drain"].alive
    assert health.stopping


async def test_rare_deaths_are_survived_for_ever() -> None:
    clock = JumpingClock()

    async def dies_after_a_while(_life: Lifeline) -> None:
        clock.now += 30
        raise OSError

    service = Scripted("drain", *[dies_after_a_while] * 50)
    supervisor, health = supervised([service], clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run())
        await until(lambda: service.runs == 51)
        supervisor.stop()
    assert health.report()["drain"].deaths == 50


async def test_services_stop_in_the_opposite_order_of_their_start() -> None:
    diary: list[str] = []
    names = ["listener", "duties", "drain"]
    supervisor, health = supervised([Scripted(name, diary=diary) for name in names], JumpingClock())
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run())
        await until(lambda: len(diary) == 3)
        supervisor.stop()
        supervisor.stop()
    supervisor.stop()
    assert diary == [*(f"{name} starts" for name in names), *(f"{name} ends" for name in reversed(names))]
    assert {service.state for service in health.report().values()} == {State.STOPPED}


async def test_a_service_that_ignores_the_stop_is_cancelled_at_the_deadline() -> None:
    clock = JumpingClock()
    supervisor, _ = supervised([Scripted("listener"), Scripted("drain", ignores_the_stop)], clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run())
        await asyncio.sleep(0)
        supervisor.stop()
    assert clock.now <= LIMITS.stop_deadline_s


async def test_a_duty_that_ignores_the_stop_costs_no_batch_that_is_under_way() -> None:
    diary: list[str] = []

    async def finishes_its_batch(life: Lifeline) -> None:
        await life.wait()
        # Longer than one wait of this clock, shorter than two.
        for _ in range(75):
            await asyncio.sleep(0)

    drain = Scripted("drain", finishes_its_batch, diary=diary)
    listener = Scripted("listener", diary=diary)
    clock = JumpingClock()
    supervisor, _ = supervised([listener, drain, Scripted("cleanup", ignores_the_stop, diary=diary)], clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run())
        await until(lambda: len(diary) == 3)
        supervisor.stop()
    assert "drain ends" in diary and "cleanup ends" not in diary
    assert clock.now <= LIMITS.stop_deadline_s


async def test_what_a_late_service_waits_for_is_ended_before_it_is_cancelled() -> None:
    answer = asyncio.Event()

    async def waits_even_when_cancelled(_life: Lifeline) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await answer.wait()

    health = Health(MonotonicClock().monotonic)
    limits = SupervisionSettings(stop_deadline_s=0.1)
    service = Scripted("drain", waits_even_when_cancelled)
    supervisor = Supervisor([service], limits, health, late=answer.set)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(supervisor.run())
        await until(lambda: service.runs == 1)
        supervisor.stop()


async def test_a_stop_before_the_start_starts_nothing() -> None:
    service = Scripted("drain")
    supervisor, _ = supervised([service], JumpingClock())
    supervisor.stop()
    await supervisor.run()
    assert service.runs == 0


async def test_a_stop_ends_the_wait_for_a_restart() -> None:
    clock = MonotonicClock()
    limits = SupervisionSettings(restart_wait_first_s=60.0, restart_wait_most_s=600.0)
    health = Health(clock.monotonic)
    supervisor = Supervisor([Scripted("drain", dies)], limits, health)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(supervisor.run())
        await until(lambda: bool(health.services) and health.services["drain"].state is State.WAITING)
        supervisor.stop()


async def test_running_twice_starts_nothing_twice_and_both_end_in_the_same_way() -> None:
    service = Scripted("drain", *[dies] * 4)
    supervisor, _ = supervised([service], JumpingClock())
    outcomes = await asyncio.gather(*(supervisor.run() for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in outcomes] == [ServiceLost] * 3
    assert service.runs == 4
    with pytest.raises(ServiceLost):
        await supervisor.run()
    assert service.runs == 4


async def test_two_services_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        supervised([Scripted("drain"), Scripted("drain")], JumpingClock())


async def test_deaths_are_counted_from_zero_on() -> None:
    clock = JumpingClock()
    with open_exposition("a", "1") as exposition:
        supervisor = Supervisor(
            [Scripted("listener"), Scripted("drain", *[dies] * 4)],
            LIMITS,
            Health(clock.monotonic),
            instruments=exposition.instruments,
            clock=clock,
        )
        with pytest.raises(ServiceLost):
            await supervisor.run()
        text = exposition.text().decode()
    assert 'lead_router_service_deaths_total{service="drain"} 4.0' in text
    assert 'lead_router_service_deaths_total{service="listener"} 0.0' in text
    assert 'lead_router_service_restarts_total{service="drain"} 3.0' in text
    assert 'lead_router_service_restarts_total{service="listener"} 0.0' in text


async def test_a_service_is_overdue_only_when_it_is_silent_while_it_works() -> None:
    clock = JumpingClock()
    act = asyncio.Event()

    async def works(life: Lifeline) -> None:
        await life.pause(100)
        await act.wait()
        await life.wait()

    supervisor, health = supervised([Scripted("drain", works)], clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run())
        await until(lambda: clock.now == 100)
        clock.now += 5
        assert health.report()["drain"].alive
        clock.now += 2
        assert health.report()["drain"].overdue_s == 2
        assert "2 s longer" in health.worse()["service drain"]
        act.set()
        await until(lambda: health.services["drain"].due_at is None)
        clock.now += 1000
        assert health.report()["drain"].alive
        supervisor.stop()


def test_a_service_that_said_how_long_it_rests_is_not_overdue_before() -> None:
    now = [0.0]
    health = Health(lambda: now[0])
    health.services["duties"] = ServiceHealth(max_silence_s=5, state=State.RUNNING)
    health.heard("duties", 100)
    now[0] = 104
    assert health.worse() == {}
    now[0] = 106
    assert health.worse() == {"service duties": "no sign of life for 1 s longer than it may be silent"}


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_the_services_do_and_whenever_the_stop_comes_all_of_them_end(seed: int) -> None:
    chance = random.Random(seed)

    async def play() -> None:
        diary: list[str] = []
        acts = [dies, returns, leaks_a_cancellation, ignores_the_stop]
        services = [
            Scripted(str(n), *chance.choices(acts, k=chance.randrange(5)), diary=diary)
            for n in range(chance.randrange(6))
        ]
        before = asyncio.all_tasks()
        supervisor, health = supervised(services, JumpingClock())
        run = asyncio.create_task(supervisor.run())
        for _ in range(chance.randrange(4)):
            for _ in range(chance.randrange(200)):
                await asyncio.sleep(0)
            supervisor.stop()
        supervisor.stop()
        await asyncio.wait([run], timeout=60)
        assert run.done()
        assert run.exception() is None or isinstance(run.exception(), ServiceLost)
        assert asyncio.all_tasks() == before
        assert {report.state for report in health.report().values()} <= {State.STOPPED, State.LOST}

    asyncio.run(play())
