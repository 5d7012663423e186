"""Ready leads cannot be taken: other sessions have rows, the lane or a table locked."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.phrases import count
from router.store.blocking.blocked import BlockedLeads
from router.store.tenants import Tenant

CODE = "database_busy"
_LOCKED = {"table": "a table", "lane": "the tenant's lane", "rows": "their rows"}


async def look(scene: Scene) -> Sequence[Finding]:
    waiting = ((tenant, scene.waiting[tenant.tenant_id].blocked_by) for tenant in scene.tenants)
    return [_finding(tenant, blockers) for tenant, blockers in waiting if blockers]


def _finding(tenant: Tenant, blockers: Sequence[BlockedLeads]) -> Finding:
    leads = sum(one.leads for one in blockers)
    only_rows = all(one.holds == "rows" for one in blockers)
    first = blockers[0]
    more = f", and {count(len(blockers) - 1, 'more session')}" if len(blockers) > 1 else ""
    return Finding(
        CODE,
        Severity.WARNING if only_rows else Severity.CRITICAL,
        of_tenant(tenant.name),
        f"{count(leads, 'ready lead')} cannot be taken: {first.session.named()} has {_LOCKED[first.holds]} "
        f"locked{more}",
        tuple({"process": one.session.pid, "holds": one.holds, "leads": one.leads} for one in blockers[:10]),
        min((one.session.since for one in blockers if one.session.since), default=None),
        "lead-router blockers" if only_rows else f"lead-router blockers --terminate {first.session.pid}",
        held_back=leads,
    )
