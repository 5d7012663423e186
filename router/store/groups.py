"""The groups of a tenant: their numbers, which stay, and their names."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from router.domain.roster_change import GroupNumbers
from router.domain.text import fold
from router.store.statements import Connection, load

_SQL = load("groups")


async def group_names(conn: Connection, tenant_id: int) -> dict[int, str]:
    """All groups that ever were, by number."""
    return {row["group_no"]: row["name"] for row in await _SQL.names.fetch(conn, tenant_id=tenant_id)}


async def add_groups(conn: Connection, tenant_id: int, groups: GroupNumbers) -> None:
    """Stores those that are new."""
    await _SQL.add.execute(conn, tenant_id=tenant_id, group_nos=list(groups.new), names=list(groups.new.values()))


async def groups_with_members(conn: Connection, ids: Sequence[int]) -> dict[int, set[str]]:
    """By tenant: the folded names of groups with an active member in the roster in force."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for tenant_id, name in await _SQL.with_members.fetch(conn, tenant_ids=ids):
        found[tenant_id].add(fold(name))
    return dict(found)


async def group_reps(conn: Connection, now: datetime, limit: int) -> dict[tuple[str, str], tuple[int, int]]:
    """By names of tenant and group, of the first `limit` groups: active members with a weight, and those of them whom
    the roster has as available without a doubt, whatever their leave, hours and caps.
    """
    rows = await _SQL.reps.fetch(conn, now=now, limit=limit)
    return {(tenant, group): (members, available) for tenant, group, members, available in rows}
