"""Cleanup as it is stored: who may clean, what is old, removing it in small batches, and what each run came to."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from router.store.statements import Connection, Row, load

_SQL = load("cleanup")
ALL_TENANTS = 0
"""In place of a tenant, for what is done to the partitions of all."""


async def take_lease(conn: Connection, holder: int, lease_s: float) -> bool:
    """Takes or renews the right to clean; False while another process has it."""
    return await _SQL.take_lease.value(conn, holder=holder, lease_s=lease_s) is not None


async def give_back_lease(conn: Connection, holder: int) -> None:
    """Nothing where it was lost already."""
    await _SQL.give_back_lease.execute(conn, holder=holder)


@dataclass(frozen=True, slots=True)
class Run:
    """A cleanup of a tenant (0 = partitions): rows `removed` by table; `outcome` None = it is under way, or its process
    ended. `done_at` = when a run last came to its end (UTC).
    """

    tenant_id: int
    actor: str
    began_at: datetime
    ended_at: datetime | None
    outcome: str | None
    removed: dict[str, int]
    note: str
    done_at: datetime | None


async def begin_run(conn: Connection, tenant_id: int, actor: str) -> int:
    """Returns the number of the run."""
    return int(await _SQL.begin_run.value(conn, tenant_id=tenant_id, actor=actor))


async def end_run(conn: Connection, tenant_id: int, run_no: int, outcome: str, note: str) -> None:
    """The first end counts."""
    await _SQL.end_run.execute(conn, tenant_id=tenant_id, run_no=run_no, outcome=outcome, note=note)


async def note_removed(conn: Connection, tenant_id: int, run_no: int, name: str, rows: int) -> None:
    """Adds to what the run removed from a table."""
    await _SQL.note_removed.execute(conn, tenant_id=tenant_id, run_no=run_no, name=name, rows=rows)


async def last_runs(conn: Connection, tenant_ids: Sequence[int]) -> dict[int, Run]:
    """By tenant, of those that were ever cleaned; number 0 has the partitions."""
    rows = await _SQL.last_runs.fetch(conn, tenant_ids=list(tenant_ids))
    return {row["tenant_id"]: _run(row) for row in rows}


def _run(row: Row) -> Run:
    removed: dict[str, int] = msgspec.json.decode(row["removed"])
    begun = (row["tenant_id"], row["actor"], row["began_at"], row["ended_at"], row["outcome"])
    return Run(*begun, removed, row["note"], row["done_at"])


async def created_at(conn: Connection, tenant_ids: Sequence[int]) -> dict[int, datetime]:
    """Since when each tenant is there (UTC)."""
    return {row[0]: row[1] for row in await _SQL.ages.fetch(conn, tenant_ids=list(tenant_ids))}


async def oldest_flight(conn: Connection, tenant_id: int) -> datetime | None:
    """The time of the first flight record that is there (UTC)."""
    async with conn.transaction():
        await _SQL.steady_plans.execute(conn)
        at: datetime | None = await _SQL.oldest_flight.value(conn, tenant_id=tenant_id)
    return at


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the drain of a tenant is at `at` (UTC); `ready` = leads wait that it could place, `turn` = a script of
    others that cleans has its turn.
    """

    at: datetime
    batch_no: int
    ready: bool
    turn: bool = False


async def progress(conn: Connection, tenant_id: int) -> Progress | None:
    """None for a tenant without a lane."""
    async with conn.transaction():
        await _SQL.steady_plans.execute(conn)
        row = await _SQL.progress.row(conn, tenant_id=tenant_id)
        turn = await _SQL.turn.value(conn, tenant_id=tenant_id)
    if row is None:
        return None
    return Progress(row["now"], row["batch_no"], row["ready"] and not row["paused"], turn)


async def routed(conn: Connection, tenant_id: int, after: int, upto: int) -> int:
    """Leads in the batches after one and up to another."""
    return int(await _SQL.routed.value(conn, tenant_id=tenant_id, after=after, upto=upto))


async def count_old(conn: Connection, name: str, tenant_id: int, before: datetime) -> int:
    """How many rows `remove_old` would remove in all; `name` as there."""
    return int(await _statement("count", name).value(conn, tenant_id=tenant_id, before=before))


async def remove_old(conn: Connection, name: str, tenant_id: int, before: datetime, limit: int) -> int:
    """Removes at most `limit` old rows of `closed`, `flights`, `changes`, `runs` or `jobs`, in the caller's
    transaction; returns how many. What somebody else holds is passed over.
    """
    await _SQL.steady_plans.execute(conn)
    if name == "closed":
        return await _archive(conn, tenant_id, before, limit)
    return int(await _statement("remove", name).value(conn, tenant_id=tenant_id, before=before, limit=limit))


def _statement(verb: str, name: str) -> Any:
    return getattr(_SQL, f"{verb}_{name}")


async def _archive(conn: Connection, tenant_id: int, before: datetime, limit: int) -> int:
    closed = {row[0] for row in await _SQL.old_closed.fetch(conn, tenant_id=tenant_id, before=before, limit=limit)}
    if not closed:
        return 0
    merged = await _merged_into(conn, tenant_id, closed)
    every = [lead_id for ids in merged.values() for lead_id in ids]
    held = (
        {row[0] for row in await _SQL.hold_leads.fetch(conn, tenant_id=tenant_id, lead_ids=every)} if every else set()
    )
    ours = [lead_id for lead_id in closed if held.issuperset(merged[lead_id])]
    with_them = [lead_id for one in ours for lead_id in merged[one]]
    return int(await _SQL.archive.value(conn, tenant_id=tenant_id, lead_ids=ours, merged_ids=with_them))


async def _merged_into(conn: Connection, tenant_id: int, closed: Collection[int]) -> dict[int, list[int]]:
    merged: defaultdict[int, list[int]] = defaultdict(list)
    for lead_id, into in await _SQL.merged_into.fetch(conn, tenant_id=tenant_id, lead_ids=list(closed)):
        merged[into].append(lead_id)
    return merged
