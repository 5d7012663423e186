"""Who is present, where rules ask for it: heartbeats of reps in Redis, read in bulk, kept in memory.

A heartbeat is a key that expires, so who stops sending is away soon. Redis is never the truth: while it does not answer
the last known presence holds as long as a heartbeat would, then the working hours alone; and after it was away, began
anew or was flushed, nobody counts as away before there was time for everybody's next heartbeat. One that is full takes
no heartbeats, so it counts as one that does not answer.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING

from router.domain.text import fold
from router.drain.redis_client import DEADLINE_S, described, open_redis
from router.telemetry.logs import get_logger

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from router.domain.engine import Engine
    from router.telemetry.instruments import Instruments

log = get_logger(__name__)

LOOK_EVERY_S = 1.0
# A batch waits no longer for it: who is present is read every second anyway.
_BATCH_DEADLINE_S = 0.25
# Redis serves nobody else while it answers one question.
_KEYS_AT_ONCE = 1_000
# A key of this process: when it is gone although it was there a moment ago, so are the heartbeats.
_MARKER_S, _MARKER_OF_A_COMMAND_S = 600, 5
NOBODY: frozenset[int] = frozenset()


class Unsure(StrEnum):
    """Why it is not known who is present, so that a fallback holds."""

    NO_REDIS = "no_redis"
    NO_ANSWER = "no_answer"
    TOO_NEW = "too_new"


def heartbeat_key(tenant: str, rep_id: str) -> str:
    """The key of a rep's heartbeat; its value says nothing, its TTL is the `presence.ttl` of the rules."""
    return f"lead-router:present:{tenant}:{rep_id}"


@dataclass(slots=True)
class Watched:
    """A tenant whose rules ask for presence. `reps` are numbers, in the order of `keys`; times are monotonic."""

    reps: tuple[int, ...]
    keys: tuple[str, ...]
    ttl_s: float
    absent: frozenset[int] = NOBODY
    heard_at: float | None = None
    settled_at: float = 0.0
    lost: bool = False
    settled: bool = False

    def missing(self, heartbeats: Sequence[bytes | None]) -> frozenset[int]:
        """Numbers of the reps without a heartbeat, of heartbeats in the order of `keys`."""
        return frozenset(rep for rep, value in zip(self.reps, heartbeats, strict=True) if value is None)

    def hear(self, missing: frozenset[int], uptime_s: float, now: float) -> None:
        """Redis answered: whose heartbeats it does not have, and for how long it has been up."""
        if self.lost:
            self.settled_at = now + self.ttl_s
        self.lost, self.heard_at = False, now
        self.settled = uptime_s >= self.ttl_s and now >= self.settled_at
        self.absent = missing if self.settled else self.absent & missing

    def hear_nothing(self, now: float) -> None:
        """Redis did not answer."""
        self.lost = True
        if self.heard_at is None or now - self.heard_at > self.ttl_s:
            self.absent = NOBODY


def takes_no_heartbeats(answer: object) -> bool:
    """Whether this answer to a write says that no heartbeats are stored; not one that only we may not do."""
    return isinstance(answer, Exception) and (
        type(answer).__name__ == "OutOfMemoryError" or str(answer).startswith("MISCONF")
    )


def watched_reps(tenant: str, engine: "Engine") -> Watched | None:
    """Those who have to be present by the engine's rules; None = the rules ask for nobody's presence."""
    required = engine.ruleset.presence
    if required is None:
        return None
    wanted = {fold(name) for name in required.groups}
    groups = {number for number, name in engine.roster.group_names.items() if fold(name) in wanted}
    reps = [rep for rep in engine.roster.reps if rep.active and rep.groups & groups]
    keys = tuple(heartbeat_key(tenant, rep.rep_id) for rep in reps)
    return Watched(tuple(rep.no for rep in reps), keys, required.ttl.total_seconds())


