"""Rate limits over all instances: each adds its requests in Redis, and learns of those of the others."""

from typing import Any

from router.drain.presence import open_redis, unreachable_errors
from router.http.rate_limits import WINDOW_S, Key, RateLimits
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic


def rate_key(key: Key, window: int) -> str:
    """The key of a token's requests in one window; its value is their number."""
    return f"lead-router:rate:{key[0]}:{key[1]}:{window}"


class RateSharingService(Periodic):
    """Limits are exact to what is asked within its interval."""

    name = "rate limits"
    failing = "rate limits not shared: each instance limits by itself"
    interval_s = 0.2
    deadline_s = 5.0

    def __init__(self, limits: RateLimits, redis_url: str) -> None:
        self._limits = limits
        self._url = redis_url
        self._redis: Any = None

    async def begin(self) -> None:
        self._redis = open_redis(self._url)

    async def end(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()

    async def once(self, life: Lifeline) -> None:
        """One round trip, if there were requests."""
        told = self._limits.unshared()
        if not told:
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for (key, window), number in told.items():
                    pipe.incrby(rate_key(key, window), number)
                    pipe.expire(rate_key(key, window), 3 * WINDOW_S)
                answers = await pipe.execute()
        except unreachable_errors() as error:
            raise ConnectionError(f"Redis: {error}") from error
        self._limits.learn(told, dict(zip(told, (int(one) for one in answers[::2]), strict=True)))
