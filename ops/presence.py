"""Whether presence can be known at all now, for those whose rules ask for it."""

from dataclasses import replace

from ops.status import Status
from router.presence import AWAY, open_redis
from router.store.rulesets import load_ruleset
from router.store.statements import Connection


async def unknown_presence(conn: Connection, found: Status, redis_url: str | None) -> Status:
    """The same status, with a warning at each tenant whose rules ask for presence while Redis does not answer."""
    asking = set()
    for tenant in (one.tenant for one in found.tenants if one.tenant.ruleset):
        if (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).presence is not None:
            asking.add(tenant.tenant_id)
    problem = await _problem(redis_url) if asking else None
    if problem is None:
        return found
    warning = f"presence unknown: {problem}; the last known holds for a while, then the working hours"
    tenants = [
        replace(one, warnings=(*one.warnings, warning)) if one.tenant.tenant_id in asking else one
        for one in found.tenants
    ]
    return replace(found, tenants=tenants)


async def _problem(redis_url: str | None) -> str | None:
    """Why Redis does not answer; None = it does."""
    if redis_url is None:
        return "no Redis is configured (LEAD_ROUTER_REDIS_URL)"
    redis = open_redis(redis_url)
    try:
        await redis.get("lead-router:status")
    except AWAY as error:
        return f"Redis does not answer ({type(error).__name__})"
    finally:
        await redis.aclose()
    return None
