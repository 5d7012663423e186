"""The last sync of a roster met values that it does not understand."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from ops.roster_sync.judge import only_of_a_type
from router.domain.worded import worded
from router.store.status import roster_syncs

CODE = "roster_not_understood"


async def look(scene: Scene) -> Sequence[Finding]:
    syncs = await roster_syncs(scene.conn, scene.tenant_ids)
    return [
        Finding(CODE, _severity(warning), of_tenant(tenant.name), worded("roster: {warning}", warning=warning))
        for tenant in scene.tenants
        if tenant.tenant_id in syncs
        for warning in syncs[tenant.tenant_id].warnings
    ]


def _severity(warning: str) -> Severity:
    """What is not understood has a line of its own. A column of another type alone may stay so for years."""
    return Severity.INFO if only_of_a_type(warning) else Severity.WARNING
