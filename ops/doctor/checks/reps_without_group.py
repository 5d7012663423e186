"""Active reps who are in no group, or only in groups that no rule names: no rule can give them a lead."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.coverage import UnnamedGroup
from router.domain.worded import Worded, worded_count
from router.domain.worded_phrases import in_a_row, worded_list
from router.rules.file import RulesError
from router.store.rules_lint import groups_no_rule_names
from router.store.status import reps_without_group, tenants_with_unnamed_groups
from router.store.tenants import Tenant

CODE = "reps_without_group"
_NAMED = 3
_SHOWN = 10


async def look(scene: Scene) -> Sequence[Finding]:
    alone = await reps_without_group(scene.conn, scene.tenant_ids)
    # Reading the rules of every tenant would make `status` slow: the database sorts out those where all is well.
    asked = set(scene.tenant_ids if scene.thorough else await tenants_with_unnamed_groups(scene.conn, scene.tenant_ids))
    found = []
    for tenant in scene.tenants:
        readable = tenant.tenant_id in asked and tenant.tenant_id not in scene.unreadable
        unnamed = await _unnamed(scene, tenant) if readable else []
        if unnamed or tenant.tenant_id in alone:
            found.append(_finding(tenant, alone.get(tenant.tenant_id, ()), unnamed))
    return found


async def _unnamed(scene: Scene, tenant: Tenant) -> Sequence[UnnamedGroup]:
    """Rules that cannot be read are another finding."""
    try:
        return await groups_no_rule_names(scene.conn, tenant)
    except RulesError:
        return ()


def _finding(tenant: Tenant, alone: Sequence[str], unnamed: Sequence[UnnamedGroup]) -> Finding:
    parts = [_in_no_group(alone)] if alone else []
    parts += [one.words for one in unnamed[:_NAMED]]
    if len(unnamed) > _NAMED:
        parts.append(
            worded_count(
                "and {count:,} more group that no rule names",
                "and {count:,} more groups that no rule names",
                len(unnamed) - _NAMED,
            )
        )
    in_groups = ({"rep_id": rep, "group": one.group, "did_you_mean": one.meant} for one in unnamed for rep in one.reps)
    evidence: tuple[Mapping[str, Any], ...] = (*({"rep_id": rep} for rep in alone[:_SHOWN]), *islice(in_groups, _SHOWN))
    command = f"lead-router reps list --tenant {tenant.name}"
    return Finding(CODE, Severity.WARNING, of_tenant(tenant.name), in_a_row(parts), evidence[:_SHOWN], command=command)


def _in_no_group(reps: Sequence[str]) -> Worded:
    return worded_count(
        "{count:,} active rep in no group: {reps}; no rule gives them leads",
        "{count:,} active reps in no group: {reps}; no rule gives them leads",
        len(reps),
        reps=worded_list(reps),
    )
