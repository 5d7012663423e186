"""Business days and time zones: what "today" means, whatever the host's clock is set to.

Zone data come from the `tzdata` wheel, never from the host, so that two machines agree and a flight record
can name the version. Working hours and holidays have modules of their own; their names are offered here too.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import tzdata

from router.domain.holidays import DayKind, HolidayCalendar, holiday_calendar
from router.domain.worded import worded
from router.domain.working_hours import ALWAYS, NEVER, WeekHours, format_week, parse_week
from router.domain.zone_meant import hint

__all__ = [
    "ALWAYS",
    "NEVER",
    "TZ_DATA_VERSION",
    "BusinessDay",
    "DayKind",
    "HolidayCalendar",
    "WeekHours",
    "business_day",
    "day_after",
    "day_before",
    "day_of",
    "first_instant",
    "format_week",
    "holiday_calendar",
    "in_utc",
    "offset_changes",
    "parse_week",
    "zone",
    "zone_names",
]

# What importlib has for these two costs every command half of what importing click takes.
TZ_DATA_VERSION = f"tzdata {tzdata.__version__}"
_TZ_DATA = Path(tzdata.__file__).parent
_DAY = timedelta(days=1)
_STEP = timedelta(hours=12)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class BusinessDay:
    """A date as it happens in one zone: the instants from `start` until before `end`, both UTC.

    The days of a zone are a partition of time. A day starts when the dates before it are over for good: where
    clocks go back over midnight and a date comes a second time, the day waits for the second midnight. It is
    23, 24 or 25 hours long as a rule, and begins at 01:00 where the clocks skip midnight.
    """

    date: date
    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """All IANA time zones that can be named."""
    return frozenset((_TZ_DATA / "zones").read_text("utf-8").split())


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA time zone; ValueError with near names when there is none such."""
    if name not in zone_names():
        raise ValueError(worded("unknown time zone {zone}{hint}", zone=repr(name), hint=hint(name, zone_names(), zone)))
    with (_TZ_DATA / "zoneinfo" / name).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def in_utc(moment: datetime) -> datetime:
    """The same instant in UTC; ValueError when `moment` has no offset."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no offset: which instant it is cannot be known")
    return moment.astimezone(UTC)


def business_day(now: datetime, zone_name: str) -> BusinessDay:
    """The business day of the zone that contains the instant `now` (aware, else ValueError)."""
    now = in_utc(now)
    day = now.astimezone(zone(zone_name)).date()
    # The wall clock's date is the day's, save in the moments around clocks that go back over midnight.
    while now < _start(day, zone_name):
        day -= _DAY
    while now >= (end := _start(day + _DAY, zone_name)):
        day += _DAY
    return BusinessDay(day, _start(day, zone_name), end)


def day_of(day: date, zone_name: str) -> BusinessDay:
    """The business day of a date; ValueError when the zone skipped that date (Pacific/Apia, 2011-12-30)."""
    start, end = _start(day, zone_name), _start(day + _DAY, zone_name)
    if start == end:
        raise ValueError(f"there is no {day} in {zone_name}: the clocks skipped that date")
    return BusinessDay(day, start, end)


def first_day_from(day: date, zone_name: str) -> datetime:
    """The instant (UTC) from which no date before `day` comes any more: also where the zone skipped that date."""
    return _start(day, zone_name)


def day_before(day: BusinessDay, zone_name: str) -> BusinessDay:
    """The business day that ends when `day` starts; a date that the zone skipped is not one."""
    return business_day(day.start - timedelta.resolution, zone_name)


def day_after(day: BusinessDay, zone_name: str) -> BusinessDay:
    """The business day that starts when `day` ends."""
    return business_day(day.end, zone_name)


@lru_cache(maxsize=4096)
def offset_changes(zone_name: str, year: int) -> tuple[datetime, ...]:
    """The instants (UTC, ascending) within a UTC year at which the zone's offset becomes another."""
    tz, at = zone(zone_name), datetime(year, 1, 1, tzinfo=UTC) - _SECOND
    end = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    found = []
    while at < end:
        until = min(at + _STEP, end)
        if at.astimezone(tz).utcoffset() != until.astimezone(tz).utcoffset():
            found.append(_first_with_other_offset(at, until, tz))
        at = until
    return tuple(found)


def first_instant(day: date, at: time, zone_name: str) -> datetime:
    """When the wall clock of a zone first shows that time on that date, or what comes next when it skips it (UTC)."""
    tz = zone(zone_name)
    local = datetime.combine(day, at, tz)
    first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return _first_with_other_offset(second, first, tz) if second < first else first


@lru_cache(maxsize=65536)
def _start(day: date, zone_name: str) -> datetime:
    """The first instant from which no earlier date comes any more (UTC)."""
    tz = zone(zone_name)
    midnight = datetime.combine(day, time(), tz)
    first, second = (midnight.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if second < first:  # the clocks skipped midnight: fold=1 is an instant before the skip, fold=0 one behind it
        return _first_with_other_offset(second, first, tz)
    # Midnight comes twice: does the date before come back too, or do the clocks go back to midnight itself?
    again = first < second and (second - datetime.resolution).astimezone(tz).date() < day
    return second if again else first


def _first_with_other_offset(low: datetime, high: datetime, tz: ZoneInfo) -> datetime:
    """The instant in (low, high] at which the offset of `low` ends. UTC; zones change at whole seconds."""
    offset = low.astimezone(tz).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) // 2 // _SECOND * _SECOND
        if middle.astimezone(tz).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high
