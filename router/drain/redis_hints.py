"""Wake-up hints over Redis, for routers behind a pooler, where NOTIFY does not arrive: sent after each commit that
has news, all that came together as one message. Polling stays the truth: a hint that is lost costs one poll.
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from contextvars import Context
from time import monotonic
from typing import TYPE_CHECKING, Any

from router.drain.hints import Wakeups, hinted_tenant
from router.drain.redis_client import DEADLINE_S, described, hints_channel, open_redis
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.telemetry.instruments import Instruments

if TYPE_CHECKING:
    from redis.asyncio import Redis

_TOGETHER = 1_000
_SEND_EVERY_S = 0.01
_ASK_AFTER_S, _SILENT_S = 5.0, 8.0


class HintsSender:
    """Sends in the background: nobody waits for Redis. What cannot be sent is dropped, and `problem` says why."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._redis: Redis | None = None
        self._tenants: set[int] = set()
        self._sending: asyncio.Task[None] | None = None
        self.problem: str | None = None

    def send(self, tenants: Collection[int]) -> None:
        """Soon, together with what comes until then."""
        self._tenants.update(tenants)
        if self._sending is None or self._sending.done():
            # For all who have news until then, so not a part of what one of them does.
            self._sending = asyncio.create_task(self._send(), name="hints over Redis", context=Context())

    async def ask(self) -> None:
        """Whether Redis takes hints now: one that names nobody. Raises ConnectionError in time."""
        await self._publish([])

    async def aclose(self) -> None:
        """Sends what is left, and gives the connection back, within a deadline for each."""
        if self._sending is not None:
            await self._sending
        redis, self._redis = self._redis, None
        if redis is not None:
            await _close(redis)

    async def _send(self) -> None:
        while self._tenants:
            tenants, self._tenants = sorted(self._tenants), set()
            for first in range(0, len(tenants), _TOGETHER):
                try:
                    await self._publish(tenants[first : first + _TOGETHER])
                except ConnectionError:
                    return
            await asyncio.sleep(_SEND_EVERY_S)

    async def _publish(self, tenants: Collection[int]) -> None:
        self._redis = self._redis or open_redis(self._url)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._redis.publish(hints_channel(self._redis), ",".join(map(str, tenants)))
        except Exception as error:  # whatever Redis says, or does not say, it holds up nothing
            self.problem = described(error)
            raise ConnectionError(f"Redis: {self.problem}") from error
        self.problem = None


class HintsSenderService(Periodic):
    """Says when hints cannot be sent, and finds out when they can be again."""

    name = "hints sender"
    failing = "hints not sent over Redis: routers behind a pooler find new leads by their poll"
    interval_s = 0.5
    longest_wait_s = 2.0
    deadline_s = 5.0

    def __init__(self, sender: HintsSender, instruments: Instruments) -> None:
        self._sender = sender
        self._instruments = instruments

    async def once(self, life: Lifeline) -> None:
        """Asks only while the last hint could not be sent."""
        self._instruments.redis_fallback("hints_sent", in_use=self._sender.problem is not None)
        if self._sender.problem is not None:
            await self._sender.ask()

    async def end(self) -> None:
        """Sends what is left."""
        await self._sender.aclose()


class RedisHintsService(Periodic):
    """Hears hints while LISTEN does not work here (`listens` says whether it does)."""

    name = "redis hints"
    failing = "hints not heard over Redis: the poll finds new leads"
    interval_s = 1.0
    longest_wait_s = 5.0
    deadline_s = None

    def __init__(self, url: str, wakeups: Wakeups, listens: Callable[[], bool], instruments: Instruments) -> None:
        self._url = url
        self._wakeups = wakeups
        self._listens = listens
        self._instruments = instruments
        self._heard_at = 0.0
        self._asked_at = 0.0

    async def once(self, life: Lifeline) -> None:
        """Listens until the stop, or until LISTEN works. Raises ConnectionError when Redis does not."""
        # LISTEN gets its time to begin.
        if await life.pause(self.interval_s) or self._listens():
            self._instruments.redis_fallback("hints_heard", in_use=False)
            return
        redis = open_redis(self._url)
        try:
            await self._listen(life, redis)
        except Exception as error:  # whatever Redis says, polling goes on
            self._instruments.redis_fallback("hints_heard", in_use=True)
            raise ConnectionError(f"Redis: {described(error)}") from error
        finally:
            await _close(redis)

    async def _listen(self, life: Lifeline, redis: "Redis") -> None:
        pubsub = redis.pubsub()
        async with asyncio.timeout(DEADLINE_S):
            await pubsub.subscribe(hints_channel(redis))
            while (await pubsub.get_message(timeout=DEADLINE_S) or {}).get("type") != "subscribe":
                pass
        self._instruments.redis_fallback("hints_heard", in_use=False)
        self.works(life)
        self._heard_at = self._asked_at = monotonic()
        # What was said while nobody listened is looked for.
        self._wakeups.poke()
        reading = asyncio.create_task(self._read(pubsub), name="hints over Redis")
        try:
            while not reading.done() and not await life.pause(0.5) and not self._listens():
                await self._find_dead_wire(pubsub)
        finally:
            reading.cancel()
            await asyncio.wait([reading])
        if not reading.cancelled() and (error := reading.exception()) is not None:
            raise error

    async def _find_dead_wire(self, pubsub: Any) -> None:
        """Over a wire through which nothing comes, an answer is asked for."""
        now = monotonic()
        if now - self._heard_at > _SILENT_S:
            raise TimeoutError(f"silent for {_SILENT_S:g} s")
        if now - max(self._heard_at, self._asked_at) > _ASK_AFTER_S:
            self._asked_at = now
            async with asyncio.timeout(DEADLINE_S):
                await pubsub.ping()

    async def _read(self, pubsub: Any) -> None:
        while True:
            message = await pubsub.get_message(timeout=DEADLINE_S)
            if message is not None:
                self._heard_at = monotonic()
                if message["type"] == "message":
                    self._hear(message["data"])

    def _hear(self, data: object) -> None:
        if isinstance(data, bytes):
            for word in data[: 11 * _TOGETHER].decode("ascii", "replace").split(","):
                if (tenant_id := hinted_tenant(word)) is not None:
                    self._wakeups.hint(tenant_id)


async def _close(redis: "Redis") -> None:
    with suppress(Exception):  # it is not needed any more
        async with asyncio.timeout(DEADLINE_S):
            await redis.aclose()
