"""Leads wait that no rule matches."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity
from ops.doctor.scene import Scene
from ops.doctor.standing import standing
from router.domain.reason import Reason

CODE = "no_rule_matches"


async def look(scene: Scene) -> Sequence[Finding]:
    sentence = "are matched by no rule"
    return list(
        standing(scene, Reason.NO_MATCHING_RULE, CODE, Severity.WARNING, sentence, "lead-router rules list --tenant {}")
    )
