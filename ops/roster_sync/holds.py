"""Availabilities that are not understood: for whom the last known one still holds, and for whom that is over.

Read from the roster in force and judged by the clock each time, so it is true whenever it is told.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from router.domain.worded import Worded, worded, worded_count
from router.domain.worded_phrases import worded_list
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


def holds_told(held: Sequence[Hold], now: datetime) -> tuple[Worded, ...]:
    """A sentence about those for whom it still holds, and one about the others."""
    ended = over(held, now)
    running = [hold for hold in held if now < hold.until]
    told = []
    if running:
        told.append(
            worded_count(
                "availability of {count:,} rep is not understood; the last known one still holds: {reps}",
                "availability of {count:,} reps is not understood; the last known one still holds: {reps}",
                len(running),
                reps=worded_list(map(_still, running)),
            )
        )
    if ended:
        told.append(
            worded_count(
                "it is not known whether {count:,} rep is available: the value is not understood, and the last known "
                "one has expired; no leads for them until the view or reps set says yes or no: {reps}",
                "it is not known whether {count:,} reps are available: the value is not understood, and the last known "
                "one has expired; no leads for them until the view or reps set says yes or no: {reps}",
                len(ended),
                reps=worded_list(worded("{rep} (since {since})", rep=one.rep_id, since=_at(one)) for one in ended),
            )
        )
    return tuple(told)


def _still(hold: Hold) -> Worded:
    if hold.available:
        return worded("{rep} (yes until {until})", rep=hold.rep_id, until=_at(hold))
    return worded("{rep} (no until {until})", rep=hold.rep_id, until=_at(hold))


def _at(hold: Hold) -> str:
    return written(hold.until, seconds=True)
