"""No leads come in at a time at which they usually do."""

from collections.abc import Sequence

from ops.doctor.finding import Finding
from ops.doctor.scene import Scene
from ops.doctor.stalls import open_findings

CODE = "intake_stopped"


async def look(scene: Scene) -> Sequence[Finding]:
    return open_findings(scene, CODE, ("intake",))
