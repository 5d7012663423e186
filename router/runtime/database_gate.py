"""Waiting for a database that is away when the process starts: no service that needs it begins before."""

import asyncio
from collections.abc import Awaitable, Callable

from router.domain.backoff import full_jitter
from router.runtime.lifeline import Lifeline
from router.runtime.supervisor import Service
from router.store.errors import TRANSIENT_ERRORS
from router.telemetry.logs import get_logger

log = get_logger(__name__)

_LOOK_DEADLINE_S = 10.0
_LONGEST_WAIT_S = 1.0


class NotYet(Exception):
    """The database could not be reached since the start."""


class Gate:
    """A service. `look` returns when the database has the schema that is needed; it raises StartRefused when it never
    will by itself, and a passing error while it cannot be reached.
    """

    name = "schema"
    max_silence_s = 60.0

    def __init__(self, look: Callable[[], Awaitable[None]], jitter: Callable[[], float]) -> None:
        self._look = look
        self._jitter = jitter
        self._problem = "not looked yet"
        self.opened = asyncio.Event()

    async def run(self, life: Lifeline) -> None:
        """Looks until it is there, then waits for the stop."""
        failures = 0
        while not (life.stopping or self.opened.is_set()):
            try:
                async with asyncio.timeout(_LOOK_DEADLINE_S):
                    await self._look()
                self.opened.set()
            except TRANSIENT_ERRORS as error:
                failures += 1
                self._problem = f"{type(error).__name__}: {error}"
                if failures == 1:
                    log.warning("waiting for the database", error=self._problem)
                await life.pause(full_jitter(failures, self._jitter(), longest_s=_LONGEST_WAIT_S))
        if failures and self.opened.is_set():
            log.info("the database is there", after_attempts=failures + 1)
        await life.wait()

    async def check(self, _deadline_s: float) -> None:
        """For readiness. Raises NotYet."""
        if not self.opened.is_set():
            raise NotYet(f"the database could not be reached since the start: {self._problem}")


class Behind:
    """A service that begins when the gate is open."""

    def __init__(self, gate: Gate, service: Service) -> None:
        self.name = service.name
        self.max_silence_s = service.max_silence_s
        self._gate = gate
        self._service = service

    async def run(self, life: Lifeline) -> None:
        """What the service does, from then on."""
        if not await life.until(self._gate.opened):
            await self._service.run(life)
