"""Leads wait that no rule matches."""

from collections.abc import Sequence
from dataclasses import replace

from ops.doctor.finding import Finding, Severity
from ops.doctor.scene import Scene
from ops.doctor.standing import standing
from router.domain.reason import Reason

CODE = "no_rule_matches"


async def look(scene: Scene) -> Sequence[Finding]:
    sentence, command = "cannot be assigned, since no rule matches", "lead-router rules list --tenant {}"
    found = standing(scene, Reason.NO_MATCHING_RULE, CODE, Severity.WARNING, sentence, command)
    # Why they do not match, as with times that are shifted, is the cause.
    return [replace(one, symptom=True) for one in found]
