"""Leads wait for a group in which nobody can get leads, and perhaps for others after it."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

from ops.doctor.finding import Finding, Severity
from ops.doctor.scene import Scene
from ops.doctor.standing import standing
from router.domain.reason import Reason
from router.domain.worded import worded_count
from router.store.status import reps_without_group

CODE = "groups_empty"


async def look(scene: Scene) -> Sequence[Finding]:
    # Another group may follow that is only off duty: the reason is that of the first.
    found = list(
        standing(scene, Reason.GROUP_EMPTY, CODE, Severity.WARNING, _sentence, "lead-router reps list --tenant {}")
    )
    if not found:
        return found
    outside = await reps_without_group(scene.conn, scene.tenant_ids)
    named = {tenant.name: tenant.tenant_id for tenant in scene.tenants}
    return [_with_rep(scene, one, named[one.subject.name], outside) for one in found]


def _sentence(leads: int, waits_for: str) -> str:
    return worded_count(
        "{count:,} lead cannot be assigned, since no rep can get leads in the group for them: {waits_for}",
        "{count:,} leads cannot be assigned, since no rep can get leads in the group for them: {waits_for}",
        leads,
        waits_for=waits_for,
    )


def _with_rep(scene: Scene, finding: Finding, tenant_id: int, outside: dict[int, list[str]]) -> Finding:
    """With a command that puts a rep into the group who is in none, if there is such a one."""
    reasons = scene.waiting[tenant_id].reasons
    groups = [group for part in reasons if part.reason == Reason.GROUP_EMPTY for group in part.groups]
    if not groups or tenant_id not in outside:
        return finding
    words = [
        "lead-router",
        "reps",
        "set",
        outside[tenant_id][0],
        "--tenant",
        finding.subject.name,
        "--groups",
        groups[0],
    ]
    return replace(finding, command=shlex.join(words))
