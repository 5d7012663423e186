"""A rep who was given a lead and is not at work: what commands and the API say of it."""

from datetime import date

from router.domain.attendance import Attendance

_WORDS = {
    Attendance.INACTIVE: "not active",
    Attendance.UNAVAILABLE: "not available",
    Attendance.ON_LEAVE: "on leave",
    Attendance.HOLIDAY: "off: it is a public holiday",
    Attendance.OFF_HOURS: "outside working hours",
    Attendance.NOT_PRESENT: "not present",
    Attendance.AVAILABILITY_UNKNOWN: "of unknown availability",
}


def off_duty_code(attendance: Attendance) -> str | None:
    """For machines, such as `on_leave`; None = on duty."""
    return None if attendance is Attendance.ON_DUTY else attendance.name.lower()


def off_duty_words(rep_id: str, attendance: Attendance, leave_until: date | None) -> str | None:
    """For people; None = on duty."""
    if attendance is Attendance.ON_DUTY:
        return None
    until = f" until {leave_until}" if attendance is Attendance.ON_LEAVE and leave_until else ""
    return f"rep {rep_id} is {_WORDS[attendance]}{until}"
