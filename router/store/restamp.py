"""Correcting the creation times of leads that a source stamped wrong; what they were is kept for replays."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from router.store.changes import Change, record_part
from router.store.pool import prune_wake_keys
from router.store.retry import HeldLane, call_lane, hold_lane
from router.store.statements import Connection, load

_SQL = load("restamp")


class Standing(StrEnum):
    """Where leads are whose times can be corrected."""

    WAITING = "waiting"
    PARKED = "parked"


_NEXT = {Standing.WAITING: _SQL.waiting_next, Standing.PARKED: _SQL.parked_next}
_TAKE = {Standing.WAITING: _SQL.take_waiting, Standing.PARKED: _SQL.take_parked}


@dataclass(frozen=True, slots=True)
class Stamped:
    """A lead with its creation time and its arrival (UTC); `corrected` = its creation time was corrected before."""

    lead_id: int
    created_at: datetime
    received_at: datetime
    corrected: bool


@dataclass(frozen=True, slots=True)
class Part:
    """What one transaction did: so many leads corrected, under the change of this number (None = none yet)."""

    corrected: int
    change: int | None


async def has_source(conn: Connection, tenant_id: int, source: str) -> bool:
    """Whether any lead came from this source ("" = from none)."""
    return bool(await _SQL.has_source.value(conn, tenant_id=tenant_id, source=source))


async def next_stamped(
    conn: Connection, tenant_id: int, standing: Standing, source: str, since: datetime | None, after: int, limit: int
) -> list[Stamped]:
    """At most `limit` leads of a source after lead `after`, accepted since then; in the caller's transaction."""
    await _SQL.steady_plans.execute(conn)
    rows = await _NEXT[standing].fetch(
        conn, tenant_id=tenant_id, source=source, since=since, after_lead_id=after, limit=limit
    )
    return [Stamped(*row) for row in rows]


async def repeats_of(conn: Connection, tenant_id: int, leads: Sequence[Stamped]) -> int:
    """How many leads are merged into these."""
    of = {"tenant_id": tenant_id, "lead_ids": [lead.lead_id for lead in leads]}
    return int(await _SQL.repeats_of.value(conn, **of) or 0)


async def correct(
    conn: Connection,
    tenant_id: int,
    standing: Standing,
    leads: Sequence[Stamped],
    shift: timedelta,
    token: int,
    change: Callable[[int], Change],
    number: int | None,
) -> Part:
    """Shifts the creation times of these leads, as far as they are still there, and has waiting ones tried again; in
    the caller's transaction, which holds the lane from here on: every batch until now was decided with the old times.

    `change` makes of the leads of this part the entry of the change log, `number` as in `record_part`. Raises
    asyncpg.LockNotAvailableError when somebody keeps the lane; rows that somebody keeps are passed over.
    """
    await _SQL.steady_plans.execute(conn)
    held = await hold_lane(conn, tenant_id)
    taken = await _take(conn, tenant_id, standing, leads)
    if taken.before:
        number = await record_part(conn, tenant_id, change(len(taken.before)), number)
        await _shift(conn, held, standing, taken.before, shift, number)
    await prune_wake_keys(conn, tenant_id, sorted(taken.wake_keys | {held.key}))
    await call_lane(conn, held.lane, token, held.next_key)
    return Part(len(taken.before), number)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What is locked: creation times by lead, and the wake keys that the leads waited under."""

    before: dict[int, datetime]
    wake_keys: set[int]


async def _take(conn: Connection, tenant_id: int, standing: Standing, leads: Sequence[Stamped]) -> _Taken:
    """Those of the leads that are where they were and as they were, and that nobody else keeps."""
    known = {lead.lead_id: lead.created_at for lead in leads}
    rows = await _TAKE[standing].fetch(conn, **_named(tenant_id, list(known)))
    there = [row["lead_id"] for row in rows]
    times = await _SQL.take_leads.fetch(conn, **_named(tenant_id, there)) if there else []
    before = {lead_id: at for lead_id, at in times if at == known[lead_id]}
    return _Taken(before, {row["wake_key"] for row in rows if row["lead_id"] in before} - {0})


async def _shift(
    conn: Connection, held: HeldLane, standing: Standing, before: dict[int, datetime], shift: timedelta, number: int
) -> None:
    leads = _named(held.lane.tenant_id, list(before))
    by = {"shift_s": shift.total_seconds()}
    await _SQL.keep.execute(
        conn,
        tenant_id=held.lane.tenant_id,
        lead_ids=list(before),
        before=list(before.values()),
        batch_no=held.lane.batch_no,
        change_id=number,
        **by,
    )
    await _SQL.correct_leads.execute(conn, **leads, **by)
    if standing is Standing.WAITING:
        await _SQL.correct_pool.execute(conn, wake_key=held.key, **leads, **by)


def _named(tenant_id: int, lead_ids: Sequence[int]) -> dict[str, Any]:
    return {"tenant_id": tenant_id, "lead_ids": lead_ids, "first": min(lead_ids), "last": max(lead_ids)}
