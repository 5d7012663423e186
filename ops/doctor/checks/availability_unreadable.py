"""Reps whose availability in the source is not understood: the last known one holds for a while, or is over."""

import shlex
from collections.abc import Sequence
from datetime import datetime

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from ops.roster_sync.holds import Hold, holds, holds_told, over
from router.domain.reason import Reason

CODE = "availability_unreadable"


async def look(scene: Scene) -> Sequence[Finding]:
    found = []
    for tenant_id, held in (await holds(scene.conn, scene.tenant_ids)).items():
        ended = over(held, scene.at)
        if running := [hold for hold in held if hold not in ended]:
            found.append(_finding(scene, tenant_id, running))
        if ended:
            found.append(_finding(scene, tenant_id, ended, min(hold.until for hold in ended)))
    return found


def _finding(scene: Scene, tenant_id: int, held: Sequence[Hold], since: datetime | None = None) -> Finding:
    """About reps of one tenant for whom the last known availability holds, or (`since`) holds no more."""
    name = next(tenant.name for tenant in scene.tenants if tenant.tenant_id == tenant_id)
    kept = [part for part in scene.waiting[tenant_id].reasons if since and part.reason == Reason.NOBODY_AVAILABLE]
    command = ["lead-router", "reps", "list", "--tenant", name]
    if since:
        command = ["lead-router", "reps", "set", held[0].rep_id, "--tenant", name, "--available", "yes"]
    return Finding(
        CODE,
        Severity.WARNING,
        of_tenant(name),
        f"roster: {holds_told(held, scene.at)[0]}",
        tuple({"rep": hold.rep_id, "until": hold.until.isoformat()} for hold in held[:10]),
        since,
        shlex.join(command),
        held_back=sum(part.stuck for part in kept),
        oldest=min((part.stuck_since for part in kept if part.stuck_since), default=None),
    )
