"""The rules of a tenant ask who is present, and that is not known now."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, NotApplicable, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import worded
from router.drain.presence import Unsure
from router.store.status import rules_with
from router.store.tenants import Tenant

CODE = "presence_unknown"

SENTENCES = {
    Unsure.NO_REDIS: worded(
        "presence unknown: no Redis is configured (LEAD_ROUTER_REDIS_URL); working hours alone decide"
    ),
    Unsure.NO_ANSWER: worded(
        "presence unknown: Redis does not answer; routers use the last known presence for up to one ttl, then working "
        "hours alone"
    ),
    Unsure.TOO_NEW: worded("presence unknown: Redis has been running for less than one ttl; no rep counts as away yet"),
}


async def look(scene: Scene) -> Sequence[Finding]:
    mentioned = await rules_with(scene.conn, scene.tenant_ids, "presence")
    if not mentioned:
        raise NotApplicable(worded("no rules in force use presence"))
    tenants = [tenant for tenant in scene.tenants if tenant.tenant_id in mentioned]
    if await scene.presence.unreachable() is None:
        # Then only who is watched and not known yet; nobody's rules have to be read for that.
        asked = [(tenant, scene.presence.unsure(tenant.tenant_id)) for tenant in tenants]
    else:
        asked = [(tenant, await _unsure(scene, tenant)) for tenant in tenants]
    return [
        Finding(CODE, Severity.WARNING, of_tenant(tenant.name), SENTENCES[unsure], ({"why": str(unsure)},))
        for tenant, unsure in asked
        if unsure is not None
    ]


async def _unsure(scene: Scene, tenant: Tenant) -> Unsure | None:
    known = scene.presence.unsure(tenant.tenant_id)
    if known is not None:
        return known
    from router.store.rulesets import load_ruleset  # noqa: PLC0415

    rules = await load_ruleset(scene.conn, tenant.tenant_id, tenant.ruleset)
    return await scene.presence.unreachable() if rules.presence else None
