"""Leads wait for a group in which nobody can get leads, and perhaps for others after it."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity
from ops.doctor.scene import Scene
from ops.doctor.standing import standing
from router.domain.reason import Reason

CODE = "groups_empty"


async def look(scene: Scene) -> Sequence[Finding]:
    # Another group may follow that is only off duty: the reason is that of the first.
    sentence = "wait, and nobody in the first group that may have them can get leads, whatever the time"
    return list(
        standing(scene, Reason.GROUP_EMPTY, CODE, Severity.WARNING, sentence, "lead-router reps list --tenant {}")
    )
