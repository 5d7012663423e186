"""The clock of a router's host, or of this one, is not the database's."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.clocks import JUMP
from router.domain.worded import Worded, worded
from router.domain.worded_phrases import worded_duration
from router.store.processes import ProcessClock, clocks_of_processes

CODE = "clocks_differ"


async def look(scene: Scene) -> Sequence[Finding]:
    return [*_of_routers(await clocks_of_processes(scene.conn)), *_of_this_host(scene)]


def _of_routers(clocks: Sequence[ProcessClock]) -> Iterator[Finding]:
    for clock in clocks:
        if not clock.disputed and abs(clock.ahead_s) <= JUMP.total_seconds():
            continue
        router = worded("router {instance}", instance=clock.instance)
        sentence = _differs(router, timedelta(seconds=clock.ahead_s))
        if clock.disputed:
            sentence += worded("; it routes nothing until they agree, since nothing says which is right")
        severity = Severity.CRITICAL if clock.disputed else Severity.WARNING
        evidence = ({"instance": clock.instance, "ahead_s": round(clock.ahead_s, 1), "disputed": clock.disputed},)
        yield Finding(CODE, severity, Subject("router", clock.instance), sentence, evidence)


def _of_this_host(scene: Scene) -> Iterator[Finding]:
    if scene.host_at is not None and abs(ahead := scene.host_at - scene.at) > JUMP:
        sentence = _differs(worded("this host"), ahead)
        evidence = ({"host": scene.host_at.isoformat(), "database": scene.at.isoformat()},)
        yield Finding(CODE, Severity.WARNING, Subject("server", "database"), sentence, evidence)


def _differs(whose: Worded, ahead: timedelta) -> Worded:
    lasts = worded_duration(abs(ahead.total_seconds()))
    if ahead < timedelta(0):
        return worded("the clock of {whose} is {lasts} behind the database's", whose=whose, lasts=lasts)
    return worded("the clock of {whose} is {lasts} ahead of the database's", whose=whose, lasts=lasts)
