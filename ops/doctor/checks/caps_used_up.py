"""Leads wait for groups whose members on duty have all the leads that they may have."""

from collections.abc import Sequence

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from ops.waiting.waiting import WaitingLeads
from ops.waiting.waits_words import worded_wait
from router.domain.calendar import business_day
from router.domain.reason import Reason
from router.domain.worded import worded_count
from router.domain.worded_phrases import worded_list
from router.domain.written_time import written
from router.store.tenants import Tenant

CODE = "caps_used_up"


async def look(scene: Scene) -> Sequence[Finding]:
    found = []
    for tenant in scene.tenants:
        for part in scene.waiting[tenant.tenant_id].reasons:
            if part.reason in (Reason.ALL_AT_DAILY_CAP, Reason.ALL_AT_OPEN_CAP):
                found.append(_finding(scene, tenant, part))
    return found


def _finding(scene: Scene, tenant: Tenant, part: WaitingLeads) -> Finding:
    return Finding(
        CODE,
        Severity.INFO,
        of_tenant(tenant.name),
        _sentence(scene, tenant, part),
        tuple({"reason": part.reason, "waits_for": words} for words in part.waits_for),
        part.oldest_queued_at,
        f"lead-router reps list --tenant {tenant.name}",
        held_back=part.leads,
        oldest=part.oldest_queued_at,
    )


def _sentence(scene: Scene, tenant: Tenant, part: WaitingLeads) -> str:
    groups = worded_list(map(worded_wait, part.waits_for), 3)
    if part.reason == Reason.ALL_AT_OPEN_CAP:
        return worded_count(
            "{count:,} lead waits since everybody on duty is at the limit of open leads ({groups}); it frees as leads "
            "end",
            "{count:,} leads wait since everybody on duty is at the limit of open leads ({groups}); it frees as leads "
            "end",
            part.leads,
            groups=groups,
        )
    return worded_count(
        "{count:,} lead waits since everybody on duty is at the daily limit ({groups}); it frees with the new day, "
        "{until}",
        "{count:,} leads wait since everybody on duty is at the daily limit ({groups}); it frees with the new day, "
        "{until}",
        part.leads,
        groups=groups,
        until=written(business_day(scene.at, tenant.time_zone).end, tenant.time_zone),
    )
