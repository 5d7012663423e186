"""One contract for everything that runs in the background, and the supervisor that owns all of it."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from router.runtime.health import Health, ServiceHealth, State
from router.runtime.lifeline import Clock, Lifeline, MonotonicClock
from router.settings.model import SupervisionSettings
from router.store.backoff import wait_s
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger
from router.telemetry.masking import mask_passwords

log = get_logger(__name__)

# Of the time that is left for the stop, before the next service is told, too.
_PATIENCE_SHARE = 0.25


class Service(Protocol):
    """Runs until its lifeline says stop. Returning earlier, like an exception, is a crash.

    A service that crashed is started again by calling `run` anew, so `run` sets up and releases what it needs.
    `max_silence_s` is the longest time between two of its signs of life while it works.
    """

    name: str
    max_silence_s: float

    async def run(self, life: Lifeline) -> None: ...


class ServiceLost(Exception):
    """A service crashed more often than it may; the process must end, so that its orchestrator acts."""


class StartRefused(ServiceLost):
    """A service cannot start, and trying again does not help before a person changes what the message says."""


class EndedEarly(Exception):
    """A service returned although nobody had asked it to stop."""


class Supervisor:
    """Starts services in order, restarts those that crash, stops them in the opposite order.

    `late` is called when a service did not stop in time: to end what it may wait for, also after it is cancelled.
    """

    def __init__(
        self,
        services: Sequence[Service],
        settings: SupervisionSettings,
        health: Health,
        *,
        instruments: Instruments | None = None,
        clock: Clock | None = None,
        late: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._health = health
        self._instruments = instruments or Instruments.silent()
        self._clock = clock or MonotonicClock()
        self._late = late
        self._stop = asyncio.Event()
        self._running = False
        self._ended = asyncio.Event()
        self._lost: ServiceLost | None = None
        self._kept = [_Kept(service) for service in services]
        if len({kept.name for kept in self._kept}) < len(self._kept):
            raise ValueError(f"two services of the same name: {[kept.name for kept in self._kept]}")

    def stop(self) -> None:
        """Asks for a graceful stop; may be called at any time, from the event loop, and more than once."""
        self._health.stopping = True
        self._stop.set()

    async def run(self) -> None:
        """Runs all until `stop`. Raises ServiceLost, after an ordered stop, when one crashed too often or cannot start.

        Called again, it starts nothing twice: it ends when the first call does, in the same way.
        """
        if self._running:
            await self._ended.wait()
        else:
            self._running = True
            try:
                await self._run()
            finally:
                self._ended.set()
        if self._lost:
            raise self._lost

    async def _run(self) -> None:
        self._instruments.services_started(kept.name for kept in self._kept)
        async with asyncio.TaskGroup() as group:
            for kept in self._kept:
                self._health.services[kept.name] = ServiceHealth(kept.service.max_silence_s)
                kept.task = group.create_task(self._tend(kept), name=kept.name)
            await self._stop.wait()
            await self._stop_in_order()

    async def _tend(self, kept: "_Kept") -> None:
        health = self._health.services[kept.name]
        try:
            while not self._stop.is_set():
                error = await self._run_once(kept, health)
                if error is None:
                    return
                pause_s = self._after_crash(kept, health, error)
                if pause_s is None:
                    self.stop()
                    return
                if not await self._clock.wait(kept.stop, pause_s):
                    self._instruments.service_restarted(kept.name)
        finally:
            if health.state is not State.LOST:
                health.state = State.STOPPED
            kept.ended.set()

    async def _run_once(self, kept: "_Kept", health: ServiceHealth) -> BaseException | None:
        health.state = State.RUNNING
        heard, report = partial(self._health.heard, kept.name), partial(self._report, kept.name)
        life = Lifeline(kept.stop, self._clock, heard, report)
        try:
            await kept.service.run(life)
        except asyncio.CancelledError as error:
            # Ours ends the service. One that leaked out of a library is a crash like any other.
            if _being_cancelled():
                raise
            return error
        except Exception as error:
            return error
        return None if life.stopping else EndedEarly(f"{kept.name} returned without being asked to stop")

    def _report(self, name: str, problem: str | None) -> None:
        """What a service says of its work: a problem that it goes on with, or None = all is well."""
        if problem is None:
            self._health.degraded.pop(f"service {name}", None)
        else:
            self._health.degraded[f"service {name}"] = mask_passwords(problem)
            self._instruments.service_failed(name)

    def _after_crash(self, kept: "_Kept", health: ServiceHealth, error: BaseException) -> float | None:
        """Counts the crash; returns the wait before the next start, None = it crashed too often."""
        now = self._clock.monotonic()
        recent = kept.recent_crashes(now, self._settings.deaths_window_s)
        health.deaths += 1
        health.last_error = mask_passwords(f"{type(error).__name__}: {error}")
        self._instruments.service_died(kept.name)
        if isinstance(error, StartRefused) and health.deaths == 1:
            # Its message is for the person who started us; a traceback would hide it.
            health.state, self._lost = State.LOST, error
            return None
        if recent > self._settings.deaths_allowed:
            health.state = State.LOST
            window_s = self._settings.deaths_window_s
            self._lost = ServiceLost(f"{kept.name} crashed {recent} times in {window_s:g} s: {health.last_error}")
            log.critical("service lost", service=kept.name, crashes=recent, exc_info=error)
            return None
        health.state = State.WAITING
        pause_s = self._restart_wait_s(recent)
        log.error("service crashed", service=kept.name, crashes=recent, restart_in_s=round(pause_s, 3), exc_info=error)
        return pause_s

    def _restart_wait_s(self, crashes: int) -> float:
        settings = self._settings
        return wait_s(crashes, first_s=settings.restart_wait_first_s, longest_s=settings.restart_wait_most_s)

    async def _stop_in_order(self) -> None:
        """One that does not end soon holds up no other: it has the rest of the time beside them. The first, which says
        how things are, ends when all others have.
        """
        deadline = self._clock.monotonic() + self._settings.stop_deadline_s
        first, others = self._kept[:1], self._kept[1:]
        for kept in reversed(others):
            kept.stop.set()
            left_s = max(0.0, deadline - self._clock.monotonic())
            await self._clock.wait(kept.ended, left_s * _PATIENCE_SHARE)
        for kept in (*reversed(others), *first):
            kept.stop.set()
            await self._see_end(kept, deadline)

    async def _see_end(self, kept: "_Kept", deadline: float) -> None:
        left_s = deadline - self._clock.monotonic()
        if kept.ended.is_set() or (left_s > 0 and await self._clock.wait(kept.ended, left_s)):
            return
        log.warning("service did not stop in time; cancelled", service=kept.name)
        self._late()
        kept.cancel()


class _Kept:
    """One service with its task, its own stop, and its recent crashes."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.name = service.name
        self.stop = asyncio.Event()
        self.ended = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._deaths: deque[float] = deque()

    def recent_crashes(self, now: float, window_s: float) -> int:
        """Adds a crash at `now`; returns how many there are within the window, this one included."""
        self._deaths.append(now)
        while self._deaths[0] <= now - window_s:
            self._deaths.popleft()
        return len(self._deaths)

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
