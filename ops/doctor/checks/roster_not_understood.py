"""The last sync of a roster met values that it does not understand."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.store.status import roster_syncs

CODE = "roster_not_understood"


async def look(scene: Scene) -> Sequence[Finding]:
    syncs = await roster_syncs(scene.conn, scene.tenant_ids)
    return [
        Finding(CODE, Severity.WARNING, of_tenant(tenant.name), f"roster: {warning}")
        for tenant in scene.tenants
        if tenant.tenant_id in syncs
        for warning in syncs[tenant.tenant_id].warnings
    ]
