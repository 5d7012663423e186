"""Hints that a tenant has work: NOTIFY on `lead_router`. Polling stays the truth; a hint only shortens the wait."""

import asyncio
from itertools import count

from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connect import LISTENER_NAME
from router.store.connections.connections import Connections, Part
from router.store.connections.server_capacity import name_session
from router.store.health import answers
from router.store.statements import Connection

CHANNEL = "lead_router"
_ASK_EVERY_S = 15
_LOOK_FOR_POOLER_EVERY_S = 60.0
_ANSWER_DEADLINE_S = 5.0


def hinted_tenant(word: object) -> int | None:
    """The number of the tenant that a hint names; None = it is none of ours."""
    known = isinstance(word, str) and word.isascii() and word.isdecimal() and len(word) < 10
    return int(str(word)) if known else None


class Wakeups:
    """Tenants that were named since they were last taken."""

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


class HintsService(Periodic):
    """The service that listens, over a connection that it keeps. With too few connections it has none, and waits."""

    name = "wakeups"
    failing = "LISTEN connection lost"
    interval_s = 1.0
    # The poll finds work meanwhile, so a lost hint costs little; but it should not be lost for a minute.
    longest_wait_s = 5.0
    deadline_s = None

    def __init__(self, connections: Connections, wakeups: Wakeups) -> None:
        self._connections = connections
        self._wakeups = wakeups
        self._pooled = False
        self.listens = False
        """Whether hints arrive now."""

    async def rest(self, life: Lifeline) -> None:
        """Behind a pooler no hint arrives, so it is checked only now and then whether one is still there."""
        await life.pause(_LOOK_FOR_POOLER_EVERY_S if self._pooled else self.interval_s)

    async def once(self, life: Lifeline) -> None:
        """Listens until the stop. A lost connection costs hints, never the process: polling goes on meanwhile."""
        if self._connections.share(Part.HINTS):
            await self._listen(life)

    async def _listen(self, life: Lifeline) -> None:
        async with self._connections.acquire(Part.HINTS) as conn:
            self._pooled = bool(getattr(conn, "pooled", False))
            if self._pooled:
                # A pooler lends the session that listens to somebody else; polling finds the work.
                return
            async with asyncio.timeout(_ANSWER_DEADLINE_S):
                await name_session(conn, LISTENER_NAME)
                await conn.add_listener(CHANNEL, self._heard)
            try:
                await self._hear(life, conn)
            finally:
                self.listens = False
                if not conn.is_closed():
                    async with asyncio.timeout(_ANSWER_DEADLINE_S):
                        await conn.remove_listener(CHANNEL, self._heard)

    async def _hear(self, life: Lifeline, conn: Connection) -> None:
        self.works(life)
        self.listens = True
        # What was said while nobody listened is looked for.
        self._wakeups.poke()
        seconds = count(1)
        while not await life.pause(1.0):
            if not self._connections.share(Part.HINTS):
                return
            # A connection through which nothing comes may be dead: asking now and then finds out.
            if conn.is_closed() or next(seconds) % _ASK_EVERY_S == 0:
                async with asyncio.timeout(_ANSWER_DEADLINE_S):
                    await answers(conn)

    def _heard(self, _conn: object, _pid: int, _channel: str, payload: object) -> None:
        if (tenant_id := hinted_tenant(payload)) is not None:
            self._wakeups.hint(tenant_id)
