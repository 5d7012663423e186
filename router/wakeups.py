"""Hints that a tenant has work: NOTIFY on `lead_router`. Polling stays the truth; a hint only shortens the wait."""

import asyncio
from collections.abc import Callable
from itertools import count

import asyncpg
import structlog

from router.domain.backoff import full_jitter
from router.lifeline import Lifeline
from router.store.connections import APPLICATION_NAME
from router.until_idle import PASSING

log = structlog.get_logger(__name__)

CHANNEL = "lead_router"
_ASK_EVERY_S = 15
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
    """The service that listens. It has a connection of its own, since a listening one cannot be lent to others."""

    name = "wakeups"
    max_silence_s = 60.0

    def __init__(
        self, url: str, wakeups: Wakeups, jitter: Callable[[], float], connect_deadline_s: float = 10.0
    ) -> None:
        self._url = url
        self._wakeups = wakeups
        self._jitter = jitter
        self._connect_deadline_s = connect_deadline_s
        self._failures = 0

    async def run(self, life: Lifeline) -> None:
        """Listens until the stop. A lost connection costs hints, never the process: polling goes on meanwhile."""
        while not life.stopping:
            try:
                await self._listen(life)
            except PASSING as error:
                self._failures += 1
                wait_s = full_jitter(self._failures, self._jitter())
                log.warning("hints are lost", error=f"{type(error).__name__}: {error}", retry_in_s=round(wait_s, 2))
                await life.pause(wait_s)

    async def _listen(self, life: Lifeline) -> None:
        conn = await asyncpg.connect(
            self._url,
            timeout=self._connect_deadline_s,
            server_settings={"application_name": LISTENER_NAME},
        )
        try:
            await conn.add_listener(CHANNEL, self._heard)
            self._failures = 0
            # What was said while nobody listened is looked for.
            self._wakeups.poke()
            seconds = count(1)
            while not await life.pause(1.0):
                # A connection through which nothing comes may be dead: asking now and then finds out.
                if conn.is_closed() or next(seconds) % _ASK_EVERY_S == 0:
                    await conn.execute("select 1", timeout=self._connect_deadline_s)
        finally:
            await _closed(conn)

    def _heard(self, _conn: object, _pid: int, _channel: str, payload: object) -> None:
        if isinstance(payload, str) and payload.isascii() and payload.isdecimal() and len(payload) < 10:
            self._wakeups.hint(int(payload))


async def _closed(conn: "asyncpg.Connection[asyncpg.Record]") -> None:
    try:
        await conn.close(timeout=2.0)
    except (TimeoutError, OSError, asyncpg.PostgresError):
        conn.terminate()
