"""Reps whose availability in the source is not understood: the last known one holds for a while, or is over."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from ops.doctor.waits import WaitForGroups, waits_for_groups
from ops.roster_sync.holds import Hold, holds, holds_told, over
from router.domain.worded import worded
from router.store.tenants import Tenant
from router.store.unavailable import groups_without_anybody
from router.store.waiting import pool_by_key

if TYPE_CHECKING:
    from ops.doctor.members import Member

CODE = "availability_unreadable"


async def look(scene: Scene) -> Sequence[Finding]:
    held = await holds(scene.conn, scene.tenant_ids)
    asked = [tenant for tenant in scene.tenants if tenant.tenant_id in held]
    return [finding for tenant in asked async for finding in _of_tenant(scene, tenant, held[tenant.tenant_id])]


async def _of_tenant(scene: Scene, tenant: Tenant, held: Sequence[Hold]) -> AsyncIterator[Finding]:
    ended = over(held, scene.at)
    running = [hold for hold in held if hold not in ended]
    waits, wanted = await _held_back(scene, tenant) if ended else (WaitForGroups(), [])
    for part, since in ((running, None), (ended, min((hold.until for hold in ended), default=None))):
        evidence = tuple({"rep": hold.rep_id, "until": hold.until.isoformat()} for hold in part[:10])
        leads = waits.leads if since else 0
        for words in holds_told(part, scene.at):
            yield Finding(
                CODE,
                Severity.CRITICAL if leads else Severity.WARNING,
                of_tenant(tenant.name),
                worded("roster: {warning}", warning=words),
                evidence,
                since,
                _command(tenant, part, wanted) if leads else f"lead-router reps list --tenant {tenant.name}",
                held_back=leads,
                oldest=waits.oldest if leads else None,
            )


def _command(tenant: Tenant, ended: Sequence[Hold], wanted: Sequence[Member]) -> str:
    """For one of those for whom leads wait: who would get them now, and was available when last known, first."""
    was = {hold.rep_id: hold.available for hold in ended}
    rep = min(wanted, key=lambda one: (not one.ready, not was.get(one.rep_id, False))).rep_id
    return shlex.join(["lead-router", "reps", "set", rep, "--tenant", tenant.name, "--available", "yes"])


async def _held_back(scene: Scene, tenant: Tenant) -> tuple[WaitForGroups, list[Member]]:
    """Leads for groups in which nobody is available, and which have such reps; and these of the groups that have
    leads waiting.
    """
    groups = (await groups_without_anybody(scene.conn, [tenant.tenant_id], scene.at)).get(tenant.tenant_id)
    if not groups or not tenant.ruleset or tenant.tenant_id in scene.unreadable:
        return WaitForGroups(), []
    from ops.doctor.members import nobody_available  # noqa: PLC0415 - NumPy, and most tenants need it never

    found = await nobody_available(scene.conn, tenant, groups, scene.at)
    doubtful = {group: [one for one in members if one.doubtful] for group, members in found.items()}
    rows = await pool_by_key(scene.conn, tenant.tenant_id, scene.at)
    waiting = [group for group, members in doubtful.items() if members and waits_for_groups(rows, [group]).leads]
    return waits_for_groups(rows, waiting), [one for group in waiting for one in doubtful[group]]
