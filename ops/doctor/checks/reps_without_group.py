"""Active reps who are in no group: no rule can give them a lead."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.phrases import count, listed
from router.store.status import reps_without_group

CODE = "reps_without_group"


async def look(scene: Scene) -> Sequence[Finding]:
    alone = await reps_without_group(scene.conn, scene.tenant_ids)
    found = []
    for tenant in scene.tenants:
        if reps := alone.get(tenant.tenant_id):
            sentence = f"{count(len(reps), 'active rep')} in no group: {listed(reps)}; no rule gives them leads"
            evidence = tuple({"rep_id": rep} for rep in reps[:10])
            command = f"lead-router reps list --tenant {tenant.name}"
            found.append(Finding(CODE, Severity.WARNING, of_tenant(tenant.name), sentence, evidence, command=command))
    return found
