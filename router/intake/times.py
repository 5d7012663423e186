"""Reading points in time of a file: with an offset, or in the zone that the file's mapping declares. Pure."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from router.domain.calendar import day_of, zone

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
AHEAD = timedelta(hours=24)
UNDECLARED = ", and no time_zone is declared in the mapping"
_DATE_CHARACTERS = 10


class UnreadableTime(ValueError):
    """The text names no point in time that a lead can have; the message says why and what would be right."""


class TimeReader:
    """Reads ISO 8601 times; those without an offset in `zone_name` (None = they are refused; `undeclared` ends the
    sentence that says so).

    Times more than a day ahead of `now` (aware), or before 1990, are refused. Where clocks go forward, a time that
    they skip is taken by the offset before the change, so 02:30 becomes 03:30; where they go back, a time that
    comes twice is the first of the two. A date alone is the first instant of that business day.
    """

    def __init__(self, zone_name: str | None, now: datetime, undeclared: str = UNDECLARED) -> None:
        self._zone_name = zone_name
        self._zone = zone(zone_name) if zone_name else None
        self._latest = now + AHEAD
        self._undeclared = undeclared
        self._day_start = lru_cache(maxsize=4096)(self._uncached_day_start)

    def read(self, text: str) -> datetime:
        """The instant in UTC. Raises UnreadableTime."""
        try:
            moment = self._instant(text)
        except UnreadableTime:
            raise
        except (ValueError, OverflowError):
            raise UnreadableTime(f"{text[:40]!r} is not a time such as 2026-03-02T09:30:00+08:00") from None
        if not EARLIEST <= moment <= self._latest:
            what = "lies ahead by more than a day" if moment > self._latest else "is before 1990"
            raise UnreadableTime(f"{text[:40]!r} {what}: a wrong date, or a wrong clock")
        return moment

    def _instant(self, text: str) -> datetime:
        if len(text) <= _DATE_CHARACTERS and ":" not in text and "T" not in text:
            return self._day_start(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            if self._zone is None:
                raise UnreadableTime(f"{text[:40]!r} has no offset{self._undeclared}")
            # fold=0: a skipped time by the offset before the change, of a doubled one the first.
            moment = moment.replace(tzinfo=self._zone)
        return moment.astimezone(UTC)

    def _uncached_day_start(self, day: date) -> datetime:
        if self._zone_name is None:
            raise UnreadableTime(f"{day} is a date alone{self._undeclared}")
        try:
            return day_of(day, self._zone_name).start
        except ValueError as error:
            raise UnreadableTime(str(error)) from None
