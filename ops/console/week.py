"""A rep's working hours in this week, day by day, and the picture of them. Pure.

Whether somebody works at a moment is asked of `attendance`, as the routing does; whether the rep is switched to get
leads does not count here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from router.domain.attendance import Attendance, attendance
from router.domain.availability import parse_leave
from router.domain.calendar import BusinessDay, business_day, day_of, holiday_calendar, parse_week, zone
from router.domain.roster import Rep

WIDTH, ROW = 360, 25
_LEFT, _TOP, _RIGHT = 60, 20, 12
_HOURS = (0, 6, 12, 18, 24)
_STATES = {Attendance.ON_DUTY: "duty", Attendance.ON_LEAVE: "leave", Attendance.HOLIDAY: "holiday"}


@dataclass(frozen=True, slots=True)
class Keeps:
    """What a rep keeps: hours and leave as texts, on the clock of `time_zone`; `holidays` a country, None = none."""

    hours: str
    time_zone: str
    leave: str
    holidays: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant to another (UTC) the rep is on `duty`, on `leave`, or has a `holiday`."""

    start: datetime
    end: datetime
    state: str


@dataclass(frozen=True, slots=True)
class Day:
    """One date of the page's zone; in between the spans the rep is off hours."""

    day: BusinessDay
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A span in the picture, in pixels."""

    x: float
    width: float
    state: str


@dataclass(frozen=True, slots=True)
class Line:
    """A day in the picture: `top` in pixels, `now` = where the present moment is, None = not on this day."""

    day: date
    top: int
    blocks: tuple[Block, ...]
    now: float | None


@dataclass(frozen=True, slots=True)
class Picture:
    """What the template draws."""

    lines: tuple[Line, ...]
    hours: tuple[tuple[float, str], ...]
    width: int
    height: int
    row: int = ROW


def week_of_rep(keeps: Keeps, now: datetime, zone_name: str) -> list[Day]:
    """From Monday to Sunday of the week of `now`, in the zone; a date that the zone skips is left out."""
    today = business_day(now, zone_name).date
    days = list(_days(today - timedelta(days=today.weekday()), zone_name))
    spans = list(_spans(keeps, days[0].start, days[-1].end))
    return [Day(day, tuple(_within(spans, day))) for day in days]


def _days(monday: date, zone_name: str) -> Iterator[BusinessDay]:
    for number in range(7):
        try:
            yield day_of(monday + timedelta(days=number), zone_name)
        except ValueError:
            continue


def _spans(keeps: Keeps, start: datetime, end: datetime) -> Iterator[Span]:
    leave = parse_leave(keeps.leave)
    rep = Rep(1, "", "", keeps.time_zone, working_hours=parse_week(keeps.hours), leave=leave)
    calendar = holiday_calendar(keeps.holidays)
    at, open_span = start, None
    while at < end:
        code, until = attendance(rep, at, calendar, None)
        stop = end if until is None else min(until, end)
        state = _STATES.get(code, "")
        if open_span is not None and open_span.state == state:
            open_span = Span(open_span.start, stop, state)
        else:
            if open_span is not None and open_span.state:
                yield open_span
            open_span = Span(at, stop, state)
        at = stop
    if open_span is not None and open_span.state:
        yield open_span


def _within(spans: Sequence[Span], day: BusinessDay) -> Iterator[Span]:
    for span in spans:
        start, end = max(span.start, day.start), min(span.end, day.end)
        if start < end:
            yield Span(start, end, span.state)


def on_clock(at: datetime, day: date, zone_name: str) -> str:
    """`09:00`; `24:00` where the day ends, and how many days off where the clock of the zone shows another date."""
    local = at.astimezone(zone(zone_name))
    days = (local.date() - day).days
    if days == 1 and (local.hour, local.minute) == (0, 0):
        return "24:00"
    return f"{local:%H:%M}" + (f" ({days:+d} d)" if days else "")


def picture_of(days: Sequence[Day], now: datetime, zone_name: str) -> Picture:
    """A line for each day, from midnight to midnight on the clock of the zone."""
    lines = tuple(_line(number, day, now, zone_name) for number, day in enumerate(days))
    hours = tuple((_x(hour * 60), f"{hour:02}") for hour in _HOURS)
    return Picture(lines, hours, WIDTH, _TOP + ROW * len(lines) + 4)


def _line(number: int, one: Day, now: datetime, zone_name: str) -> Line:
    blocks = []
    for span in one.spans:
        start, end = (_x(_minute(at, one.day, zone_name)) for at in (span.start, span.end))
        # An hour that comes twice ends before it began on the clock.
        blocks.append(Block(start, round(max(0.0, end - start), 1), span.state))
    present = _x(_minute(now, one.day, zone_name)) if now.astimezone(UTC) in one.day else None
    return Line(one.day.date, _TOP + number * ROW, tuple(blocks), present)


def _minute(at: datetime, day: BusinessDay, zone_name: str) -> float:
    if at == day.end:
        return 24 * 60
    local = at.astimezone(zone(zone_name))
    return local.hour * 60 + local.minute + local.second / 60


def _x(minute: float) -> float:
    return round(_LEFT + minute / (24 * 60) * (WIDTH - _LEFT - _RIGHT), 1)
