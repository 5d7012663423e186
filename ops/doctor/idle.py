"""Which tenants have had no batch for a while, though no other finding explains it."""

from datetime import timedelta

from ops.doctor.scene import Scene
from router.store.status import LaneStatus
from router.store.tenants import Tenant


def idle_tenants(scene: Scene, patience: timedelta) -> list[Tenant]:
    """Those without a batch for so long. A long backlog is old, and is being worked on."""
    return [tenant for tenant in scene.tenants if _is_idle(scene, tenant, patience)]


def _is_idle(scene: Scene, tenant: Tenant, patience: timedelta) -> bool:
    lane = scene.lanes.get(tenant.tenant_id, LaneStatus())
    idle = lane.last_batch_at is None or scene.at - lane.last_batch_at > patience
    return idle and lane.paused is None and tenant.ruleset > 0 and not scene.waiting[tenant.tenant_id].blocked_by
