"""A tenant had batches at times that are yet to come: the database's clock was ahead, or is behind now."""

from collections.abc import Sequence
from datetime import datetime

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.clocks import JUMP
from router.domain.worded import worded
from router.domain.written_time import written
from router.store.lane_clock import lanes_ahead
from router.store.tenants import Tenant

CODE = "clock_was_wrong"


async def look(scene: Scene) -> Sequence[Finding]:
    ahead = await lanes_ahead(scene.conn, scene.tenant_ids)
    # Then it is this clock that is wrong, and nothing is to be dated back.
    behind = scene.host_at is not None and scene.host_at - scene.at > JUMP
    return [
        _finding(tenant, ahead[tenant.tenant_id], behind=behind)
        for tenant in scene.tenants
        if tenant.tenant_id in ahead
    ]


def _finding(tenant: Tenant, at: datetime, *, behind: bool) -> Finding:
    latest = written(at, tenant.time_zone)
    if behind:
        sentence = worded(
            "leads came or were routed at times that are yet to come, up to {latest}: the database's clock is behind "
            "this host's",
            latest=latest,
        )
    else:
        sentence = worded(
            "leads came or were routed at times that are yet to come, up to {latest}: the database's clock was ahead "
            "then",
            latest=latest,
        )
    command = None if behind else f"lead-router lane reset-clock {tenant.name} --dry-run"
    evidence = ({"latest_at": at.isoformat()},)
    return Finding(CODE, Severity.WARNING, of_tenant(tenant.name), sentence, evidence, command=command)
