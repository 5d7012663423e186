"""Groups of which nobody is available: since when, and whether that was so before."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from router.store.statements import Connection, load

_SQL = load("unavailable")


async def groups_without_anybody(conn: Connection, ids: Sequence[int], now: datetime) -> dict[int, list[int]]:
    """By tenant: the numbers of groups with members, none of whom is available without a doubt (leave is one)."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for tenant_id, group_no in await _SQL.groups.fetch(conn, tenant_ids=ids, now=now):
        found[tenant_id].append(group_no)
    return dict(found)


async def as_they_are_since(conn: Connection, tenant_id: int, rep_nos: Sequence[int]) -> dict[int, datetime]:
    """By rep number: since when the roster has had the rep as available as it has now (UTC)."""
    return {row[0]: row[1] for row in await _SQL.changed.fetch(conn, tenant_id=tenant_id, rep_nos=rep_nos)}


async def available_at(
    conn: Connection, tenant_id: int, rep_nos: Sequence[int], moments: Sequence[datetime]
) -> dict[datetime, int]:
    """How many of these reps the roster had as available at each moment; moments before the first one are left out."""
    rows = await _SQL.available_at.fetch(conn, tenant_id=tenant_id, rep_nos=rep_nos, moments=moments)
    return {row[0]: row[1] for row in rows}
