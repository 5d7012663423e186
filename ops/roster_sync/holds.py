"""Availabilities that are not understood: for whom the last known one still holds, and for whom that is over.

Read from the roster in force and judged by the clock each time, so it is true whenever it is told.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from router.domain.phrases import count, listed
from router.domain.written_time import written
from router.store.statements import Connection, load

_SQL = load("roster_sync")


@dataclass(frozen=True, slots=True)
class Hold:
    """An active rep whose availability is not understood; the last known one holds until before `until` (UTC)."""

    rep_id: str
    available: bool
    until: datetime


async def holds(conn: Connection, tenant_ids: Sequence[int]) -> dict[int, list[Hold]]:
    """By tenant, in the order of the rep ids; tenants without any are left out."""
    found: defaultdict[int, list[Hold]] = defaultdict(list)
    for row in await _SQL.held.fetch(conn, tenant_ids=tenant_ids):
        found[row["tenant_id"]].append(Hold(row["rep_id"], row["available"], row["availability_held_until"]))
    return dict(found)


def over(held: Sequence[Hold], now: datetime) -> list[Hold]:
    """Those who are no candidates any more."""
    return [hold for hold in held if now >= hold.until]


def holds_told(held: Sequence[Hold], now: datetime) -> tuple[str, ...]:
    """A sentence about those for whom it still holds, and one about the others."""
    ended = over(held, now)
    running = [hold for hold in held if now < hold.until]
    told = []
    if running:
        names = listed([f"{hold.rep_id} ({'yes' if hold.available else 'no'} until {_at(hold)})" for hold in running])
        told.append(
            f"availability of {count(len(running), 'rep')} is not understood; the last known one still holds: {names}"
        )
    if ended:
        names = listed([f"{hold.rep_id} (since {_at(hold)})" for hold in ended])
        told.append(
            f"it is not known whether {count(len(ended), 'rep is', 'reps are')} available: the value is not "
            "understood, and the last known one has expired; no leads for them until the view or reps set says yes or "
            f"no: {names}"
        )
    return tuple(told)


def _at(hold: Hold) -> str:
    return written(hold.until, seconds=True)
