"""Reading points in time of a file: with an offset, or in the zone that the file's mapping declares. Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from router.domain.calendar import day_of, zone
from router.domain.date_forms import (
    FROM_1904,
    ISO,
    OFFSETS,
    Ambiguous,
    MayBeSpan,
    YearUnclear,
    group_of,
    is_serial,
    read_as,
    read_free,
)
from router.domain.worded import Worded, worded

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
AHEAD = timedelta(hours=24)
UNDECLARED = ", and no time_zone is declared in the mapping"
_DATE_CHARACTERS = 10
_DAY_DIGITS = 8
_LONG_AGO = timedelta(days=3653)
_SHORT_YEAR = re.compile(r"\s*\d{1,2}([-/.])(?:\d{1,2}|[^\W\d]{3,10})\1\d{2}(?!\d)")
"""`26.03.02` is the second of March where the year comes first."""
_WEEK = re.compile(r"\d{4}-?W\d{2}")
_DAY_WITH_OFFSET = re.compile(r"(\d{4}-?\d{2}-?\d{2})([+-]\d{2}:?\d{2}|Z)")
_REMEMBERED, _SHORT = 8_192, 40
"""So many texts of up to so many characters are remembered with their instants: many leads come on one day."""
_UNTIL = 16
"""Where `2026-03-02 09:30` ends, of which `2026-03-02 09:30-10:00` may say until when."""
_WITH_END = 22


def latest_day(now: datetime) -> date:
    """The last day that a lead's time can have, as read at `now`."""
    return (now + AHEAD).date()


class UnreadableTime(ValueError):
    """The text names no point in time that a lead can have; the message says why and what would be right."""


Orders = Mapping[str, frozenset[str]]
"""By spelling (`date_forms.group_of`), the orders of day and month that the whole column allows."""


class TimeReader:
    """Reads times in the usual forms, ISO 8601 first, or in the one `form` that the mapping names.

    `orders` returns what the whole column allows; it is called once, and only when a text allows two readings. Where
    there is a whole column, instants are remembered by their texts. Times without an offset are read in `zone_name`
    (None = they are refused; `undeclared` ends the sentence that says so).

    Times more than a day ahead of `now` (aware), or before 1990, are refused. Where clocks go forward, a time that
    they skip is taken by the offset before the change, so 02:30 becomes 03:30; where they go back, a time that
    comes twice is the first of the two. A date alone is the first instant of that business day.
    """

    def __init__(
        self,
        zone_name: str | None,
        now: datetime,
        undeclared: str = UNDECLARED,
        form: str | None = None,
        orders: Callable[[], Orders] | None = None,
        *,
        from_1904: bool = False,
    ) -> None:
        """`from_1904`: numbers of days are those of a workbook that counts from that year."""
        self._zone_name = zone_name
        self._zone = zone(zone_name) if zone_name else None
        self._latest, self._today = now + AHEAD, latest_day(now)
        self._long_ago = self._latest - _LONG_AGO
        self._undeclared = undeclared
        self._form = form
        self._from_1904 = from_1904
        self.without_offset = 0
        """Times so far that were read in the zone."""
        self._orders = orders
        self._known_orders: Orders | None = None if orders else {}
        self._day_start = lru_cache(maxsize=4096)(self._uncached_day_start)
        self._known: dict[str, tuple[datetime, int]] = {}
        # There may be thousands of readers of what comes lead by lead.
        self._remembered = _REMEMBERED if orders else 0

    def read(self, text: str) -> datetime:
        """The instant in UTC. Raises UnreadableTime."""
        known = self._known.get(text)
        if known is None:
            before = self.without_offset
            known = self._read(text), self.without_offset - before
            if len(self._known) < self._remembered and len(text) <= _SHORT:
                self._known[text] = known
        else:
            self.without_offset += known[1]
        return known[0]

    def _read(self, text: str) -> datetime:
        try:
            moment = self._instant(text)
        except UnreadableTime:
            raise
        except Ambiguous:
            raise UnreadableTime(
                worded(
                    "{value!r} can be read in two ways, and the other rows do not decide; the mapping can: "
                    "created_at: {{format: dmy}} for day/month/year, or {{format: mdy}}",
                    value=text[:40],
                )
            ) from None
        except MayBeSpan:
            raise UnreadableTime(_unclear_offset(text)) from None
        except YearUnclear:
            raise UnreadableTime(_unclear_year(text)) from None
        except (ValueError, OverflowError):
            raise UnreadableTime(_not_a_time(text, self._form)) from None
        if self._form is None and moment < self._long_ago and _SHORT_YEAR.match(text) is not None:
            raise UnreadableTime(_unclear_year(text))
        if not EARLIEST <= moment <= self._latest:
            raise UnreadableTime(_too_late(text) if moment > self._latest else _too_early(text))
        return moment

    def _instant(self, text: str) -> datetime:
        if self._from_1904 and self._form in (None, "excel") and is_serial(text):
            return self._in_utc(read_as(text, "excel") + FROM_1904, text)
        if self._form is not None and self._form != ISO:
            return self._in_utc(read_as(text, self._form), text)
        # Eight digits are a day in ISO 8601; other numbers are seconds, or days of a spreadsheet.
        if text.isdecimal() and len(text) != _DAY_DIGITS:
            return self._in_utc(self._free(text), text)
        try:
            if len(text) <= _UNTIL:
                return self._in_utc(_iso(text), text)
            moment = datetime.fromisoformat(text)
        except UnreadableTime:
            raise
        except ValueError:
            return self._in_utc(self._free(text), text)
        if self._form is None and moment.tzinfo is not None and not _has_offset(moment, text):
            raise MayBeSpan(text)
        return self._in_utc(moment, text)

    def _free(self, text: str) -> datetime | date:
        if self._form == ISO:
            raise ValueError
        group = group_of(text)
        if group is None:
            return read_free(text, (), self._today)
        if self._known_orders is None:
            self._known_orders = self._orders() if self._orders else {}
        return read_free(text, self._known_orders.get(group, ()), self._today)

    def _in_utc(self, moment: datetime | date, text: str) -> datetime:
        if not isinstance(moment, datetime):
            self.without_offset += 1
            return self._day_start(moment)
        if moment.tzinfo is None:
            if self._zone is None:
                raise UnreadableTime(f"{text[:40]!r} has no offset{self._undeclared}")
            self.without_offset += 1
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


