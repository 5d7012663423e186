"""The order of a replay: at which simulated moments something happens, and what."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from loadtest.datasets.olist import Deal, OlistLead

SLOT = timedelta(minutes=15)
# Midnight, and when somebody's working hours begin again: then leads may be placed that could not be before.
VISITS = (time(0), time(8), time(9), time(13))


@dataclass(frozen=True, slots=True)
class Step:
    """What has happened by `at` (UTC) since the step before. `opens_day`: a business day begins here."""

    at: datetime
    leads: list[OlistLead] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)
    opens_day: bool = False


def steps(leads: Iterable[OlistLead], deals: Iterable[Deal], zone: ZoneInfo) -> Iterator[Step]:
    """Steps in their order, from the midnight before the first event to the one after the last.

    Events of a quarter of an hour are handed over at its end, in their order. `zone` is the business day's.
    """
    arrived: dict[datetime, list[OlistLead]] = defaultdict(list)
    won: dict[datetime, list[Deal]] = defaultdict(list)
    for lead in sorted(leads, key=lambda lead: (lead.arrives_at, lead.mql_id)):
        arrived[slot_end(lead.arrives_at)].append(lead)
    for deal in sorted(deals, key=lambda deal: (deal.won_at, deal.mql_id)):
        won[slot_end(deal.won_at)].append(deal)
    moments = {*arrived, *won}
    if not moments:
        return
    visits = _visits(min(moments), max(moments), zone)
    for at in sorted({*moments, *visits}):
        yield Step(at, arrived[at], won[at], opens_day=visits.get(at, False))


def slot_end(moment: datetime) -> datetime:
    """The end of the slot that `moment` (aware) is in; a moment on the edge of two belongs to the first."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return epoch - (epoch - moment) // SLOT * SLOT


def _visits(first: datetime, last: datetime, zone: ZoneInfo) -> dict[datetime, bool]:
    """The instants of VISITS on the local dates from `first` to after `last`; True where a day begins."""
    found: dict[datetime, bool] = {}
    day, end = first.astimezone(zone).date(), last.astimezone(zone).date() + timedelta(days=1)
    while day <= end:
        for clock in VISITS if day < end else VISITS[:1]:
            found[_instant(day, clock, zone)] = clock == VISITS[0]
        day += timedelta(days=1)
    return found


def _instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """That clock reading in UTC; one that the clocks skip is when they have skipped it."""
    return datetime.combine(day, clock, zone).astimezone(UTC)
