"""What waits in a tenant's pool, and what decides whether it can be taken now. Reads only, and takes no lane."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from router.store.statements import Connection, Row, load

_SQL = load("waiting")


@dataclass(frozen=True, slots=True)
class TenantNow:
    """A tenant at `now` (UTC). `versions` in force of ruleset, roster and rates; `paused_until` None = not paused.

    `time_zone` is that of its business days.
    """

    tenant_id: int
    name: str
    versions: tuple[int, int, int]
    now: datetime
    paused_until: datetime | None
    paused_why: str
    time_zone: str


async def tenant_now(conn: Connection, tenant_id: int, now: datetime | None = None) -> TenantNow:
    """The tenant at `now` (None = the database's clock), but never before its lane's own time. Raises LookupError."""
    row = await _SQL.tenant.row(conn, tenant_id=tenant_id, now=now)
    if row is None:
        raise LookupError(f"there is no tenant number {tenant_id}")
    versions = (row["ruleset"], row["roster"], row["rates"])
    until = row["paused_until"] if row["paused"] else None
    return TenantNow(tenant_id, row["name"], versions, row["now"], until, row["paused_why"] or "", row["time_zone"])


async def pool_by_key(conn: Connection, tenant_id: int, now: datetime) -> Sequence[Row]:
    """Rows of (wake_key, ruleset, targets, leads, due, oldest, recheck_at). Reads every pool row of the tenant once."""
    return await _SQL.by_key.fetch(conn, tenant_id=tenant_id, now=now)


async def inbox_loads(conn: Connection, tenant_id: int) -> tuple[dict[int, int], dict[tuple[int, date], int]]:
    """What the next batch will take off the reps' loads: open leads by rep number, and a day's leads by (rep, day)."""
    ended: dict[int, int] = {}
    of_day: dict[tuple[int, date], int] = {}
    for rep_no, day, open_delta, today_delta in await _SQL.inbox.fetch(conn, tenant_id=tenant_id):
        ended[rep_no] = ended.get(rep_no, 0) + open_delta
        if today_delta:
            of_day[rep_no, day] = today_delta
    return ended, of_day


async def recent_batches(conn: Connection, tenant_id: int, since: datetime, limit: int) -> list[tuple[datetime, int]]:
    """(time, leads) of the last batches, the youngest first."""
    rows = await _SQL.recent_batches.fetch(conn, tenant_id=tenant_id, since=since, limit=limit)
    return [(row[0], row[1]) for row in rows]
