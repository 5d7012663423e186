"""All instances together may open more connections than the server has for them."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, Subject
from ops.doctor.scene import Scene

CODE = "connections_short"


async def look(scene: Scene) -> Sequence[Finding]:
    excess = scene.room.excess()
    if excess is None:
        return ()
    evidence = tuple({"instance": name, "maximum": maximum} for name, maximum in scene.room.instances.items())
    return (Finding(CODE, Severity.WARNING, Subject("server", "PostgreSQL"), excess, evidence[:10]),)
