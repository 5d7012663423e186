"""Rate limits over all instances: each adds its requests in Redis, and learns of those of the others."""

import asyncio
from typing import Any

from router.drain.redis_client import DEADLINE_S, described, open_redis
from router.http.rate_limits import WINDOW_S, Key, RateLimits
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.telemetry.instruments import Instruments

Counts = dict[tuple[Key, int], int]
"""Requests by token and window."""


def rate_key(key: Key, window: int) -> str:
    """The key of a token's requests in one window; its value is their number."""
    return f"lead-router:rate:{key[0]}:{key[1]}:{window}"


class RateSharingService(Periodic):
    """Limits are exact to what is asked within its interval."""

    name = "rate limits"
    failing = "rate limits not shared: each instance limits by itself"
    interval_s = 0.2
    deadline_s = 5.0

    def __init__(self, limits: RateLimits, redis_url: str, instruments: Instruments | None = None) -> None:
        self._instruments = instruments or Instruments.silent()
        self._limits = limits
        self._url = redis_url
        self._redis: Any = None

    async def begin(self) -> None:
        self._redis = open_redis(self._url)

    async def end(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()

    async def once(self, life: Lifeline) -> None:
        """One round trip, if there were requests or there is trouble. Raises ConnectionError in time, whatever comes
        back.
        """
        told = self._limits.unshared()
        try:
            async with asyncio.timeout(DEADLINE_S):
                if told:
                    self._limits.learn(told, await self._shared(told))
                elif self.problem is not None:
                    await self._redis.ping()
        except Exception as error:  # whatever Redis says, each instance limits by itself
            self._instruments.redis_fallback("rate_limits", in_use=True)
            raise ConnectionError(f"Redis: {described(error)}") from error
        self._instruments.redis_fallback("rate_limits", in_use=False)

    async def _shared(self, told: Counts) -> Counts:
        """Adds our requests; returns those of all."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for (key, window), number in told.items():
                pipe.incrby(rate_key(key, window), number)
                pipe.expire(rate_key(key, window), 3 * WINDOW_S)
            answers = await pipe.execute()
        return dict(zip(told, (int(one) for one in answers[::2]), strict=True))
