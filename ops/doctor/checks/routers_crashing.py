"""Routers crash in the middle of a tenant's batches."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import worded, worded_count
from router.drain.quarantine import CAREFUL_FROM
from router.store.status import LaneStatus
from router.store.tenants import Tenant

CODE = "routers_crashing"


async def look(scene: Scene) -> Sequence[Finding]:
    lanes = ((tenant, scene.lanes.get(tenant.tenant_id, LaneStatus())) for tenant in scene.tenants)
    return [_finding(tenant, lane) for tenant, lane in lanes if lane.crashes >= CAREFUL_FROM]


def _finding(tenant: Tenant, lane: LaneStatus) -> Finding:
    sentence = worded(
        "routers crashed {crashes} times within ten minutes in the middle of a batch", crashes=lane.crashes
    )
    if lane.careful:
        sentence += worded_count(
            "; the next {count:,} lead are taken one at a time, as one may be the cause",
            "; the next {count:,} leads are taken one at a time, as one may be the cause",
            lane.careful,
        )
    evidence = ({"crashes": lane.crashes, "careful": lane.careful},)
    return Finding(CODE, Severity.WARNING, of_tenant(tenant.name), sentence, evidence)
