"""Redis does not answer, is slow, or refuses what presence, rate limits or hints need; fallbacks are in use."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ops.doctor.finding import Finding, NotApplicable, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.phrases import listed
from router.drain.redis_probe import FALLBACKS, SLOW_S, RedisLook, Use, look_at_redis
from router.store.status import rules_with

CODE = "redis_trouble"


async def look(scene: Scene) -> Sequence[Finding]:
    if scene.presence.url is None:
        raise NotApplicable("no Redis is configured")
    used = {Use.RATE_LIMITS}
    if await rules_with(scene.conn, scene.tenant_ids, "presence"):
        used.add(Use.PRESENCE)
    if getattr(scene.conn, "pooled", False):
        used.add(Use.HINTS)
    return findings(await look_at_redis(scene.presence.url), used)


def findings(seen: RedisLook, used: Collection[Use]) -> list[Finding]:
    """What a look at Redis says to somebody who uses it for these."""
    if seen.problem is not None:
        return [_finding(f"Redis does not answer ({seen.problem})", seen, [use for use in Use if use in used])]
    refused = [use for use in Use if use in used and use in seen.refused]
    if refused:
        return [_finding(f"Redis refuses what is needed: {seen.refused[refused[0]]}", seen, refused)]
    if seen.slow:
        words = f"Redis is slow: an answer took {seen.seconds:.2f} s, more than {SLOW_S:g} s"
        return [_finding(words, seen, [use for use in Use if use in used])]
    return []


def _finding(words: str, seen: RedisLook, uses: Sequence[Use]) -> Finding:
    fallbacks = listed([f"{use}: {FALLBACKS[use]}" for use in uses], len(uses))
    beginning = "in use from 1 s on" if seen.slow else "in use"
    return Finding(
        CODE,
        Severity.WARNING,
        Subject("server", "Redis"),
        f"{words}; fallbacks {beginning}: {fallbacks}",
        tuple(_row(seen, use) for use in uses),
    )


def _row(seen: RedisLook, use: Use) -> Mapping[str, Any]:
    said = {"says": seen.refused[use]} if use in seen.refused else {}
    return {"use": str(use), "fallback": FALLBACKS[use], "server": seen.server, **said}
