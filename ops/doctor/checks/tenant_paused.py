"""A tenant is paused: nothing of it is routed, by somebody's wish."""

from collections.abc import Sequence
from datetime import timedelta

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.reason import Reason
from router.domain.worded import worded, worded_count
from router.domain.written_time import written
from router.store.status import LaneStatus, Paused
from router.store.tenants import Tenant

CODE = "tenant_paused"
_LONG = timedelta(days=1)


async def look(scene: Scene) -> Sequence[Finding]:
    lanes = ((tenant, scene.lanes.get(tenant.tenant_id, LaneStatus())) for tenant in scene.tenants)
    return [_finding(scene, tenant, lane.paused) for tenant, lane in lanes if lane.paused is not None]


def _finding(scene: Scene, tenant: Tenant, paused: Paused) -> Finding:
    parts = [one for one in scene.waiting[tenant.tenant_id].reasons if one.reason == Reason.PAUSED]
    leads = sum(part.leads for part in parts)
    is_long = paused.until - (paused.since or scene.at) > _LONG
    odd = paused.by is None or is_long
    until = paused.until.isoformat(timespec="seconds")
    return Finding(
        CODE,
        Severity.WARNING if odd and leads else Severity.INFO,
        of_tenant(tenant.name),
        _sentence(paused, leads, written(paused.until, tenant.time_zone)),
        ({"until": until, "by": paused.by, "why": paused.why},),
        paused.since,
        f"lead-router resume {tenant.name}",
        held_back=leads,
        oldest=min((part.oldest_queued_at for part in parts), default=None),
    )


def _sentence(paused: Paused, leads: int, until: str) -> str:
    if paused.by:
        said = worded("paused until {until}, by {who}", until=until, who=paused.by)
    else:
        said = worded("paused until {until}, it is not recorded by whom", until=until)
    if paused.why:
        said += worded(": {why}", why=paused.why)
    return said + worded_count("; {count:,} lead waits", "; {count:,} leads wait", leads) if leads else said
