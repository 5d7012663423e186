"""Redis does not answer, is slow, or refuses what presence, rate limits or hints need; fallbacks are in use."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ops.doctor.finding import Finding, NotApplicable, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded
from router.domain.worded_phrases import worded_list
from router.drain.redis_probe import FALLBACKS, SLOW_S, RedisLook, Use, look_at_redis
from router.store.status import rules_with

CODE = "redis_trouble"
NO_REDIS = worded("no Redis is configured")
# As FALLBACKS has them.
_FALLBACKS = {
    Use.PRESENCE: worded("presence: the last known presence for up to one ttl, then working hours alone"),
    Use.RATE_LIMITS: worded("rate limits: each instance limits by itself"),
    Use.HINTS: worded("hints: routers behind a pooler find new leads by their poll"),
}


async def look(scene: Scene) -> Sequence[Finding]:
    if scene.presence.url is None:
        raise NotApplicable(NO_REDIS)
    used = {Use.RATE_LIMITS}
    if await rules_with(scene.conn, scene.tenant_ids, "presence"):
        used.add(Use.PRESENCE)
    if getattr(scene.conn, "pooled", False):
        used.add(Use.HINTS)
    return findings(await look_at_redis(scene.presence.url), used)


def findings(seen: RedisLook, used: Collection[Use]) -> list[Finding]:
    """What a look at Redis says to somebody who uses it for these."""
    if seen.problem is not None:
        words = worded("Redis does not answer ({problem})", problem=seen.problem)
        return [_finding(words, seen, [use for use in Use if use in used])]
    refused = [use for use in Use if use in used and use in seen.refused]
    if refused:
        words = worded("Redis refuses what is needed: {why}", why=seen.refused[refused[0]])
        return [_finding(words, seen, refused)]
    if seen.slow:
        took, limit = f"{seen.seconds:.2f}", f"{SLOW_S:g}"
        words = worded("Redis is slow: an answer took {took} s, more than {limit} s", took=took, limit=limit)
        return [_finding(words, seen, [use for use in Use if use in used])]
    return []


def _finding(words: Worded, seen: RedisLook, uses: Sequence[Use]) -> Finding:
    fallbacks = worded_list([_FALLBACKS[use] for use in uses], len(uses))
    if seen.slow:
        words += worded("; fallbacks in use from 1 s on: {fallbacks}", fallbacks=fallbacks)
    else:
        words += worded("; fallbacks in use: {fallbacks}", fallbacks=fallbacks)
    return Finding(
        CODE,
        Severity.WARNING,
        Subject("server", "Redis"),
        words,
        tuple(_row(seen, use) for use in uses),
    )


def _row(seen: RedisLook, use: Use) -> Mapping[str, Any]:
    said = {"says": seen.refused[use]} if use in seen.refused else {}
    return {"use": str(use), "fallback": FALLBACKS[use], "server": seen.server, **said}
