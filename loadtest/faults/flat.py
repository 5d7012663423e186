"""A run without faults, for the slopes: at 60% of the rate that the machine carries, nothing may drift."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from loadtest.bench import world as worlds
from loadtest.bench.world import SQL, World
from loadtest.faults.arena import Arena, arena
from loadtest.faults.samples import KEPT, Samples
from loadtest.faults.server import FaultServer
from loadtest.faults.stream import Stream
from loadtest.slopes import Series, Slope, confidence_of_each, slope
from router.drain.request import BatchRequest
from router.store.statements import Connection

# As delivered, but durable: the fault suite's server does without for speed.
SERVER: Mapping[str, str] = {"fsync": "on", "shared_buffers": "256MB", "checkpoint_timeout": "5min"}
SHARE_OF_MAXIMUM = 0.6
_WORLD = World(leads=0, tenants=4, reps=40, rules=12)
_ROUTERS = 2
_SAMPLES = 90
# The first part of a run fills caches and tables, and is not judged.
_WARM_UP = 0.2
_DAY_S = 86_400
# The shortest that can be set: what the service removes by itself, it removes in a run of an hour.
SETTINGS: Mapping[str, object] = {
    "drain_batch_leads": BatchRequest().ready,
    "drain_poll_interval_s": 0.5,
    "events_retention_days": 0.01,
    "cleanup_service": "on",
    "cleanup_window": "always",
    "cleanup_look_every_s": 5,
}
# More than cleanup archives beside such a load, so that it has work until the end.
_OLD_LEADS_PER_S = 300
_OLD_DAYS = 1000


@dataclass(frozen=True, slots=True)
class Judged:
    """A series with its slope."""

    series: Series
    slope: Slope

    @property
    def flat(self) -> bool:
        """Whether nothing drifts."""
        return self.series.bounded or self.slope.within_noise

    @property
    def document(self) -> dict[str, Any]:
        """For machines; slopes are per hour."""
        found = self.slope
        return {
            "name": self.series.name,
            "unit": self.series.unit,
            "level": float(f"{found.level:.4g}"),
            "per_hour": float(f"{found.per_hour:.4g}"),
            "noise": [float(f"{found.low:.4g}"), float(f"{found.high:.4g}")],
            "within_noise": found.within_noise,
            "free_to": None if self.series.free_to is None else round(self.series.free_to),
            "flat": self.flat,
        }

    @property
    def words(self) -> str:
        """For people."""
        found, unit = self.slope, self.series.unit
        verdict = "within noise" if found.within_noise else "NOT WITHIN NOISE"
        if self.series.bounded and not found.within_noise:
            verdict = f"never above {self.series.free_to:,.0f}, up to which vacuum does nothing"
        return (
            f"{self.series.name}: {found.per_hour:+,.4g} {unit} per hour ({found.low:+,.4g} to {found.high:+,.4g}) "
            f"at {found.level:,.4g} {unit}: {verdict}"
        )


@dataclass(frozen=True, slots=True)
class FlatRun:
    """Rates are leads a second, `seconds` those of the steady part, its warm-up included."""

    seconds: float
    maximum: float
    rate: float
    leads: int
    archived: int
    judged: Sequence[Judged]
    violations: Sequence[str]

    @property
    def drifting(self) -> list[Judged]:
        """What is not flat."""
        return [one for one in self.judged if not one.flat]

    @property
    def document(self) -> dict[str, Any]:
        """The last line of `make soak FLAT=1`; `slopes` has the series that changed at all."""
        return {
            "seconds": round(self.seconds),
            "maximum_leads_per_s": round(self.maximum),
            "leads_per_s": round(self.rate),
            "leads": self.leads,
            "archived_leads": self.archived,
            "violations": len(self.violations),
            "within_noise": not self.drifting,
            "not_within_noise": [one.series.name for one in self.drifting],
            "confidence": 0.95,
            "series": len(self.judged),
            "slopes": [one.document for one in self.judged if len(set(one.series.values)) > 1],
        }


async def flat(
    server: FaultServer,
    database: str,
    seed: int,
    seconds: float,
    say: Callable[[str], None],
    settings: Mapping[str, object] | None = None,
) -> FlatRun:
    """Measures the rate that the machine carries, then runs at a share of it for so long, on a migrated database.

    `settings` are the routers', named as in the environment, in lower case. The database must be the run's own.
    """
    used: dict[str, Any] = {**SETTINGS, **(settings or {})}
    async with arena(server, database, routers=0, tenants=0, **used) as scene:
        async with scene.session() as conn:
            scene.tenants = await worlds.make(conn, _WORLD)
            await _old_leads(conn, scene.tenants, int(seconds * _OLD_LEADS_PER_S))
        for _ in range(_ROUTERS):
            await scene.add_router()
        await scene.all_listening()
        stream = Stream(scene.url, scene.tenants, seed)
        maximum = await _maximum(stream, max(5.0, min(30.0, seconds / 20)))
        rate = SHARE_OF_MAXIMUM * maximum
        say(f"at most {maximum:,.0f} leads/s through their whole life; going on with {rate:,.0f}")
        judged = await _steady(scene, stream, rate, seconds, say, _growing(used, seconds))
        await scene.settled()
        violations = [*stream.wrong, *await scene.broken_promises(), *map(str, scene.surprises())]
        async with scene.session() as conn:
            archived = int(await conn.fetchval("select coalesce(sum(leads), 0) from archived_count"))
    if used["cleanup_service"] == "on" and not archived:
        violations.append("cleanup is on, and archived none of the old leads")
    return FlatRun(seconds, maximum, rate, stream.accepted, archived, judged, violations)


async def _old_leads(conn: Connection, tenants: Sequence[int], number: int) -> None:
    """For cleanup to archive, the same number of each tenant."""
    for tenant_id in tenants:
        await SQL.fill_closed.execute(conn, tenant_id=tenant_id, first=1, last=number // len(tenants), days=_OLD_DAYS)
    await conn.execute("vacuum (analyze) lead, closed")


async def _maximum(stream: Stream, seconds: float) -> float:
    """Leads that end in a second when as many come as can be, after a third of the time."""
    async with stream.flowing(None, 0.0):
        await asyncio.sleep(seconds / 3)
        begin, ended = monotonic(), stream.ended
        await asyncio.sleep(seconds * 2 / 3)
        return (stream.ended - ended) / (monotonic() - begin)


async def _steady(
    scene: Arena, stream: Stream, rate: float, seconds: float, say: Callable[[str], None], growing: frozenset[str]
) -> list[Judged]:
    every_s = seconds / _SAMPLES
    async with scene.session() as conn, stream.flowing(rate, max(2.0, 2 * every_s)):
        samples, begin = Samples(conn, scene.tenants, scene.routers, growing), monotonic()
        for number in range(_SAMPLES + 1):
            await asyncio.sleep(max(0.0, begin + number * every_s - monotonic()))
            await samples.take()
            if number % 15 == 0:
                say(f"{stream.accepted:,} leads accepted, {stream.ended:,} ended")
    return judge(samples.series(seconds * _WARM_UP))


def judge(series: Sequence[Series]) -> list[Judged]:
    """Each with its slope, at a confidence that makes one false alarm among all of them as rare as one in twenty."""
    confidence = confidence_of_each(len(series))
    return [Judged(one, slope(one, confidence)) for one in series]


def _growing(settings: Mapping[str, object], seconds: float) -> frozenset[str]:
    """Tables of which nothing is removed before the first half of such a run is over."""

    def removed_after_s(name: str | None) -> float:
        return float("inf") if name is None or name not in settings else float(str(settings[name])) * _DAY_S

    return frozenset(table for table, name in KEPT.items() if removed_after_s(name) > seconds / 2)
