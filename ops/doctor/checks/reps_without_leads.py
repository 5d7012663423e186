"""Reps who came to the roster in the last two weeks never had a lead, although nearly all of their group did since."""

from collections.abc import Sequence
from datetime import timedelta

from ops.doctor.finding import Confidence, Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import worded_count
from router.domain.worded_phrases import worded_list
from router.store.new_reps import NewRep, colleagues_served, new_reps_without_leads
from router.store.tenants import Tenant

CODE = "reps_without_leads"

_CAME_WITHIN, _SETTLED = timedelta(days=14), timedelta(days=1)
_LOOKED_AT, _COLLEAGUES, _LEAST = 50, 50, 3
_NEARLY_ALL = 0.8


async def look(scene: Scene) -> Sequence[Finding]:
    since, until = scene.at - _CAME_WITHIN, scene.at - _SETTLED
    forgotten: dict[int, list[NewRep]] = {}
    for rep in await new_reps_without_leads(scene.conn, scene.tenant_ids, since, until, _LOOKED_AT):
        members, served = await colleagues_served(scene.conn, rep, _COLLEAGUES)
        if members >= _LEAST and served >= _NEARLY_ALL * members:
            forgotten.setdefault(rep.tenant_id, []).append(rep)
    return [_finding(one, forgotten[one.tenant_id]) for one in scene.tenants if one.tenant_id in forgotten]


def _finding(tenant: Tenant, reps: Sequence[NewRep]) -> Finding:
    sentence = worded_count(
        "{count:,} new rep never had a lead, though nearly all of their group did: {reps}",
        "{count:,} new reps never had a lead, though nearly all of their group did: {reps}",
        len(reps),
        reps=worded_list(rep.rep_id for rep in reps),
    )
    return Finding(
        CODE,
        Severity.WARNING,
        of_tenant(tenant.name),
        sentence,
        tuple({"rep_id": rep.rep_id, "came_at": rep.came_at.isoformat(timespec="seconds")} for rep in reps[:10]),
        min(rep.came_at for rep in reps),
        f"lead-router reps list --tenant {tenant.name}",
        confidence=Confidence.MEDIUM,
    )
