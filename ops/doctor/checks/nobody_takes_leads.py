"""Leads are ready to be decided about, and for a minute nobody has taken any of the tenant's."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from ops.waiting.waiting import READY, WaitingLeads
from router.domain.phrases import count, duration
from router.store.processes import count_living
from router.store.status import LaneStatus
from router.store.tenants import Tenant

CODE = "nobody_takes_leads"

_PATIENCE = timedelta(minutes=1)


async def look(scene: Scene) -> Sequence[Finding]:
    found = []
    for tenant in scene.tenants:
        lane = scene.lanes.get(tenant.tenant_id, LaneStatus())
        ready = [part for part in scene.waiting[tenant.tenant_id].reasons if part.reason == READY]
        late = [part for part in ready if scene.at - part.oldest_queued_at > _PATIENCE]
        # A long backlog is old, and is being worked on.
        idle = lane.last_batch_at is None or scene.at - lane.last_batch_at > _PATIENCE
        if late and idle and lane.paused is None:
            found.append(_finding(tenant, lane, late[0], scene.at, await count_living(scene.conn)))
    return found


def _finding(tenant: Tenant, lane: LaneStatus, ready: WaitingLeads, at: datetime, routers: int) -> Finding:
    sentence = f"{count(ready.leads, 'ready lead')}, and nobody takes them: "
    if lane.last_batch_at is None:
        sentence += "there has been no batch yet"
    else:
        sentence += f"the last batch was {duration((at - lane.last_batch_at).total_seconds())} ago"
    sentence += f"; {count(routers, 'router works', 'routers work')}" if routers else "; no router works"
    evidence = (
        {
            "ready": ready.leads,
            "routers": routers,
            "last_batch_at": lane.last_batch_at.isoformat() if lane.last_batch_at else None,
            "lane_held_by": lane.holder.pid if lane.holder else None,
        },
    )
    return Finding(
        CODE,
        Severity.CRITICAL,
        of_tenant(tenant.name),
        sentence,
        evidence,
        ready.oldest_queued_at,
        "lead-router blockers" if routers else "lead-router serve",
        held_back=ready.leads,
        oldest=ready.oldest_queued_at,
    )
