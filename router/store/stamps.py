"""When leads say that they were created, beside when they arrived: what clocks and zones of sources do to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from router.store.statements import Connection, load

_SQL = load("stamps")

# Of each tenant; a source that sends less than one lead in fifty is not seen among so many.
_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class SourceStamps:
    """The last leads of a source. `middle_s`, and `low_s` to `high_s` for the half of them around it: by how many
    seconds created_at is ahead of the arrival. `stamps` and `arrivals` = how many different ones there are; `future` =
    so many are too far ahead.
    """

    tenant_id: int
    source: str
    leads: int
    middle_s: float
    low_s: float
    high_s: float
    stamps: int
    arrivals: int
    future: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """Of one lead; both times UTC."""

    lead_id: int
    external_id: str
    created_at: datetime
    received_at: datetime

    @property
    def ahead(self) -> timedelta:
        return self.created_at - self.received_at


async def noticeable_stamps(
    conn: Connection, ids: Sequence[int], since: datetime, of_source: int, least: int, ahead: timedelta
) -> list[SourceStamps]:
    """Of each source, its last `of_source` leads since then: sources of `least` leads that are off by more than
    `ahead` in the middle, and those that have any lead so far ahead.
    """
    rows = await _SQL.offsets.fetch(
        conn,
        tenant_ids=ids,
        since=since,
        looked_at=_LOOKED_AT,
        of_source=of_source,
        least=least,
        ahead=ahead.total_seconds(),
    )
    return [SourceStamps(*row) for row in rows]


async def stamps_of(conn: Connection, tenant_id: int, source: str, since: datetime) -> list[Stamp]:
    """Of the last leads of a source, the youngest first."""
    rows = await _SQL.stamps.fetch(conn, tenant_id=tenant_id, source=source, since=since, looked_at=_LOOKED_AT)
    return [Stamp(*row) for row in rows]


async def unmatched_leads(conn: Connection, tenant_id: int, source: str) -> tuple[int, datetime | None]:
    """How many leads of a source wait that no rule matched, and since when the oldest does (UTC)."""
    row = await _SQL.unmatched.row(conn, tenant_id=tenant_id, source=source)
    assert row is not None
    return row["leads"], row["oldest"]


async def leads_of_other_days(
    conn: Connection, offsets: Mapping[int, timedelta], session: timedelta, since: datetime
) -> dict[int, tuple[int, int]]:
    """By tenant: how many leads came since then (of the last that are looked at), and how many of them are of another
    day by the session's offset than by the tenant's.
    """
    rows = await _SQL.other_days.fetch(
        conn,
        tenant_ids=list(offsets),
        offsets_s=[offset.total_seconds() for offset in offsets.values()],
        session_s=session.total_seconds(),
        since=since,
        looked_at=_LOOKED_AT,
    )
    return {row[0]: (row[1], row[2]) for row in rows}
