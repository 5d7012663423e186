"""When a rep is on duty next, as far as time alone brings it about: hours, holidays, and leave that ends."""

from datetime import datetime

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

    `calendar` and `default_hours` are those of the rep, as for `attendance`. None = not within LOOK_AHEAD, or not by
    time alone: inactive, unavailable, of unknown availability. Presence and caps count for nothing here.
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
