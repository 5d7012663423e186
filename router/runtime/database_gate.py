"""Waiting for a database that is away when the process starts: no service that needs it begins before."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.runtime.supervisor import Service
from router.store.errors import NoConnection

_LOOK_DEADLINE_S = 10.0
_FIRST_LOOK_S = 3.0


class NotYet(NoConnection):
    """The database could not be reached since the start."""


class NotLooked(Exception):
    """The database was not looked for yet."""


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
        self.looked = asyncio.Event()
        """Set after the first look, however it went."""

    async def once(self, life: Lifeline) -> None:
        """Looks until it is there."""
        if not self.opened.is_set():
            try:
                async with asyncio.timeout(_LOOK_DEADLINE_S):
                    await self._look()
                self.opened.set()
            finally:
                self.looked.set()

    async def rest(self, life: Lifeline) -> None:
        """It is there: nothing is left to be done."""
        await life.wait()

    async def check(self, _deadline_s: float) -> None:
        """For readiness. Raises NotYet, and NotLooked in the first moment."""
        if not self.looked.is_set():
            raise NotLooked("the database was not looked for yet")
        if (shut := self.shut) is not None:
            raise NotYet(shut)

    @property
    def shut(self) -> str | None:
        """Why nobody may use the database yet; None = all may."""
        if self.opened.is_set():
            return None
        return f"the database could not be reached since the start: {self.problem or 'not looked yet'}"


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


class AfterFirstLook:
    """A service that begins with or without the database, once it is known which, but waits no longer than 3 s."""

    def __init__(self, gate: DatabaseGate, service: Service) -> None:
        self.name = service.name
        self.max_silence_s = service.max_silence_s
        self._gate = gate
        self._service = service

    async def run(self, life: Lifeline) -> None:
        """What the service does, from then on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_LOOK_S):
                if await life.until(self._gate.looked):
                    return
        await self._service.run(life)
