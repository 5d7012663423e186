"""A tenant had batches at times that are yet to come: the database's clock was ahead, or is behind now."""

from collections.abc import Sequence
from datetime import UTC

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.store.lane_clock import LaneAhead, lanes_ahead
from router.store.tenants import Tenant

CODE = "clock_was_wrong"


async def look(scene: Scene) -> Sequence[Finding]:
    ahead = await lanes_ahead(scene.conn, scene.tenant_ids)
    return [_finding(tenant, ahead[tenant.tenant_id]) for tenant in scene.tenants if tenant.tenant_id in ahead]


def _finding(tenant: Tenant, lane: LaneAhead) -> Finding:
    sentence = (
        f"leads were routed at times that are yet to come, up to {lane.latest_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC: "
        "the database's clock was ahead then, or is behind now"
    )
    evidence = ({"latest_at": lane.latest_at.isoformat(), "stands_there": lane.stands_there},)
    command = f"lead-router lane reset-clock {tenant.name}"
    return Finding(CODE, Severity.WARNING, of_tenant(tenant.name), sentence, evidence, command=command)