def _not_a_time(text: str, form: str | None) -> Worded:
    if form and form != ISO:
        return worded("{value!r} is not a time in the form {form!r} that the mapping names", value=text[:40], form=form)
    return worded("{value!r} is not a time such as 2026-03-02T09:30:00+08:00", value=text[:40])


def _too_late(text: str) -> Worded:
    return worded("{value!r} lies ahead by more than a day: a wrong date, or a wrong clock", value=text[:40])


def _too_early(text: str) -> Worded:
    return worded("{value!r} is before 1990: a wrong date, or a wrong clock", value=text[:40])


def _unclear_year(text: str) -> Worded:
    return worded(
        "{value!r} has a year of two digits, and which part is the year is not certain; the mapping can say it: "
        'created_at: {{format: "%y.%m.%d"}}, or {{format: dmy}}',
        value=text[:40],
    )


def _unclear_offset(text: str) -> Worded:
    return worded(
        "{value!r} may have an offset from UTC, or say from when to when; an offset is read with the seconds before it "
        "(03:30:00-05:00), or where the mapping says it: created_at: {{format: iso}}",
        value=text[:40],
    )


def _iso(text: str) -> datetime | date:
    """As ISO 8601 says; Python alone would take the offset of a day, which XML has, for a time. Raises ValueError."""
    if len(text) <= _DATE_CHARACTERS and ":" not in text and "T" not in text:
        if "W" in text and _WEEK.fullmatch(text):
            raise ValueError("is a week")
        return date.fromisoformat(text)
    if len(text) <= _UNTIL and (day := _DAY_WITH_OFFSET.fullmatch(text)) is not None:
        if day[2][0] == "-":
            raise ValueError("may be a day with an offset, and a day with a time")
        return datetime.fromisoformat(f"{day[1]}T00:00{day[2]}")
    return datetime.fromisoformat(text)


def _has_offset(moment: datetime, text: str) -> bool:
    """Whether the offset is one that clocks have, and cannot say until when: `2026-03-02 09:30-10:00`."""
    if moment.utcoffset() not in OFFSETS:
        return False
    return len(text) != _WITH_END or text[_UNTIL] != "-" or text[10] != " " or text[_UNTIL + 1 :] <= text[11:_UNTIL]


def utc_words(at: datetime) -> str:
    """A time in a message about a row: in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
