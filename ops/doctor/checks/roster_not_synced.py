"""The last sync of a roster from the CRM took nothing."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import worded
from router.store.status import RosterSync, roster_syncs

CODE = "roster_not_synced"


async def look(scene: Scene) -> Sequence[Finding]:
    syncs = await roster_syncs(scene.conn, scene.tenant_ids)
    return [
        _finding(tenant.name, syncs[tenant.tenant_id])
        for tenant in scene.tenants
        if tenant.tenant_id in syncs and syncs[tenant.tenant_id].problem
    ]


def _finding(tenant: str, sync: RosterSync) -> Finding:
    taken = None if sync.taken_at is None else sync.taken_at.isoformat()
    return Finding(
        CODE,
        Severity.WARNING,
        of_tenant(tenant),
        worded("roster not synced: {problem}; the last good roster stays in use", problem=sync.problem),
        ({"tried_at": sync.tried_at.isoformat(), "taken_at": taken},),
        command=f"lead-router reps sync --tenant {tenant} --dry-run",
    )
