"""Leads by hour: received, and assigned by each rule. Counted once, as they come; kept for some weeks."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from router.store.statements import Connection, Row, load

_SQL = load("hour_counts")

RECEIVED, RULE = "received", "rule"


@dataclass(frozen=True, slots=True)
class Reached:
    """Up to which lead and batch a tenant is counted; `trends` by rule name, as whoever counts wrote them."""

    lead_id: int
    batch_no: int
    trends: dict[str, Any]


@dataclass(frozen=True, slots=True)
class HourCount:
    """Leads of one hour (its start, UTC). `minutes` = those in which there were any, as bits; `last_at` UTC."""

    hour: datetime
    what: str
    name: str
    leads: int
    minutes: int
    last_at: datetime


async def hold_reached(conn: Connection, tenant_id: int) -> Reached | None:
    """Until the transaction ends; None = another instance counts this tenant now, or it was never counted."""
    row = await _SQL.hold.row(conn, tenant_id=tenant_id)
    return None if row is None else Reached(row["lead_id"], row["batch_no"], json.loads(row["trends"]))


async def begin_counting(conn: Connection, tenant_id: int, begin: Reached) -> None:
    """From there on the tenant is counted."""
    await _SQL.begin.execute(conn, tenant_id=tenant_id, **_written(begin))


async def write_reached(conn: Connection, tenant_id: int, reached: Reached) -> None:
    """Up to there it is counted now."""
    await _SQL.reach.execute(conn, tenant_id=tenant_id, **_written(reached))


def _written(reached: Reached) -> dict[str, object]:
    return {"lead_id": reached.lead_id, "batch_no": reached.batch_no, "trends": json.dumps(reached.trends)}


async def leads_after(conn: Connection, tenant_id: int, lead_id: int, limit: int) -> Sequence[Row]:
    """Rows of (hour, leads, last_at, last_lead, minutes) of the next leads."""
    return await _SQL.leads_after.fetch(conn, tenant_id=tenant_id, lead_id=lead_id, limit=limit)


async def batches_after(conn: Connection, tenant_id: int, batch_no: int, limit: int) -> Sequence[Row]:
    """Rows of (batch_no, at, ruleset, inputs) of the next batches."""
    return await _SQL.batches_after.fetch(conn, tenant_id=tenant_id, batch_no=batch_no, limit=limit)


async def add_counts(conn: Connection, tenant_id: int, counts: Iterable[HourCount]) -> None:
    """Adds to what is there."""
    rows = [(one.hour, one.what, one.name, one.leads, one.minutes, one.last_at) for one in counts]
    if rows:
        hours, whats, names, leads, minutes, last_ats = map(list, zip(*rows, strict=True))
        await _SQL.add.execute(
            conn,
            tenant_id=tenant_id,
            hours=hours,
            whats=whats,
            names=names,
            leads=leads,
            minutes=minutes,
            last_ats=last_ats,
        )


async def counts_of(conn: Connection, tenant_id: int, hours: Iterable[datetime]) -> Sequence[Row]:
    """Rows of (hour, what, name, leads, minutes, last_at) of some hours; `minutes` is how many of them."""
    return await _SQL.of_hours.fetch(conn, tenant_id=tenant_id, hours=sorted(set(hours)))


async def forget_counts(conn: Connection, kept: timedelta) -> None:
    """Deletes counts of hours that are longer ago than `kept`."""
    await _SQL.forget.execute(conn, kept=kept)
