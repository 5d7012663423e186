"""The groups of a tenant: their numbers, which stay, and their names."""

from router.domain.roster_change import GroupNumbers
from router.store.statements import Connection, load

_SQL = load("groups")


async def group_names(conn: Connection, tenant_id: int) -> dict[int, str]:
    """All groups that ever were, by number."""
    return {row["group_no"]: row["name"] for row in await _SQL.names.fetch(conn, tenant_id=tenant_id)}


async def add_groups(conn: Connection, tenant_id: int, groups: GroupNumbers) -> None:
    """Stores those that are new."""
    await _SQL.add.execute(conn, tenant_id=tenant_id, group_nos=list(groups.new), names=list(groups.new.values()))
