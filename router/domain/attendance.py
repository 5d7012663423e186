"""Who is on duty at a moment, and when that changes by itself.

Working hours, leave and holidays are read off the wall clock of the rep's own zone: an hour that the clocks
skip is not worked, an hour that comes twice is worked twice. So a shift that would start in a skipped hour
starts with the first instant after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from router.domain.calendar import in_utc, offset_changes, zone
from router.domain.holidays import DayKind, HolidayCalendar, holiday_calendar
from router.domain.roster import Leave, Rep, Roster
from router.domain.working_hours import ALWAYS, NEVER, WeekHours

LOOK_AHEAD = timedelta(days=400)
"""How far a change is searched; when none is found, `until` is there although nothing will change."""

_DAY = timedelta(days=1)
_NO_HOLIDAYS = holiday_calendar(None)

Duty = tuple["Attendance", datetime | None]
"""What holds from now, and until before which instant (UTC; None = time alone never changes it)."""


class Attendance(IntEnum):
    """Why a rep can or cannot be a candidate; caps are judged apart."""

    ON_DUTY = 0
    INACTIVE = 1
    UNAVAILABLE = 2
    ON_LEAVE = 3
    HOLIDAY = 4
    OFF_HOURS = 5
    NOT_PRESENT = 6
    AVAILABILITY_UNKNOWN = 7


@dataclass(frozen=True, slots=True, eq=False)
class Attendances:
    """One code per rep, in the order of the roster, valid from `at` until before `until`.

    Both UTC; `until` None = time alone never changes any of them. `attendance` cannot be written to.
    """

    at: datetime
    until: datetime | None
    attendance: NDArray[np.int8]


def attendance(rep: Rep, now: datetime, calendar: HolidayCalendar, default_hours: WeekHours | None) -> Duty:
    """A rep's state at `now`, and the next instant at which time alone may change it.

    A rep without working hours has `default_hours`; when these are None too, all hours. Public holidays are those
    of the rep's own country, else of `calendar`. The first that applies is the state: inactive, availability unknown,
    unavailable, on leave, holiday, off hours. The instant is never later than the true next change, and always after
    `now`.
    """
    return _Clock(now, calendar, default_hours).duty(rep)


def leave_until(rep: Rep, now: datetime) -> date | None:
    """The last day of the leave that a rep is on at `now`, in the rep's own zone; None = on no leave."""
    today = now.astimezone(zone(rep.time_zone)).date()
    return max((leave.last for leave in rep.leave if leave.first <= today <= leave.last), default=None)


def attend(roster: Roster, now: datetime, calendar: HolidayCalendar, default_hours: WeekHours | None) -> Attendances:
    """Everybody's state at `now`; the same as `attendance` rep by rep."""
    clock = _Clock(now, calendar, default_hours)
    duties = [clock.duty(rep) for rep in roster.reps]
    attendance = np.fromiter((code for code, _ in duties), dtype=np.int8, count=len(duties))
    attendance.flags.writeable = False
    until = min({until for _, until in duties if until is not None}, default=None)
    return Attendances(in_utc(now), until, attendance)


def scheduled(
    roster: Roster, now: datetime, calendar: HolidayCalendar, default_hours: WeekHours | None
) -> NDArray[np.bool_]:
    """Whether hours and holidays have each rep at work at `now`, in the order of the roster; no inactive rep is.

    Availability and leave count for nothing here: this is what could be expected of them.
    """
    clock = _Clock(now, calendar, default_hours)
    return np.fromiter((clock.scheduled(rep) for rep in roster.reps), dtype=np.bool_, count=len(roster.reps))


def open_hours(week: WeekHours, zone_name: str, now: datetime) -> tuple[bool, datetime | None]:
    """Whether the zone's wall clock is within the hours, and until when that holds (UTC; None = for good).

    Knows no holidays: this is for hours that nobody has to work, such as the window of a rule.
    """
    code, until = _find(zone_name, week, (), in_utc(now), _NO_HOLIDAYS)
    return code is Attendance.ON_DUTY, until


