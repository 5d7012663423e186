"""What ties a service to its supervisor: the wish to stop, the sign of life, and the clock of both."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Time inside the process: never the time of day, which can jump."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        ...

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Until `event` is set or `seconds` have passed; returns whether it is set."""
        ...


class MonotonicClock:
    """The real one."""

    def monotonic(self) -> float:
        return time.monotonic()

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
        return event.is_set()


class Lifeline:
    """Given to a service for one run. The service looks at `stopping` between two pieces of work, and either
    calls `beat` while it works or spends its idle time in `pause` and `wait`, which are no silence.
    """

    def __init__(
        self,
        stop: asyncio.Event,
        clock: Clock,
        heard: Callable[[float | None], None],
        report: Callable[[str | None], None] = lambda _problem: None,
    ) -> None:
        self._stop = stop
        self._clock = clock
        self._heard = heard
        self._report = report
        self.beat()

    @property
    def stopping(self) -> bool:
        """Finish what you have in hand, release what you hold, return."""
        return self._stop.is_set()

    def failed(self, problem: str) -> None:
        """A piece of work failed, and will be tried again."""
        self._report(problem)

    def works(self) -> None:
        """Nothing fails any more."""
        self._report(None)

    def beat(self) -> None:
        """I am alive, and come back within my longest silence."""
        self._heard(0.0)

    async def pause(self, seconds: float) -> bool:
        """Sleeps, at most until the stop; returns whether to stop."""
        self._heard(seconds)
        stopping = await self._clock.wait(self._stop, seconds)
        self.beat()
        return stopping

    async def wait(self) -> None:
        """Sleeps until the stop: for a service whose work is done by callbacks."""
        self._heard(None)
        await self._stop.wait()
        self.beat()

    async def until(self, event: asyncio.Event) -> bool:
        """Sleeps until the event or the stop; returns whether to stop."""
        self._heard(None)
        waits = [asyncio.create_task(one.wait()) for one in (event, self._stop)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            self.beat()
        return self.stopping
