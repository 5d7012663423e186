"""The clock of a router's host, or of this one, is not the database's."""

from collections.abc import Iterator, Sequence

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene
from router.domain.clocks import JUMP, ahead_words
from router.store.processes import ProcessClock, clocks_of_processes

CODE = "clocks_differ"


async def look(scene: Scene) -> Sequence[Finding]:
    return [*_of_routers(await clocks_of_processes(scene.conn)), *_of_this_host(scene)]


def _of_routers(clocks: Sequence[ProcessClock]) -> Iterator[Finding]:
    for clock in clocks:
        if not clock.disputed and abs(clock.ahead_s) <= JUMP.total_seconds():
            continue
        sentence = f"the clock of router {clock.instance} is {clock.words} the database's"
        if clock.disputed:
            sentence += "; it routes nothing until they agree, since nothing says which is right"
        severity = Severity.CRITICAL if clock.disputed else Severity.WARNING
        evidence = ({"instance": clock.instance, "ahead_s": round(clock.ahead_s, 1), "disputed": clock.disputed},)
        yield Finding(CODE, severity, Subject("router", clock.instance), sentence, evidence)


def _of_this_host(scene: Scene) -> Iterator[Finding]:
    if scene.host_at is not None and abs(ahead := scene.host_at - scene.at) > JUMP:
        sentence = f"the clock of this host is {ahead_words(ahead)} the database's"
        evidence = ({"host": scene.host_at.isoformat(), "database": scene.at.isoformat()},)
        yield Finding(CODE, Severity.WARNING, Subject("server", "database"), sentence, evidence)