@dataclass
class Presence:
    """What a router process knows of presence. Redis (`url`) is asked only when rules ask for presence.

    `once`: that of a command, which looks once. A Redis that did not answer is not asked again, so that many tenants
    cost one deadline; and the command says itself what the log would.
    """

    url: str | None = None
    once: bool = False
    instruments: "Instruments | None" = None
    clock: Callable[[], float] = monotonic
    _watched: dict[int, Watched] = field(default_factory=dict)
    _client: "Redis | None" = None
    problem: str | None = None
    """Why it is not known who is present, while that lasts."""
    _answers: bool = True
    _prompt: bool = True
    _answers_since: float | None = None
    _marker: str = field(default_factory=lambda: f"lead-router:presence:{token_hex(8)}")
    _marked: bool = False

    def absent(self, tenant_id: int) -> frozenset[int]:
        """Numbers of the reps who have to be present and are not, as last heard."""
        watched = self._watched.get(tenant_id)
        return NOBODY if watched is None else watched.absent

    def unsure(self, tenant_id: int) -> Unsure | None:
        """Why a fallback holds for a tenant that is watched; None = it is known who is present, or nobody has to be."""
        watched = self._watched.get(tenant_id)
        if watched is None or not watched.keys:
            return None
        if watched.lost:
            return Unsure.NO_REDIS if self.url is None else Unsure.NO_ANSWER
        return None if watched.settled else Unsure.TOO_NEW

    async def unreachable(self) -> Unsure | None:
        """Why nobody's presence can be known now; None = Redis answers."""
        try:
            await self._ask(("lead-router:status",))
        except Exception:  # also what a Redis answers that is not one
            self._answers = False
            return Unsure.NO_REDIS if self.url is None else Unsure.NO_ANSWER
        return None

    async def watch(self, tenant_id: int, tenant: str, engine: "Engine") -> None:
        """From now on knows the presence that this engine's rules ask for; looks once at once. Never raises.

        While Redis is slow or does not answer it is not asked here: a batch waits for this.
        """
        new = watched_reps(tenant, engine)
        if new is None:
            self._watched.pop(tenant_id, None)
            return
        old = self._watched.get(tenant_id)
        self._watched[tenant_id] = new
        if old is not None:
            new.absent = old.absent & set(new.reps)
            new.heard_at, new.settled_at, new.lost = old.heard_at, old.settled_at, old.lost
        if self.once or (self._answers and self._prompt):
            await self._look([new], DEADLINE_S if self.once else _BATCH_DEADLINE_S)
        elif not self._answers:
            new.hear_nothing(self.clock())

    async def look(self) -> list[int]:
        """Reads the heartbeats of all tenants, within one deadline; returns the tenants where somebody came or went.

        Never raises.
        """
        before = {tenant_id: watched.absent for tenant_id, watched in self._watched.items()}
        await self._look(list(self._watched.values()))
        return [no for no, watched in self._watched.items() if no in before and watched.absent != before[no]]

    async def aclose(self) -> None:
        """Gives the connection back."""
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.aclose()
            except Exception:  # it is not needed any more
                log.debug("redis did not close cleanly")

    async def _look(self, tenants: Sequence[Watched], deadline_s: float = DEADLINE_S) -> None:
        asked = []
        for watched in tenants:
            if watched.keys:
                asked.append(watched)
            else:
                watched.absent = NOBODY
        if not asked:
            return
        try:
            found, uptime_s = await self._ask(tuple(key for watched in asked for key in watched.keys), deadline_s)
        except Exception as error:  # whatever Redis says, or does not say, it never stops the routing
            for watched in asked:
                watched.hear_nothing(self.clock())
            if self.instruments is not None:
                self.instruments.presence_unknown()
            self._report(described(error))
            return
        heartbeats = iter(found)
        for watched in asked:
            watched.hear(watched.missing(list(islice(heartbeats, len(watched.keys)))), uptime_s, self.clock())
        self._report(None)

    async def _ask(self, keys: tuple[str, ...], deadline_s: float = DEADLINE_S) -> tuple[list[bytes | None], float]:
        """The heartbeats, and for how long Redis has been up (seconds). Raises in time, whatever comes back."""
        if self.url is None:
            raise ConnectionError("no Redis is configured (LEAD_ROUTER_REDIS_URL)")
        if self.once and not self._answers:
            raise ConnectionError("Redis did not answer")
        if self._client is None:
            self._client = open_redis(self.url)
        begin = monotonic()
        async with asyncio.timeout(deadline_s):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.get(self._marker)
            for first in range(0, len(keys), _KEYS_AT_ONCE):
                pipeline.mget(keys[first : first + _KEYS_AT_ONCE])
            pipeline.set(self._marker, "1", ex=_MARKER_OF_A_COMMAND_S if self.once else _MARKER_S)
            pipeline.info("server")
            marker, *parts, kept, server = await pipeline.execute(raise_on_error=False)
        self._prompt = monotonic() - begin < _BATCH_DEADLINE_S / 2
        for part in parts:
            if isinstance(part, Exception):
                raise part
        if takes_no_heartbeats(kept):
            raise kept
        self._notice_flush(marker, kept)
        if self._answers_since is None:
            self._answers_since = self.clock()
        return [value for part in parts for value in part], self._uptime_s(server)

    def _notice_flush(self, marker: object, kept: object) -> None:
        if self._marked and marker is None:
            log.warning("redis lost its keys: nobody counts as away before the next heartbeat is due")
            now = self.clock()
            for watched in self._watched.values():
                watched.settled_at = now + watched.ttl_s
        self._marked = not isinstance(kept, Exception)

    def _uptime_s(self, server: object) -> float:
        """For how long Redis has been up; where it may not say (INFO is forbidden), for how long it has answered us."""
        with suppress(KeyError, TypeError, ValueError):
            return float(server["uptime_in_seconds"])  # type: ignore[index]
        return self.clock() - (self.clock() if self._answers_since is None else self._answers_since)

    def _report(self, problem: str | None) -> None:
        if problem is not None and self._answers and not self.once:
            log.warning("presence unknown: the last known holds, then the working hours", error=problem)
        elif problem is None and not self._answers:
            log.info("presence known again")
        self._answers, self.problem = problem is None, problem
        if self.instruments is not None:
            self.instruments.redis_fallback("presence", in_use=problem is not None)
        if problem is not None:
            self._answers_since = None
