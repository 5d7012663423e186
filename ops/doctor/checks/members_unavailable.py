"""Nobody of a group that rules use is available, though normally somebody is at this time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING

from ops.doctor.finding import Confidence, Finding, NotApplicable, Severity, of_tenant
from ops.doctor.scene import Scene
from ops.doctor.usually import is_unusual, moments_before
from ops.doctor.waits import WaitForGroups, waits_for_groups
from router.domain.roster import one_rep
from router.domain.worded import Worded, worded
from router.domain.written_time import written
from router.store.tenants import Tenant
from router.store.unavailable import as_they_are_since, available_at, groups_without_anybody
from router.store.waiting import pool_by_key

if TYPE_CHECKING:
    from ops.doctor.members import Member

CODE = "members_unavailable"
# Of a large group so many tell how it normally is.
_ASKED_ABOUT = 200


async def look(scene: Scene) -> Sequence[Finding]:
    readable = [one for one in scene.tenants if one.ruleset and one.tenant_id not in scene.unreadable]
    if not readable:
        raise NotApplicable(worded("no tenant has rules"))
    empty = await groups_without_anybody(scene.conn, [one.tenant_id for one in readable], scene.at)
    asked = [tenant for tenant in readable if tenant.tenant_id in empty]
    return [finding for tenant in asked async for finding in _of_tenant(scene, tenant, empty[tenant.tenant_id])]


async def _of_tenant(scene: Scene, tenant: Tenant, groups: Sequence[int]) -> AsyncIterator[Finding]:
    from ops.doctor.members import nobody_available  # noqa: PLC0415 - NumPy, and most tenants need it never

    found = await nobody_available(scene.conn, tenant, groups, scene.at)
    rows = await pool_by_key(scene.conn, tenant.tenant_id, scene.at) if found else ()
    for group, members in found.items():
        since = await _unusual_since(scene, tenant, members)
        if since is not None:
            yield _finding(tenant, members, since, waits_for_groups(rows, [group]))


async def _unusual_since(scene: Scene, tenant: Tenant, members: Sequence[Member]) -> datetime | None:
    """Since when it is so; None = that is as always."""
    numbers = [member.rep_no for member in members[:_ASKED_ABOUT]]
    changed = await as_they_are_since(scene.conn, tenant.tenant_id, numbers)
    since = max(member.began(changed.get(member.rep_no, scene.at)) for member in members[:_ASKED_ABOUT])
    known = await available_at(scene.conn, tenant.tenant_id, numbers, moments_before(scene.at, since))
    return since if is_unusual(scene.at, since, known, len(numbers)) else None


def _finding(tenant: Tenant, members: Sequence[Member], since: datetime, waits: WaitForGroups) -> Finding:
    return Finding(
        CODE,
        # Leave was planned, and ends by itself.
        Severity.CRITICAL if waits.leads and any(one.why != "on leave" for one in members) else Severity.WARNING,
        of_tenant(tenant.name),
        _sentence(members, written(since, tenant.time_zone)),
        tuple({"rep": member.rep_id, "group": member.group, "is": str(member.why)} for member in members[:10]),
        since,
        f"lead-router reps list --tenant {tenant.name}",
        held_back=waits.leads,
        oldest=waits.oldest,
        # What the source says is the cause then: availability_unreadable.
        confidence=Confidence.MEDIUM if any(member.doubtful for member in members) else Confidence.HIGH,
    )


def _sentence(members: Sequence[Member], since: str) -> Worded:
    name = members[0].group
    whys = dict.fromkeys(member.why for member in members)
    why = reduce(lambda before, one: worded("{what} or {other}", what=before, other=one), whys)
    if (rep_id := one_rep(name)) is not None:
        return worded(
            "rep {rep}, to whom a rule assigns, is not available since {since}: the rep is {why}",
            rep=rep_id,
            since=since,
            why=why,
        )
    if len(members) == 1:
        return worded(
            "nobody in group {group} is available since {since}: its only member is {why}",
            group=name,
            since=since,
            why=why,
        )
    return worded(
        "nobody in group {group} is available since {since}: all {members:,} members are {why}",
        group=name,
        since=since,
        members=len(members),
        why=why,
    )
