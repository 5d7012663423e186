"""Rules or roster of a tenant, as of a later release, cannot be read by this one: nothing of it is routed."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import worded

CODE = "rules_unreadable"


async def look(scene: Scene) -> Sequence[Finding]:
    found = []
    for tenant in scene.tenants:
        if why := scene.unreadable.get(tenant.tenant_id):
            waiting = scene.waiting[tenant.tenant_id]
            oldest = min((part.oldest_queued_at for part in waiting.reasons), default=None)
            sentence = worded("its rules or roster cannot be read by this version: {why}", why=why)
            command = f"lead-router rules list --tenant {tenant.name}"
            found.append(
                Finding(
                    CODE,
                    Severity.CRITICAL,
                    of_tenant(tenant.name),
                    sentence,
                    command=command,
                    held_back=waiting.leads,
                    oldest=oldest,
                )
            )
    return found
