"""One look at Redis: whether it answers, how fast, which server it is, and what of our work it refuses.

It writes two keys of its own that expire within seconds: a Redis that is full or read-only answers everything else.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic
from typing import Any

from router.drain.redis_client import DEADLINE_S, described, hints_channel, open_redis

SLOW_S = 0.25
"""An answer that takes longer is slow: a batch waits no longer for it."""
_KEY, _COUNTER = "lead-router:probe", "lead-router:probe:count"
_KEPT_S = 5


class Use(StrEnum):
    """What Redis is for."""

    PRESENCE = "presence"
    RATE_LIMITS = "rate limits"
    HINTS = "hints"


FALLBACKS: Mapping[Use, str] = {
    Use.PRESENCE: "the last known presence for up to one ttl, then working hours alone",
    Use.RATE_LIMITS: "each instance limits by itself",
    Use.HINTS: "routers behind a pooler find new leads by their poll",
}


@dataclass(frozen=True, slots=True)
class RedisLook:
    """`problem` = why it cannot be asked (None = it answers, within `seconds`); `server` = its name and version, None =
    it may not say; `refused` = what it says to what a use needs.
    """

    problem: str | None = None
    seconds: float = 0.0
    server: str | None = None
    refused: Mapping[Use, str] = field(default_factory=dict)

    @property
    def slow(self) -> bool:
        return self.problem is None and self.seconds > SLOW_S


async def look_at_redis(url: str) -> RedisLook:
    """Never raises; takes DEADLINE_S at most, and as long again to close a dead wire."""
    redis = open_redis(url)
    try:
        async with asyncio.timeout(DEADLINE_S):
            # The first answer is that of a new connection.
            await _asked(redis)
            begin = monotonic()
            answers = await _asked(redis)
            return _judged(answers, monotonic() - begin)
    except Exception as error:  # whatever comes back
        return RedisLook(problem=described(error))
    finally:
        try:
            async with asyncio.timeout(DEADLINE_S):
                await redis.aclose()
        except Exception:  # it is not needed any more
            pass


async def _asked(redis: Any) -> Sequence[Any]:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.mget([_KEY])
        pipe.set(_KEY, "1", ex=_KEPT_S)
        pipe.incrby(_COUNTER, 1)
        pipe.expire(_COUNTER, _KEPT_S)
        pipe.publish(hints_channel(redis), "")
        pipe.info("server")
        answers: Sequence[Any] = await pipe.execute(raise_on_error=False)
        return answers


def _judged(answers: Sequence[Any], seconds: float) -> RedisLook:
    read, beat, counted, kept, published, server = answers
    needed = {Use.PRESENCE: (read, beat), Use.RATE_LIMITS: (counted, kept), Use.HINTS: (published,)}
    refused = {
        use: str(next(one for one in parts if isinstance(one, Exception)))
        for use, parts in needed.items()
        if any(isinstance(one, Exception) for one in parts)
    }
    return RedisLook(seconds=seconds, server=_named(server), refused=refused)


def _named(server: Any) -> str | None:
    if not isinstance(server, dict):
        return None
    if "valkey_version" in server:
        return f"Valkey {server['valkey_version']}"
    return f"Redis {server['redis_version']}" if "redis_version" in server else None
