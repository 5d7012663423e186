"""Whether presence can be known at all now, for those whose rules ask for it."""

from dataclasses import replace

from ops.status.status import Status
from ops.why.english import ENGLISH
from router.drain.presence import Presence
from router.store.rulesets import load_ruleset
from router.store.statements import Connection


async def unknown_presence(conn: Connection, found: Status, presence: Presence) -> Status:
    """The same status, with a warning at each tenant whose rules ask for presence while that is not known."""
    tenants = []
    for one in found.tenants:
        tenant, unsure = one.tenant, presence.unsure(one.tenant.tenant_id)
        if unsure is None and tenant.ruleset and (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).presence:
            unsure = await presence.unreachable()
        warning = () if unsure is None else (ENGLISH.unsure[unsure],)
        tenants.append(replace(one, warnings=(*one.warnings, *warning)))
    return replace(found, tenants=tenants)
