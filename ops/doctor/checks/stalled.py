"""Leads stand still, as a running service has noticed: a symptom, whose cause other findings name."""

from collections.abc import Sequence

from ops.doctor.finding import Finding
from ops.doctor.scene import Scene
from ops.doctor.stalls import open_findings

CODE = "stalled"


async def look(scene: Scene) -> Sequence[Finding]:
    return open_findings(scene, CODE, ("waiting", "oldest", "parked"), standing=True)
