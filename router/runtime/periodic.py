"""One base for what a daemon does again and again: no failure is silent, and none ends the service."""

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar

from router.runtime.lifeline import Lifeline
from router.store.backoff import wait_s
from router.store.errors import TRANSIENT_ERRORS
from router.telemetry.logs import get_logger
from router.telemetry.spans import root_span

log = get_logger(__name__)


class Periodic(ABC):
    """A service that does `once()` every `interval_s` until it is stopped.

    A transient error, and a `once` that takes longer than `deadline_s`, is counted (`service.failures`), shown on
    `/readyz` as degraded, logged when it begins and when it is over (`failing` is the message), and tried again after
    a backoff of at most `longest_wait_s`. Any other error ends the run; the supervisor starts it anew.
    """

    name: str
    interval_s: float
    failing: str
    max_silence_s: float = 60.0
    longest_wait_s: float = 5.0
    deadline_s: float | None = 45.0
    """Longest time for `once`, seconds: whatever it waits for outside, it fails before it could seem dead. None = it
    gives signs of life itself."""
    transient: ClassVar[tuple[type[BaseException], ...]] = TRANSIENT_ERRORS

    _failures: int = 0
    problem: str | None = None
    """The last error, while it lasts."""

    @abstractmethod
    async def once(self, life: Lifeline) -> None:
        """One piece of work."""

    async def begin(self) -> None:  # noqa: B027 - most services have nothing to do here
        """Before the first piece of work of each run."""

    async def end(self) -> None:  # noqa: B027 - most services have nothing to do here
        """After the last piece of work of each run, however it ended."""

    async def rest(self, life: Lifeline) -> None:
        """Between two pieces of work that went well."""
        await life.pause(self.interval_s)

    async def run(self, life: Lifeline) -> None:
        """Works until the stop."""
        await self.begin()
        try:
            while not life.stopping:
                try:
                    with root_span(f"service {self.name}"):
                        async with asyncio.timeout(self.deadline_s):
                            await self.once(life)
                except self.transient as error:
                    await life.pause(self._failed(life, error))
                else:
                    self.works(life)
                    await self.rest(life)
        finally:
            await self.end()

    def works(self, life: Lifeline) -> None:
        """Whatever failed is over; also called by work that goes on for long."""
        if self._failures:
            log.info("service works again", service=self.name, failures=self._failures)
        self._failures, self.problem = 0, None
        life.works()

    def _failed(self, life: Lifeline, error: BaseException) -> float:
        """Reports it; returns how long to wait (seconds)."""
        self._failures += 1
        self.problem = f"{type(error).__name__}: {error}"
        pause_s = wait_s(self._failures, longest_s=self.longest_wait_s)
        report = log.warning if self._failures == 1 else log.debug
        report(self.failing, service=self.name, error=self.problem, retry_in_s=round(pause_s, 2))
        life.failed(f"{self.failing}: {self.problem}")
        return pause_s
