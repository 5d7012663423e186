"""The states of a tenant's leads do not add up to the leads that were accepted."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import worded_count

CODE = "leads_unaccounted"


async def look(scene: Scene) -> Sequence[Finding]:
    found = []
    for tenant in scene.tenants:
        accepted, states = scene.accepted[tenant.tenant_id], scene.states[tenant.tenant_id]
        total = sum(states.values())
        if total != accepted:
            sentence = worded_count(
                "accepted {count:,} lead, but its states hold {total:,} ({more:+,})",
                "accepted {count:,} leads, but its states hold {total:,} ({more:+,})",
                accepted,
                total=total,
                more=total - accepted,
            )
            command = f"lead-router audit --tenant {tenant.name}"
            subject = of_tenant(tenant.name)
            found.append(Finding(CODE, Severity.CRITICAL, subject, sentence, (states,), command=command))
    return found
