"""Reps who came lately and never had a lead, beside their colleagues."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from router.store.statements import Connection, load

_SQL = load("new_reps")


@dataclass(frozen=True, slots=True)
class NewRep:
    """An active, available rep who came at `came_at` (UTC), is in `groups` (numbers), and never had a lead."""

    tenant_id: int
    rep_no: int
    rep_id: str
    came_at: datetime
    groups: Sequence[int]


async def new_reps_without_leads(
    conn: Connection, tenant_ids: Sequence[int], since: datetime, until: datetime, limit: int
) -> list[NewRep]:
    """Those who came between these times, at most so many."""
    rows = await _SQL.without_leads.fetch(conn, tenant_ids=list(tenant_ids), since=since, until=until, limit=limit)
    return [NewRep(*row) for row in rows]


async def colleagues_served(conn: Connection, rep: NewRep, limit: int) -> tuple[int, int]:
    """Of at most `limit` other active members of the groups: how many there are, and how many had a lead since."""
    row = await _SQL.colleagues.row(
        conn, tenant_id=rep.tenant_id, rep_no=rep.rep_no, groups=list(rep.groups), since=rep.came_at, limit=limit
    )
    assert row is not None
    return row["members"], row["served"]
