"""Leads wait that no rule matches."""

from collections.abc import Sequence
from dataclasses import replace

from ops.doctor.finding import Finding, Severity
from ops.doctor.scene import Scene
from ops.doctor.standing import standing
from router.domain.reason import Reason
from router.domain.worded import worded_count

CODE = "no_rule_matches"


async def look(scene: Scene) -> Sequence[Finding]:
    command = "lead-router rules list --tenant {}"
    found = standing(scene, Reason.NO_MATCHING_RULE, CODE, Severity.WARNING, _sentence, command)
    # Why they do not match, as with times that are shifted, is the cause.
    return [replace(one, symptom=True) for one in found]


def _sentence(leads: int, waits_for: str) -> str:
    return worded_count(
        "{count:,} lead cannot be assigned, since no rule matches: {waits_for}",
        "{count:,} leads cannot be assigned, since no rule matches: {waits_for}",
        leads,
        waits_for=waits_for,
    )
