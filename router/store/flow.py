"""How leads flow, for pictures: arrivals by the minute, and how long the newest assigned leads waited. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from router.store.lead_lists import begin
from router.store.statements import Connection, Row, load

_SQL = load("flow")


@dataclass(frozen=True, slots=True)
class TimeToAssign:
    """Of the newest `leads` that somebody has: seconds from their acceptance to their assignment, by percentile."""

    leads: int
    median_s: float
    p90_s: float
    p99_s: float


async def arrivals(conn: Connection, tenant_id: int, floor: int, since: datetime, limit: int) -> Sequence[Row]:
    """Rows of (minute, leads, first), of at most `limit` leads from number `floor` on, the newest ones."""
    return await _SQL.arrivals.fetch(conn, tenant_id=tenant_id, floor=floor, since=since, limit=limit)


async def time_to_assign(conn: Connection, tenant_id: int, looked_at: int) -> TimeToAssign | None:
    """None while nobody has a lead."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        await begin(conn)
        row = await _SQL.time_to_assign.row(conn, tenant_id=tenant_id, looked_at=looked_at)
    return None if row is None or not row["leads"] else TimeToAssign(row["leads"], *row["seconds"])
