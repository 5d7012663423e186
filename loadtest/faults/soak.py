"""A run of random faults with a seed: how many, how fast the service came back, and what was broken."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import monotonic

from loadtest.faults.arena import Arena, arena
from loadtest.faults.clock import install_clock
from loadtest.faults.foreign import foreigner
from loadtest.faults.inject import inject
from loadtest.faults.posting import JOURNALLED, TAKEN
from loadtest.faults.schedule import Fault, Step, schedule
from loadtest.faults.server import FaultServer

_RECOVER_S = 90.0
# A recovery that took longer is told with what the routers said meanwhile.
_SLOW_S = 8.0
_LAST_WORDS = 8
# Half of the routers: those without refuse leads while the database is away.
_JOURNALS = 2


@dataclass(slots=True)
class Soaked:
    """What was done and seen; `recoveries_s` has for each fault the seconds from its end to the next routed lead.

    `posts` counts the requests over HTTP by what was answered.
    """

    faults: list[Step] = field(default_factory=list)
    recoveries_s: list[float] = field(default_factory=list)
    leads: int = 0
    posts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    @property
    def recovery_p99_s(self) -> float:
        ordered = sorted(self.recoveries_s)
        return ordered[len(ordered) * 99 // 100] if ordered else 0.0

    @property
    def document(self) -> dict[str, object]:
        """The last line of `make soak`."""
        return {
            "faults": len(self.faults),
            "leads": self.leads,
            "posts": self.posts[TAKEN],
            "journalled": self.posts[JOURNALLED],
            "violations": len(self.violations),
            "recovery_p99_s": round(self.recovery_p99_s, 3),
        }

    @property
    def by_fault(self) -> list[str]:
        """A line for each fault: how often, median and longest recovery."""
        seen = defaultdict[str, list[float]](list)
        for step, seconds in zip(self.faults, self.recoveries_s, strict=False):
            seen[step.fault].append(seconds)
        return [
            f"{fault}: {len(s)} times, {median(s):.2f} s, at most {max(s):.2f} s" for fault, s in sorted(seen.items())
        ]


async def soak(
    server: FaultServer,
    database: str,
    seed: int,
    seconds: float,
    say: Callable[[str], None],
    faults: Sequence[Fault] = tuple(Fault),
) -> Soaked:
    """Faults one after the other for so long, on a migrated database; then rest, and the conservation check.

    A service that does not come back, or does not come to rest, is a violation too.
    """
    done, begin = Soaked(), monotonic()
    async with foreigner(server.url(database)) as conn:
        await install_clock(conn)
    async with arena(server, database, journals=_JOURNALS) as scene:
        try:
            async with scene.life(seed, through_proxy=True, over_http=True) as monitor:
                for step in schedule(seed, faults):
                    if monotonic() - begin > seconds:
                        break
                    await _one(scene, step, done, say)
                say(f"{monitor.looks} snapshots were looked at")
            await scene.settled()
        except* AssertionError as broken:
            done.violations += [str(error) for error in broken.exceptions]
        done.violations += await scene.broken_promises()
        done.leads, done.posts = scene.ledger.leads, scene.posts
    return done


async def _one(scene: Arena, step: Step, done: Soaked, say: Callable[[str], None]) -> None:
    await asyncio.sleep(step.after_s)
    done.faults.append(step)
    beside = " and a kill" if step.with_kill else ""
    say(f"fault {len(done.faults)}: {step.fault}{beside}, {step.lasts_s:.1f} s")
    await inject(scene, step)
    recovery_s = await scene.recovered(_RECOVER_S)
    done.recoveries_s.append(recovery_s)
    say(f"  a lead is routed {recovery_s:.2f} s after it; {scene.ledger.leads:,} leads so far")
    if recovery_s > _SLOW_S:
        for line in _last_words(scene):
            say(line)
    await _all_run_again(scene)


def _last_words(scene: Arena) -> list[str]:
    """What the routers logged last that is more than news: evidence of what kept them."""
    told = []
    for daemon in scene.routers:
        for line in [line for line in daemon.log if line.get("level") != "info"][-_LAST_WORDS:]:
            words = {name: value for name, value in line.items() if name not in ("level", "service", "instance")}
            told.append(f"    {daemon.process.pid}: {words}")
    return told


async def _all_run_again(scene: Arena) -> None:
    """A router that gave up for good is started again, as its orchestrator would."""
    for daemon in [daemon for daemon in scene.routers if not daemon.alive]:
        await scene.remove_router(daemon)
        await scene.add_router()
