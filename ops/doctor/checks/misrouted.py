"""A rule matches no more, or one that takes what is left takes far more than usual, although every lead is assigned."""

from collections.abc import Sequence

from ops.doctor.finding import Finding
from ops.doctor.scene import Scene
from ops.doctor.stalls import open_findings

CODE = "misrouted"


async def look(scene: Scene) -> Sequence[Finding]:
    return open_findings(scene, CODE, ("rule",))
