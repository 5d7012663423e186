"""The order of a replay: at which simulated moments something happens, and what."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from loadtest.datasets.dataset import MIDNIGHT, Arrival, Dataset, Outcome

SLOT = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Step:
    """What has happened by `at` (UTC) since the step before. `opens_day`: a business day begins here."""

    at: datetime
    arrivals: list[Arrival] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    opens_day: bool = False


def steps(data: Dataset, slot: timedelta = SLOT) -> Iterator[Step]:
    """Steps in their order, from the midnight before the first event to the one after the last.

    Events of a slot are handed over at its end, in their order; outcomes without a time are left out.
    """
    arrived: dict[datetime, list[Arrival]] = defaultdict(list)
    ended: dict[datetime, list[Outcome]] = defaultdict(list)
    for arrival in sorted(data.arrivals, key=lambda one: (one.at, one.lead.external_id)):
        arrived[slot_end(arrival.at, slot)].append(arrival)
    for at, outcome in sorted(
        ((one.at, one) for one in data.outcomes if one.at), key=lambda timed: (timed[0], timed[1].external_id)
    ):
        ended[slot_end(at, slot)].append(outcome)
    moments = {*arrived, *ended}
    if not moments:
        return
    visits = _visits(min(moments), max(moments), data.visits, data.zone)
    for at in sorted({*moments, *visits}):
        yield Step(at, arrived[at], ended[at], opens_day=visits.get(at, False))


def slot_end(moment: datetime, slot: timedelta = SLOT) -> datetime:
    """The end of the slot that `moment` (aware) is in; a moment on the edge of two belongs to the first."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch - (epoch - moment) // slot * slot


def _visits(first: datetime, last: datetime, clocks: Sequence[time], zone: ZoneInfo) -> dict[datetime, bool]:
    """The instants of these clock readings on the local dates from `first` to after `last`; True = a day begins."""
    found: dict[datetime, bool] = {}
    day, end = first.astimezone(zone).date(), last.astimezone(zone).date() + timedelta(days=1)
    while day <= end:
        for clock in clocks if day < end else (MIDNIGHT,):
            found[_instant(day, clock, zone)] = clock == MIDNIGHT
        day += timedelta(days=1)
    return found


def _instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """That clock reading in UTC; one that the clocks skip is when they have skipped it."""
    return datetime.combine(day, clock, zone).astimezone(UTC)
