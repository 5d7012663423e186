"""Leads wait for a group in which nobody can get leads: nobody active is in it."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity
from ops.doctor.scene import Scene
from ops.doctor.standing import standing
from router.domain.reason import Reason

CODE = "groups_empty"


async def look(scene: Scene) -> Sequence[Finding]:
    sentence = "cannot be given to anybody, whatever the time: nobody active is in the group"
    return list(
        standing(scene, Reason.GROUP_EMPTY, CODE, Severity.CRITICAL, sentence, "lead-router reps list --tenant {}")
    )
