"""Hints that a tenant has work: NOTIFY on `lead_router`. Polling stays the truth; a hint only shortens the wait."""

import asyncio

import asyncpg
import structlog

from router.lifeline import Lifeline
from router.store.connections import APPLICATION_NAME

log = structlog.get_logger(__name__)

CHANNEL = "lead_router"
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

    def __init__(self, url: str, wakeups: Wakeups, connect_deadline_s: float = 10.0) -> None:
        self._url = url
        self._wakeups = wakeups
        self._connect_deadline_s = connect_deadline_s

    async def run(self, life: Lifeline) -> None:
        """Listens until the stop. A lost connection is a death; the supervisor starts it again."""
        conn = await asyncpg.connect(
            self._url,
            timeout=self._connect_deadline_s,
            server_settings={"application_name": LISTENER_NAME},
        )
        try:
            await conn.add_listener(CHANNEL, self._heard)
            # A connection through which nothing comes may be dead: asking now and then finds out.
            while not await life.pause(15.0):
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
