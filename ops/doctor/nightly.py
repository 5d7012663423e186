"""What blocks us again and again at the same time of the day. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from router.store.blocking.seen_blockers import SeenBlocker
from router.store.connections.connect import APPLICATION_NAME

LOOKED_BACK = timedelta(days=7)
NEAR = timedelta(minutes=20)
DAYS = 3

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Nightly:
    """The sessions of one application and role that blocked us at the same time, the first one first, on `days`
    different days; `next_at` = when it is to be expected again (UTC).
    """

    seen: tuple[SeenBlocker, ...]
    days: int
    next_at: datetime


def nightly(seen: Iterable[SeenBlocker], now: datetime) -> list[Nightly]:
    """Of what was seen lately: who came within NEAR of the same time on at least DAYS days, and seldom else."""
    by_name: defaultdict[tuple[str, str], list[SeenBlocker]] = defaultdict(list)
    for one in seen:
        if not one.application.startswith(APPLICATION_NAME) and now - LOOKED_BACK <= one.seen_at <= now:
            by_name[one.application, one.role].append(one)
    return [found for sightings in by_name.values() if (found := _nightly(sightings, now))]


def _nightly(sightings: Sequence[SeenBlocker], now: datetime) -> Nightly | None:
    best = max((_around(one, sightings, now) for one in sightings), key=lambda found: (found.days, len(found.seen)))
    # Who blocks us all day does so at every hour.
    return best if best.days >= DAYS and 2 * len(best.seen) >= len(sightings) else None


def _around(centre: SeenBlocker, sightings: Sequence[SeenBlocker], now: datetime) -> Nightly:
    """Those near the time of the day of one of them."""
    days = {one: round((one.seen_at - centre.seen_at) / _DAY) for one in sightings}
    near = [one for one, day in days.items() if abs(one.seen_at - centre.seen_at - day * _DAY) <= NEAR]
    next_at = centre.seen_at + _DAY * ((now - centre.seen_at) // _DAY + 1)
    return Nightly(tuple(near), len({days[one] for one in near}), next_at)
