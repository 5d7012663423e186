"""A window of the day in a zone, such as 02:00-04:00, on days when an hour is missing or comes twice, too."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from router.domain.calendar import business_day, first_instant

_TEXT = re.compile(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)")
_DAY_MIN = 24 * 60
_AROUND = (timedelta(days=-1), timedelta(0), timedelta(days=1))


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """Opens at `start` and lasts until `end` on the wall clock, minutes after midnight; an end that is not after the
    start is one of the next day.
    """

    start: int
    end: int


def parse_window(text: str) -> TimeWindow | None:
    """The window of `HH:MM-HH:MM`; None = `always`. Raises ValueError that says what would be right."""
    if text.strip() == "always":
        return None
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a window: write 02:00-04:00, or always")
    hours, minutes = (int(found[1]), int(found[3])), (int(found[2]), int(found[4]))
    start, end = (60 * hour + minute for hour, minute in zip(hours, minutes, strict=True))
    if max(minutes) > 59 or start >= _DAY_MIN or end > _DAY_MIN or start == end:
        raise ValueError(f"{text!r} is not a window: write two different times of a day, as in 02:00-04:00, or always")
    return TimeWindow(start, end % _DAY_MIN)


def opening(window: TimeWindow, day: date, zone_name: str) -> tuple[datetime, datetime]:
    """When the window of that date opens and closes (UTC): once on each date.

    Times that the clocks skip are those right after the skip; a window that is skipped as a whole opens right after
    and is as long as usual. Of times that come twice the first counts, so it may be open for longer.
    """
    after = day + timedelta(days=window.end <= window.start)
    start, end = first_instant(day, _time(window.start), zone_name), first_instant(after, _time(window.end), zone_name)
    return (start, end) if start < end else (start, start + timedelta(minutes=(window.end - window.start) % _DAY_MIN))


def open_window(window: TimeWindow, now: datetime, zone_name: str) -> tuple[datetime, datetime] | None:
    """The opening (UTC, from until before) that contains the instant `now`; None where it is closed."""
    today = business_day(now, zone_name).date
    for step in _AROUND:
        start, end = opening(window, today + step, zone_name)
        if start <= now < end:
            return start, end
    return None


def _time(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)
