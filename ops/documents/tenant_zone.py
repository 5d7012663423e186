"""Changing a tenant's time zone: the zone, and the rules in force in it, at once."""

from dataclasses import replace

from router.store.rulesets import apply_again
from router.store.statements import Connection
from router.store.tenants import Tenant, zone_of_no_leads
from router.store.transactions import retried


@retried
async def move_zone(conn: Connection, tenant: Tenant, time_zone: str, *, actor: str, why: str = "") -> Tenant:
    """The tenant in the zone. Rules that are in force become a new version, so that every router reads them again.

    Raises TenantError, and ZoneDiffers when the rules state another zone; then nothing is changed.
    """
    async with conn.transaction():
        if time_zone == tenant.time_zone:
            return tenant
        await zone_of_no_leads(conn, tenant, time_zone, actor=actor, why=why)
        version = tenant.ruleset
        if version:
            version = (await apply_again(conn, tenant.tenant_id, version, actor, f"time zone {time_zone}")).version
    return replace(tenant, time_zone=time_zone, ruleset=version)
