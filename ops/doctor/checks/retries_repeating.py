"""Parked leads are sent back again and again, and are parked again each time."""

from collections.abc import Sequence
from datetime import timedelta

from ops.doctor.finding import Finding, NotApplicable, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import worded, worded_count
from router.domain.worded_phrases import worded_list
from router.store.status import SentBack, sent_back_repeatedly
from router.store.tenants import Tenant

CODE = "retries_repeating"
_LOOKED_BACK = timedelta(days=1)
_HOURS = 3
_TIMES = 2


async def look(scene: Scene) -> Sequence[Finding]:
    asked = [tenant for tenant in scene.tenants if scene.parked.get(tenant.tenant_id)]
    if not asked:
        raise NotApplicable(worded("no lead is parked"))
    ids = [tenant.tenant_id for tenant in asked]
    rows = await sent_back_repeatedly(scene.conn, ids, scene.at - _LOOKED_BACK, _HOURS, _TIMES)
    found = []
    for tenant in asked:
        of_it = [one for one in rows if one.tenant_id == tenant.tenant_id]
        if of_it:
            found.append(_finding(tenant, of_it))
    return found


def _finding(tenant: Tenant, rows: Sequence[SentBack]) -> Finding:
    requests = [worded("{request} ({times} times)", request=one.subject, times=one.times) for one in rows]
    sentence = worded_count(
        "sent back again and again within 24 h: {requests}; {count:,} lead is parked again: the cause is still there",
        "sent back again and again within 24 h: {requests}; {count:,} leads are parked again: the cause is still there",
        sum(one.again for one in rows),
        requests=worded_list(requests, 3),
    )
    evidence = tuple(
        {
            "sent_back": one.subject,
            "times": one.times,
            "last": one.last.isoformat(timespec="seconds"),
            "parked_again": one.again,
        }
        for one in rows[:10]
    )
    command = f"lead-router status --tenant {tenant.name}"
    since = min(one.first for one in rows)
    return Finding(CODE, Severity.WARNING, of_tenant(tenant.name), sentence, evidence, since, command)
