"""Waiting for a database that is away when the process starts: no service that needs it begins before."""

import asyncio
from collections.abc import Awaitable, Callable

from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.runtime.supervisor import Service

_LOOK_DEADLINE_S = 10.0


class NotYet(Exception):
    """The database could not be reached since the start."""


class DatabaseGate(Periodic):
    """A service. `look` returns when the database has the schema that is needed; it raises StartRefused when it never
    will by itself, and a transient error while it cannot be reached.
    """

    name = "schema"
    failing = "waiting for the database"
    longest_wait_s = 1.0

    def __init__(self, look: Callable[[], Awaitable[None]]) -> None:
        self._look = look
        self.opened = asyncio.Event()

    async def once(self, life: Lifeline) -> None:
        """Looks until it is there."""
        if not self.opened.is_set():
            async with asyncio.timeout(_LOOK_DEADLINE_S):
                await self._look()
            self.opened.set()

    async def rest(self, life: Lifeline) -> None:
        """It is there: nothing is left to be done."""
        await life.wait()

    async def check(self, _deadline_s: float) -> None:
        """For readiness. Raises NotYet."""
        if not self.opened.is_set():
            raise NotYet(f"the database could not be reached since the start: {self.problem or 'not looked yet'}")


class AfterDatabase:
    """A service that begins when the gate is open."""

    def __init__(self, gate: DatabaseGate, service: Service) -> None:
        self.name = service.name
        self.max_silence_s = service.max_silence_s
        self._gate = gate
        self._service = service

    async def run(self, life: Lifeline) -> None:
        """What the service does, from then on."""
        if not await life.until(self._gate.opened):
            await self._service.run(life)
