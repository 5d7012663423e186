"""Leads are ready to be decided about, and for a minute nobody has taken any of the tenant's."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ops.doctor.finding import Finding, NotApplicable, Severity, of_tenant
from ops.doctor.idle import idle_tenants
from ops.doctor.scene import Scene
from router.domain.worded import worded, worded_count
from router.domain.worded_phrases import worded_duration
from router.store.processes import count_living
from router.store.status import LaneStatus, ready_leads
from router.store.tenants import Tenant

CODE = "nobody_takes_leads"

_PATIENCE = timedelta(minutes=1)


async def look(scene: Scene) -> Sequence[Finding]:
    if scene.room.exhausted:
        raise NotApplicable(worded("the server has no connection left: connections_short"))
    idle = idle_tenants(scene, _PATIENCE)
    ready = await ready_leads(scene.conn, [tenant.tenant_id for tenant in idle])
    found = []
    for tenant in idle:
        leads, oldest = ready.get(tenant.tenant_id, (0, scene.at))
        if scene.at - oldest > _PATIENCE:
            lane = scene.lanes.get(tenant.tenant_id, LaneStatus())
            found.append(_finding(tenant, lane, leads, oldest, scene.at, await count_living(scene.conn)))
    return found


def _finding(tenant: Tenant, lane: LaneStatus, leads: int, oldest: datetime, at: datetime, routers: int) -> Finding:
    evidence = (
        {
            "ready": leads,
            "routers": routers,
            "last_batch_at": lane.last_batch_at.isoformat() if lane.last_batch_at else None,
            "lane_held_by": lane.holder.pid if lane.holder else None,
        },
    )
    return Finding(
        CODE,
        Severity.CRITICAL,
        of_tenant(tenant.name),
        _sentence(lane, leads, at, routers),
        evidence,
        oldest,
        "lead-router blockers" if routers else "lead-router serve",
        held_back=leads,
        oldest=oldest,
    )


def _sentence(lane: LaneStatus, leads: int, at: datetime, routers: int) -> str:
    ready = worded_count(
        "{count:,} ready lead, and nobody takes them: ", "{count:,} ready leads, and nobody takes them: ", leads
    )
    if lane.last_batch_at is None:
        last = worded("there has been no batch yet")
    else:
        ago = worded_duration((at - lane.last_batch_at).total_seconds())
        last = worded("the last batch was {ago} ago", ago=ago)
    if not routers:
        return ready + last + worded("; no router works")
    return ready + last + worded_count("; {count:,} router works", "; {count:,} routers work", routers)
