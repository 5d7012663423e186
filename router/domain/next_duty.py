"""When a rep is on duty next, as far as time alone brings it about: hours, holidays, and leave that ends."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from router.domain.attendance import LOOK_AHEAD, Attendance, attendance
from router.domain.holidays import HolidayCalendar
from router.domain.roster import Rep
from router.domain.working_hours import WeekHours

BY_TIME = frozenset({Attendance.ON_LEAVE, Attendance.HOLIDAY, Attendance.OFF_HOURS})
"""What ends by itself; the other states end when somebody changes something."""


def next_on_duty(
    rep: Rep, now: datetime, calendar: HolidayCalendar, default_hours: WeekHours | None
) -> datetime | None:
    """The first instant from `now` on (aware; the result UTC, or `now` itself) at which the rep is on duty.

    `calendar` and `default_hours` are the tenant's, as for `attendance`, the rep of a roster `as_decided`. None =
    not within LOOK_AHEAD, or not by time alone: inactive, unavailable, of unknown availability. Presence and caps count
    for nothing here.
    """
    at = now
    while at <= now + LOOK_AHEAD:
        code, until = attendance(rep, at, calendar, default_hours)
        if code is Attendance.ON_DUTY:
            return at
        if code not in BY_TIME or until is None:
            return None
        at = until
    return None


@dataclass(slots=True)
class NextDuties:
    """The same for many reps, of whom most share zone, hours and leave with others: each pattern is searched once."""

    _known: dict[tuple[Any, ...], datetime | None] = field(default_factory=dict)

    def of(
        self, rep: Rep, now: datetime, calendar: HolidayCalendar, default_hours: WeekHours | None
    ) -> datetime | None:
        """As `next_on_duty`."""
        hours = default_hours if rep.working_hours is None else rep.working_hours
        state = (rep.active, rep.available, rep.availability_held_until)
        key = (now, state, rep.time_zone, hours, rep.leave, rep.holidays, calendar)
        if key not in self._known:
            self._known[key] = next_on_duty(rep, now, calendar, default_hours)
        return self._known[key]
