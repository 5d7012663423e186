"""Snapshots of what reps sold lately: made from assignments as of a moment, kept by version."""

from datetime import datetime, timedelta

import msgspec

from router.domain.rates import Rates, Tally
from router.domain.ruleset import CloseRate, SoldProduct
from router.domain.text import fold
from router.store.statements import Connection, load

_SQL = load("rates")


class _Body(msgspec.Struct, array_like=True):
    """The stored form: segment -> rep number -> (leads, wins); product -> rep numbers."""

    by_segment: dict[str, dict[int, tuple[int, int]]]
    sold: dict[str, list[int]]


async def load_rates(conn: Connection, tenant_id: int, version: int) -> Rates:
    """A snapshot by version; 0 = nothing known yet. Raises LookupError for a version that never was."""
    if version == 0:
        return Rates()
    row = await _SQL.snapshot.row(conn, tenant_id=tenant_id, version=version)
    if row is None:
        raise LookupError(f"tenant {tenant_id} has no close rates of version {version}")
    body = msgspec.msgpack.decode(row["body"], type=_Body)
    return Rates(
        version=version,
        as_of=row["as_of"],
        by_segment={
            segment: {rep: Tally(*counts) for rep, counts in tallies.items()}
            for segment, tallies in body.by_segment.items()
        },
        sold={product: frozenset(reps) for product, reps in body.sold.items()},
    )


async def in_force_as_of(conn: Connection, tenant_id: int) -> datetime | None:
    """The moment of the snapshot in force; None = there is none yet."""
    at: datetime | None = await _SQL.in_force_as_of.value(conn, tenant_id=tenant_id)
    return at


async def take_snapshot(
    conn: Connection, tenant_id: int, as_of: datetime, close_rate: CloseRate | None, sold: SoldProduct | None
) -> int:
    """Counts leads and wins up to `as_of` (exclusive) and makes the counts the version in force; answers it.

    Runs in a transaction of its own or the caller's. Who counted the same moment already is asked under the lock.
    """
    async with conn.transaction():
        current = await _SQL.lock_version.value(conn, tenant_id=tenant_id)
        taken = await in_force_as_of(conn, tenant_id)
        if taken is not None and taken >= as_of:
            return int(current)
        body = _Body(
            await _tallies(conn, tenant_id, as_of, close_rate) if close_rate else {},
            await _sold(conn, tenant_id, as_of, sold.lookback) if sold else {},
        )
        stored = msgspec.msgpack.encode(body)
        version = int(current) + 1
        await _SQL.put_snapshot.execute(conn, tenant_id=tenant_id, version=version, as_of=as_of, body=stored)
        await _SQL.use_version.execute(conn, tenant_id=tenant_id, version=version)
        return version


async def _tallies(
    conn: Connection, tenant_id: int, as_of: datetime, close_rate: CloseRate
) -> dict[str, dict[int, tuple[int, int]]]:
    rows = await _SQL.tallies.fetch(
        conn, tenant_id=tenant_id, segment=close_rate.segment, since=as_of - close_rate.lookback, as_of=as_of
    )
    found: dict[str, dict[int, tuple[int, int]]] = {}
    for value, rep_no, leads, wins in rows:
        tallies = found.setdefault(fold(value), {})
        # Spellings that fold to one segment are one segment.
        before = tallies.get(rep_no, (0, 0))
        tallies[rep_no] = (before[0] + leads, before[1] + wins)
    return {value: dict(sorted(tallies.items())) for value, tallies in sorted(found.items())}


async def _sold(conn: Connection, tenant_id: int, as_of: datetime, lookback: timedelta) -> dict[str, list[int]]:
    rows = await _SQL.sold.fetch(conn, tenant_id=tenant_id, since=as_of - lookback, as_of=as_of)
    found: dict[str, set[int]] = {}
    for product, rep_no in rows:
        found.setdefault(fold(product), set()).add(rep_no)
    return {product: sorted(reps) for product, reps in sorted(found.items())}
