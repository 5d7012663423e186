"""Whether a group normally has somebody at this time of the day and the week. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

_DAY = timedelta(days=1)
_DAYS = 7


def moments_before(now: datetime, changed: datetime) -> list[datetime]:
    """What has to be known: this time on each of the last seven days, and the moment before the last change."""
    return [now - _DAY * day for day in range(1, _DAYS + 1)] + [changed - timedelta.resolution]


def is_unusual(now: datetime, changed: datetime, available: Mapping[datetime, int], members: int) -> bool:
    """Whether it is not as always that nobody is available; `available` = how many were, at `moments_before`.

    As always: nobody was at this time on most of the last days, or a week ago. Of a roster younger than a day: unless
    half of them were just before the change.
    """
    days = [now - _DAY * day for day in range(1, _DAYS + 1)]
    known = [available[day] > 0 for day in days if day in available]
    if not known:
        return 2 * available.get(changed - timedelta.resolution, 0) >= members
    same_weekday = available.get(days[-1], 1) > 0
    return same_weekday and 2 * sum(known) >= len(known)
