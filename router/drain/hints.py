"""Hints that a tenant has work: NOTIFY on `lead_router`. Polling stays the truth; a hint only shortens the wait."""

import asyncio
from collections.abc import Callable
from itertools import count

from router.domain.backoff import full_jitter
from router.runtime.lifeline import Lifeline
from router.store.connections.connections import APPLICATION_NAME, Connections, Part
from router.store.errors import TRANSIENT_ERRORS
from router.store.statements import Connection, load
from router.telemetry.logs import get_logger

log = get_logger(__name__)

CHANNEL = "lead_router"
_ASK_EVERY_S = 15
_ANSWER_DEADLINE_S = 5.0
# The poll finds work meanwhile, so a lost hint costs little; but it should not be lost for a minute.
_LONGEST_WAIT_S = 5.0
# By this name `status` counts the services that listen for work.
LISTENER_NAME = f"{APPLICATION_NAME} wakeups"


class Wakeups:
    """Tenants that somebody named since they were last taken."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._tenants: set[int] = set()

    def hint(self, tenant_id: int) -> None:
        self._tenants.add(tenant_id)
        self._news.set()

    def poke(self) -> None:
        """Ends a wait without naming anybody."""
        self._news.set()

    def take(self) -> set[int]:
        """The named tenants; from now on only new ones count."""
        taken, self._tenants = self._tenants, set()
        self._news.clear()
        return taken

    async def wait(self, seconds: float) -> None:
        """Until somebody is named, or the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return


class Listener:
    """The service that listens, over a connection that it keeps. With too few connections it has none, and waits."""

    name = "wakeups"
    max_silence_s = 60.0

    def __init__(self, connections: Connections, wakeups: Wakeups, jitter: Callable[[], float]) -> None:
        self._connections = connections
        self._wakeups = wakeups
        self._jitter = jitter
        self._failures = 0

    async def run(self, life: Lifeline) -> None:
        """Listens until the stop. A lost connection costs hints, never the process: polling goes on meanwhile."""
        while not life.stopping:
            if not self._connections.share(Part.HINTS):
                await life.pause(1.0)
                continue
            try:
                await self._listen(life)
            except TRANSIENT_ERRORS as error:
                self._failures += 1
                wait_s = full_jitter(self._failures, self._jitter(), longest_s=_LONGEST_WAIT_S)
                log.warning("hints are lost", error=f"{type(error).__name__}: {error}", retry_in_s=round(wait_s, 2))
                await life.pause(wait_s)

    async def _listen(self, life: Lifeline) -> None:
        async with self._connections.acquire(Part.HINTS) as conn:
            async with asyncio.timeout(_ANSWER_DEADLINE_S):
                await load("connections").name_session.execute(conn, name=LISTENER_NAME)
                await conn.add_listener(CHANNEL, self._heard)
            try:
                await self._hear(life, conn)
            finally:
                if not conn.is_closed():
                    async with asyncio.timeout(_ANSWER_DEADLINE_S):
                        await conn.remove_listener(CHANNEL, self._heard)

    async def _hear(self, life: Lifeline, conn: Connection) -> None:
        self._failures = 0
        # What was said while nobody listened is looked for.
        self._wakeups.poke()
        seconds = count(1)
        while not await life.pause(1.0):
            if not self._connections.share(Part.HINTS):
                return
            # A connection through which nothing comes may be dead: asking now and then finds out.
            if conn.is_closed() or next(seconds) % _ASK_EVERY_S == 0:
                async with asyncio.timeout(_ANSWER_DEADLINE_S):
                    await load("health").answers.value(conn)

    def _heard(self, _conn: object, _pid: int, _channel: str, payload: object) -> None:
        if isinstance(payload, str) and payload.isascii() and payload.isdecimal() and len(payload) < 10:
            self._wakeups.hint(int(payload))
