"""Snapshots of what reps sold lately: made from assignments as of a moment, kept by version."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from router.domain.rates import Rates, Tally
from router.domain.ruleset import CloseRate, SoldProduct
from router.domain.text import fold
from router.store.statements import Connection, load
from router.store.transactions import retried

_SQL = load("rates")


class _Body(msgspec.Struct, array_like=True):
    """The stored form: segment -> rep number -> (leads, wins); product -> rep numbers; what was counted."""

    by_segment: dict[str, dict[int, tuple[int, int]]]
    sold: dict[str, list[int]]
    counted: str = ""


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


# Instances near midnight may differ by a day.
_APART = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a snapshot counts: history up to `as_of` (exclusive), as the rules' weights ask for it."""

    as_of: datetime
    close_rate: CloseRate | None
    sold: SoldProduct | None

    @property
    def counted(self) -> str:
        """What is counted, in words that differ when the counts would."""
        segment = f"{self.close_rate.segment} in {self.close_rate.lookback}" if self.close_rate else "no segment"
        return f"{segment}; products in {self.sold.lookback}" if self.sold else f"{segment}; no products"


async def is_taken(conn: Connection, tenant_id: int, wanted: Wanted) -> bool:
    """Whether the snapshot in force counts what is wanted, up to that moment or a later one."""
    row = await _SQL.in_force.row(conn, tenant_id=tenant_id)
    # One of a time that is yet to come, by a clock that was wrong, would stand until then.
    if row is None or not wanted.as_of <= row["as_of"] <= wanted.as_of + _APART:
        return False
    return msgspec.msgpack.decode(row["body"], type=_Body).counted == wanted.counted


@retried
async def take_snapshot(conn: Connection, tenant_id: int, wanted: Wanted) -> int:
    """Counts leads and wins and makes the counts the version in force; returns it.

    Runs in a transaction of its own or the caller's. Whether another has counted the same is asked under the lock.
    """
    as_of, close_rate, sold = wanted.as_of, wanted.close_rate, wanted.sold
    async with conn.transaction():
        current = int(await _SQL.lock_version.value(conn, tenant_id=tenant_id))
        if await is_taken(conn, tenant_id, wanted):
            return current
        body = _Body(
            await _tallies(conn, tenant_id, as_of, close_rate) if close_rate else {},
            await _sold(conn, tenant_id, as_of, sold.lookback) if sold else {},
            wanted.counted,
        )
        stored = msgspec.msgpack.encode(body)
        await _SQL.put_snapshot.execute(conn, tenant_id=tenant_id, version=current + 1, as_of=as_of, body=stored)
        await _SQL.use_version.execute(conn, tenant_id=tenant_id, version=current + 1)
        return current + 1


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