class _Clock:
    """One moment; reps with the same zone, hours and holidays share the answer, which makes large rosters cheap."""

    def __init__(self, now: datetime, calendar: HolidayCalendar, default_hours: WeekHours | None) -> None:
        self._now = in_utc(now)
        self._calendar = calendar
        self._default = ALWAYS if default_hours is None else default_hours
        self._known: dict[tuple[str, WeekHours, tuple[Leave, ...], str | None], Duty] = {}

    def duty(self, rep: Rep) -> Duty:
        if not rep.active:
            return Attendance.INACTIVE, None
        held = rep.availability_held_until
        if held is not None and self._now >= held:
            return Attendance.AVAILABILITY_UNKNOWN, None
        if not rep.available:
            return Attendance.UNAVAILABLE, held
        code, until = self._by_hours(rep)
        return code, until if held is None or (until is not None and until < held) else held

    def scheduled(self, rep: Rep) -> bool:
        return rep.active and self._without_leave(rep)[0] is Attendance.ON_DUTY

    def _without_leave(self, rep: Rep) -> Duty:
        week = self._default if rep.working_hours is None else rep.working_hours
        return self._shared(rep.time_zone, week, (), rep.holidays)

    def _by_hours(self, rep: Rep) -> Duty:
        week = self._default if rep.working_hours is None else rep.working_hours
        plain = self._without_leave(rep)
        if not rep.leave or not (ahead := self._leave_ahead(rep.leave, plain[1])):
            return plain
        return self._shared(rep.time_zone, week, ahead, rep.holidays)

    def _leave_ahead(self, leave: tuple[Leave, ...], until: datetime | None) -> tuple[Leave, ...]:
        """The leave that is not over, when some of it can matter before `until`; else nothing.

        No zone's date is more than a day from the date in UTC.
        """
        ahead = tuple(part for part in leave if part.last >= (self._now - _DAY).date())
        if until is not None and not any(part.first <= (until + _DAY).date() for part in ahead):
            return ()
        return ahead

    def _shared(self, zone_name: str, week: WeekHours, leave: tuple[Leave, ...], holidays: str | None) -> Duty:
        key = (zone_name, week, leave, holidays)
        duty = self._known.get(key)
        if duty is None:
            calendar = self._calendar if holidays is None else holiday_calendar(holidays)
            duty = self._known[key] = _remembered(zone_name, week, leave, self._now, calendar)
        return duty


_Found = tuple[datetime, datetime, "Attendance"]
_found: dict[tuple[str, WeekHours, tuple[Leave, ...], HolidayCalendar], _Found] = {}
_FOUND_MOST = 10_000


def _remembered(
    zone_name: str, week: WeekHours, leave: tuple[Leave, ...], now: datetime, calendar: HolidayCalendar
) -> Duty:
    """As `_find`, which answers the same from one change to the next: many tenants keep the same hours."""
    key = (zone_name, week, leave, calendar)
    if (known := _found.get(key)) and known[0] <= now < known[1]:
        return known[2], known[1]
    code, until = _find(zone_name, week, leave, now, calendar)
    # What ends the search is no change: that would be another instant for another `now`.
    if until is not None and until < now + LOOK_AHEAD:
        if len(_found) >= _FOUND_MOST:
            _found.clear()
        _found[key] = (now, until, code)
    return code, until


def _find(zone_name: str, week: WeekHours, leave: tuple[Leave, ...], now: datetime, calendar: HolidayCalendar) -> Duty:
    """The state on the wall clock at `now`, and the next instant with another one (UTC).

    Goes from one change of the zone's offset to the next: in between, the wall clock simply runs.
    """
    tz = zone(zone_name)
    at, limit = now, now + LOOK_AHEAD
    code = _on_wall(now.astimezone(tz).replace(tzinfo=None), week, leave, calendar)
    steady = calendar.country is None and week in (ALWAYS, NEVER)
    if steady and not leave:
        return code, None
    while at < limit:
        wall = at.astimezone(tz).replace(tzinfo=None)
        if _on_wall(wall, week, leave, calendar) is not code:
            return code, at
        end = _steady_until(at, zone_name, limit)
        offset = wall - at.replace(tzinfo=None)
        for edge in _edges(wall, end.replace(tzinfo=None) + offset, week, calendar):
            if _on_wall(edge, week, leave, calendar) is not code:
                return code, (edge - offset).replace(tzinfo=UTC)
        at = end
    over = steady and all(part.last < (limit - _DAY).date() for part in leave)
    return code, None if over else limit


def _on_wall(wall: datetime, week: WeekHours, leave: tuple[Leave, ...], calendar: HolidayCalendar) -> Attendance:
    """The state at a reading of the wall clock (a naive local time, never stored)."""
    day, minute = wall.date(), wall.hour * 60 + wall.minute
    if any(part.first <= day <= part.last for part in leave):
        return Attendance.ON_LEAVE
    if calendar.kind(day) is DayKind.HOLIDAY:
        return Attendance.HOLIDAY
    worked = any(start <= minute < end for start, end in calendar.hours(week, day))
    return Attendance.ON_DUTY if worked else Attendance.OFF_HOURS


def _edges(wall: datetime, end: datetime, week: WeekHours, calendar: HolidayCalendar) -> Iterator[datetime]:
    """The readings between `wall` and before `end` at which a day, or an interval of work, starts or ends."""
    midnight = datetime.combine(wall.date(), time())
    while midnight < end:
        minutes = [0, *(minute for interval in calendar.hours(week, midnight.date()) for minute in interval)]
        edges = (midnight + timedelta(minutes=minute) for minute in minutes)
        yield from (edge for edge in edges if wall < edge < end)
        midnight += _DAY


def _steady_until(at: datetime, zone_name: str, limit: datetime) -> datetime:
    """The next instant at which the zone's offset changes, at most `limit`."""
    for year in range(at.year, limit.year + 1):
        for change in offset_changes(zone_name, year):
            if change > at:
                return min(change, limit)
    return limit
