"""The zone of the database's sessions, or of this host, gives leads another day than their tenant's zone."""

from collections.abc import Sequence
from datetime import timedelta

from ops.doctor.finding import Finding, NotApplicable, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.calendar import zone, zone_names
from router.domain.worded import worded, worded_count
from router.store.stamps import leads_of_other_days
from router.store.status import rules_with
from router.store.tenants import Tenant

CODE = "zones_differ"
_DAY = timedelta(days=1)


async def look(scene: Scene) -> Sequence[Finding]:
    session_zone = scene.room.time_zone
    if session_zone not in zone_names():
        if not session_zone:
            raise NotApplicable(worded("the server's time zone is not to be seen is none that is known here"))
        raise NotApplicable(worded("the server's time zone {zone} is none that is known here", zone=session_zone))
    session = _offset(scene, session_zone)
    apart = {one.tenant_id: off for one in scene.tenants if (off := _offset(scene, one.time_zone)) != session}
    if not apart:
        return ()
    differ = await leads_of_other_days(scene.conn, apart, session, scene.at - _DAY)
    asked = [tenant for tenant in scene.tenants if differ.get(tenant.tenant_id, (0, 0))[1]]
    by_day = await rules_with(scene.conn, [tenant.tenant_id for tenant in asked], "created") if asked else set()
    return [_finding(scene, one, *differ[one.tenant_id], asks=one.tenant_id in by_day) for one in asked]


def _offset(scene: Scene, name: str) -> timedelta:
    offset = scene.at.astimezone(zone(name)).utcoffset()
    assert offset is not None
    return offset


def _finding(scene: Scene, tenant: Tenant, leads: int, differ: int, *, asks: bool) -> Finding:
    session = scene.room.time_zone
    sentence = worded_count(
        "{differ} of {count:,} lead of the last 24 h are of another day in the database's zone ({session}) than in the "
        "tenant's ({zone}): SQL and reports that use the session's day count them elsewhere; routing is not affected, "
        "it uses the tenant's day",
        "{differ} of {count:,} leads of the last 24 h are of another day in the database's zone ({session}) than in "
        "the tenant's ({zone}): SQL and reports that use the session's day count them elsewhere; routing is not "
        "affected, it uses the tenant's day",
        leads,
        differ=differ,
        session=session,
        zone=tenant.time_zone,
    )
    row = {"tenant": tenant.time_zone, "sessions": session, "leads": leads, "of_another_day": differ}
    if scene.host_at is not None:
        row["this_host"] = f"UTC{scene.host_at.astimezone():%z}"
    return Finding(
        CODE,
        # Where rules go by the day, whoever checks them by SQL sees other leads than routing does.
        Severity.WARNING if asks else Severity.INFO,
        of_tenant(tenant.name),
        sentence,
        (row,),
        command=f"lead-router rules list --tenant {tenant.name}" if asks else "lead-router runbook zones_differ",
    )
