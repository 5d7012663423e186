"""Forms of dates beside ISO 8601: what each allows, and which of them a whole column allows. Pure, without zones."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from typing import NamedTuple

from router.domain.worded import worded

ISO = "iso"
NAMED = (ISO, "ymd", "dmy", "mdy", "excel", "epoch", "epoch_ms")
_EXCEL_START = datetime(1899, 12, 30)  # noqa: DTZ001 (the zone is the caller's)
FROM_1904 = timedelta(days=1_462)
"""By how much the days of a workbook that counts from 1904 are later than those of others."""
_EXCEL_DAYS = range(32_874, 73_051)
"""1990 to 2099."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            *(
                "jan january januar janvier enero ene janeiro jänner janv",
                "feb february februar février febrero fevereiro",
            ),
            *("mar march märz maerz mars marzo março mär mrz", "apr april avril abril abr avr"),
            *("may mai mayo maio", "jun june juni juin junio junho", "jul july juli juillet julio julho juil"),
            *("aug august août agosto ago aout", "sep september septembre septiembre setembro sept set"),
            *("oct october oktober octobre octubre outubro okt out", "nov november novembre noviembre novembro"),
            "dec december dezember décembre diciembre dezembro dez dic déc",
        ),
        1,
    )
    for name in names.split()
}
_MORNING, _AFTERNOON = ("am", "上午", "午前", "오전"), ("pm", "下午", "午後", "오후")
_HALF = "|".join((*_MORNING, *_AFTERNOON))
_TIME = (
    rf"(?:(?:[T,\s]+|(?=[^\W\d]))(?P<half>{_HALF})?\s*(?P<hour>\d{{1,2}})[:.](?P<minute>\d{{2}})"
    r"(?:[:.](?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?"
    rf"\s*(?P<half2>{_HALF}|a\.\s?m\.|p\.\s?m\.)?\s*(?P<zone>z|utc|gmt|(?:utc|gmt)?[+-]\d{{1,2}}(?::?\d{{2}})?)?)?"
)
_NUMBERS = re.compile(
    r"(?P<a>\d{1,4})(?P<sign>[-/.])(?P<b>\d{1,2})(?P=sign)(?P<c>\d{4}|\d{1,2})" + _TIME, re.IGNORECASE
)
_DAY_MONTH = re.compile(
    r"(?:[^\W\d]{2,12}\.?,?\s+)?(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?(?:\s+de)?[\s.-]*(?P<month>[^\W\d]{3,10})\.?(?:\s+de)?"
    r"[\s,.-]+(?P<year>\d{4})" + _TIME,
    re.IGNORECASE,
)
_MONTH_DAY = re.compile(
    r"(?:[^\W\d]{2,12}\.?,?\s+)?(?P<month>[^\W\d]{3,10})\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<year>\d{4})"
    + _TIME,
    re.IGNORECASE,
)
_DAY_MONTH_SHORT = re.compile(
    r"(?P<day>\d{1,2})-(?P<month>[^\W\d]{3,10})\.?-(?P<year>\d{2})" + _TIME,
    re.IGNORECASE,
)
"""As spreadsheets show dates in English: `2-Mar-26`."""
_SPACED = re.compile(r"(\d{4}|\d{1,2})\. ?(\d{1,2})\. ?(\d{4}|\d{1,2})\.?(?=\s|$)")
"""`2026. 3. 2.` of Korea and Hungary, `2. 3. 2026` of Czechia."""
_CHINESE = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*[日号]?")
_CHINESE_TIME = re.compile(r"(\d{1,2})[时点](\d{1,2})分(?:(\d{1,2})秒)?")
_COMPACT = re.compile(r"\d{14}")
_SERIAL = re.compile(r"\d{5}(?:[.,]\d{1,12})?")
_LONGEST = 60


_ORDERS = frozenset(("dmy", "mdy", "ymd"))
_LONG_AGO = timedelta(days=3653)
_FRESH = timedelta(days=32)
OFFSETS = frozenset(timedelta(minutes=minutes) for minutes in range(-12 * 60, 14 * 60 + 1, 15))
"""Those that clocks somewhere have, and a few more. `09:30-10:15` has none: it is from when to when."""


class Ambiguous(ValueError):
    """The text allows two readings, and its column does not decide."""


class MayBeSpan(ValueError):
    """What looks like an offset may be until when: `03:30-05:00`."""


class YearUnclear(ValueError):
    """The year has two digits, and may stand in front as well as at the end."""


def is_recent(moment: date, today: date, span: timedelta = _LONG_AGO) -> bool:
    """Whether it is a day of the ten years before `today`, which is one day late: a day ahead may be."""
    day = moment.date() if isinstance(moment, datetime) else moment
    return today - span <= day <= today


def checked_form(form: str) -> str:
    """The form as it is used: one of NAMED, or a pattern of strptime. Raises ValueError."""
    if form.strip().lower() in NAMED:
        return form.strip().lower()
    if "%" not in form:
        names = ", ".join(NAMED)
        raise ValueError(
            worded(
                '{form!r} is not a form of dates; use {names}, or a pattern such as "%d.%m.%Y %H:%M"',
                form=form,
                names=names,
            )
        )
    example = datetime(2026, 11, 23, 21, 45, 6)  # noqa: DTZ001 (the zone is the caller's)
    try:
        again = datetime.strptime(example.strftime(form), form)  # noqa: DTZ007 (the zone is the caller's)
    except ValueError as error:
        raise ValueError(worded("{form!r} is not a pattern of dates: {why}", form=form, why=error)) from None
    if again.date() != example.date():
        raise ValueError(worded("{form!r} must name year, month and day, such as %d.%m.%Y", form=form))
    return form


def read_as(text: str, form: str) -> datetime | date:
    """The time, aware if the text has an offset, or the day alone. Raises ValueError."""
    if form == ISO:
        return date.fromisoformat(text) if len(text) <= 10 and ":" not in text else datetime.fromisoformat(text)
    if form == "excel":
        return _serial(text)
    if form in ("epoch", "epoch_ms"):
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=float(text) / (1000 if form == "epoch_ms" else 1))
    if form in ("ymd", "dmy", "mdy"):
        return _read(text, form)
    read = datetime.strptime(text, form)  # noqa: DTZ007 (the zone is the caller's)
    return read if re.search("%[HIcXsTR]", form) else read.date()


def read_free(text: str, orders: Iterable[str], today: date = date.max) -> datetime | date:
    """The time in whichever usual form it is; `orders` (dmy, mdy, ymd) are those that its column allows by `today`.

    Raises Ambiguous, YearUnclear, and ValueError where it is in no such form.
    """
    if len(text) > _LONGEST:
        raise ValueError("is too long")
    if text.isascii() and text.isdecimal():
        if len(text) in (10, 13):
            return read_as(text, "epoch" if len(text) == 10 else "epoch_ms")
        if _COMPACT.fullmatch(text):
            return datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 (the zone is the caller's)
    if _SERIAL.fullmatch(text):
        return _serial(text)
    if group_of(text) is None:
        return _read(text, "dmy")
    found, known = _readings(text), set(orders)
    possible = found.recent(today)
    # A day that its column puts ahead is what it says, and refused as such, not one of another order.
    allowed = possible & known or found.year_last & known or possible
    if "ymd" in allowed:
        raise YearUnclear(text)
    readings = {order: found.by_order[order] for order in sorted(allowed)}
    if len(set(readings.values())) > 1:
        raise Ambiguous(text)
    if not readings:
        raise ValueError("is no date")
    return next(iter(readings.values()))


def group_of(text: str) -> str | None:
    """The kind of spelling whose order of parts is open: all of a kind in a column are read alike."""
    found = _NUMBERS.fullmatch(_plain(text)) if len(text) <= _LONGEST else None
    if found is None or len(found["a"]) == 4 or (found["sign"] == "." and len(found["c"]) == 4):
        return None
    return f"{found['sign']}{len(found['c'])}"


class _Readings(NamedTuple):
    """What a text is by each order that makes it a date; `short` = which part is the year is open, too."""

    by_order: Mapping[str, date]
    short: bool

    @property
    def year_last(self) -> Set[str]:
        return self.by_order.keys() - {"ymd"}

    def recent(self, today: date) -> Set[str]:
        """The orders; of a short one those that make it a recent day, if any does."""
        if not self.short:
            return self.year_last
        return {order for order, day in self.by_order.items() if is_recent(day, today)} or self.year_last

    def fresh(self, today: date) -> Set[str]:
        """The orders by which it is a day of the last month."""
        return {order for order, day in self.by_order.items() if is_recent(day, today, _FRESH)}


def _readings(text: str) -> _Readings:
    """With dots nobody puts the month first."""
    found = _NUMBERS.fullmatch(_plain(text))
    if found is None:
        return _Readings({}, short=False)
    short = (len(found["a"]), len(found["b"]), len(found["c"])) == (2, 2, 2)
    readings: dict[str, date] = {}
    for order in ("dmy", *(("mdy",) if found["sign"] != "." else ()), *(("ymd",) if short else ())):
        with suppress(ValueError):
            readings[order] = _read(text, order)
    return _Readings(readings, short)


def orders_of(texts: Iterable[str], today: date) -> dict[str, frozenset[str]]:
    """By group, the orders that all texts of a column allow; an empty set = they contradict each other.

    `today` decides what a year of two digits can be, as in `is_recent`. Where it may stand in front as well as at the
    end, and only one of the two makes all of them days of the last month, as in what is exported each night, it is that
    one: by the other, days of long ago would all have one number, by chance that of this year.
    """
    recent: dict[str, Set[str]] = {}
    allowed: dict[str, Set[str]] = {}
    fresh: dict[str, Set[str]] = {}
    for text in texts:
        if (group := group_of(text)) and (found := _readings(text)).by_order:
            recent[group] = recent.get(group, _ORDERS) & found.recent(today)
            allowed[group] = allowed.get(group, _ORDERS) & found.year_last
            fresh[group] = fresh.get(group, _ORDERS) & found.fresh(today)
    orders = {}
    for group, found_in_all in recent.items():
        # One day that lies ahead, or long ago, is wrong by itself: it does not make the other rows unclear.
        left = found_in_all or allowed[group]
        if "ymd" in left and len(left) == 2 and len(left & fresh[group]) == 1:
            left &= fresh[group]
        orders[group] = frozenset(left)
    return orders


_AT = re.compile(r"\s+(?:à|às|as|um|at|a las|alle|ore|om)\s+(?=\d)", re.IGNORECASE)
_HOURS = re.compile(r"\b(\d{1,2})\s?h\s?(\d{2})\b", re.IGNORECASE)
_UHR = re.compile(r"\s*(?:uhr|hs?)$", re.IGNORECASE)
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
# Text that Date() of JavaScript puts behind the offset.
_ZONE_NAMED = re.compile(r"(?<=[+-]\d{4}) \([^()]{1,40}\)$")


def _plain(text: str) -> str:
    plain = _SPACED.sub(_unspaced, _ascii(text), count=1) if ". " in text or text.endswith(".") else _ascii(text)
    if len(plain) > 10:
        plain = _UHR.sub("", _AT.sub(" ", _ZONE_NAMED.sub("", plain)))
        plain = _HOURS.sub(r"\1:\2", plain)
    return plain


def _unspaced(found: re.Match[str]) -> str:
    return f"{found[1]}.{found[2]}.{found[3]}"


def _ascii(text: str) -> str:
    if text.isascii():
        return text.strip()
    plain = unicodedata.normalize("NFKC", text).strip().translate(_DASHES)
    plain = _CHINESE.sub(r"\1-\2-\3 ", plain)
    return _CHINESE_TIME.sub(lambda found: f"{found[1]}:{found[2]:>02}:{found[3] or 0:>02}", plain).strip()


def _read(text: str, order: str) -> datetime | date:
    plain = _plain(text)
    if found := _NUMBERS.fullmatch(plain):
        numbers = [int(found[name]) for name in "abc"]
        if len(found["a"]) == 4:
            year, month, day = numbers
        elif order == "ymd":
            year, month, day = numbers[0] + 2000, numbers[1], numbers[2]
        else:
            first, second, year = numbers
            if len(found["c"]) == 1 or len(found["a"]) > 2:
                raise ValueError("has no year")
            day, month = (first, second) if order == "dmy" else (second, first)
            year += 2000 if len(found["c"]) == 2 else 0
    elif found := _DAY_MONTH.fullmatch(plain) or _MONTH_DAY.fullmatch(plain) or _DAY_MONTH_SHORT.fullmatch(plain):
        number = _MONTHS.get(found["month"].casefold())
        if number is None:
            raise ValueError("names no month")
        year, month, day = int(found["year"]), number, int(found["day"])
        year += 2000 if len(found["year"]) == 2 else 0
    else:
        raise ValueError("is in no usual form of dates")
    return _with_time(date(year, month, day), found)


def _with_time(day: date, found: re.Match[str]) -> datetime | date:
    if found["hour"] is None:
        return day
    hour = int(found["hour"])
    half = (found["half"] or found["half2"] or "").casefold().replace(".", "").replace(" ", "")
    if half:
        if hour > 12 and half in _MORNING:
            raise ValueError("has an hour after noon, and says before")
        hour = hour % 12 + (12 if half in _AFTERNOON else 0) if hour <= 12 else hour
    elif hour == 24 and not int(found["minute"]) and not int(found["second"] or 0) + int(found["part"] or 0):
        # The end of a day is the start of the next one.
        day, hour = day + timedelta(days=1), 0
    part = int((found["part"] or "0").ljust(6, "0")[:6])
    moment = datetime(day.year, day.month, day.day, hour, int(found["minute"]), int(found["second"] or 0), part)  # noqa: DTZ001 (the zone is the caller's)
    offset = found["zone"]
    if (
        offset
        and offset[0] == "-"
        and ":" in offset
        and found["second"] is None
        and _minutes(offset) > _minutes(f"-{hour}:{found['minute']}")
    ):
        raise MayBeSpan(offset)
    return moment.replace(tzinfo=_offset(offset))


def _minutes(text: str) -> int:
    hours, minutes = text[1:].split(":")
    return 60 * int(hours) + int(minutes)


def _offset(text: str | None) -> timezone | None:
    if not text:
        return None
    plain = text.casefold().removeprefix("utc").removeprefix("gmt").replace(":", "")
    if plain in ("", "z"):
        return UTC
    digits = plain[1:]
    hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
    span = timedelta(hours=hours, minutes=minutes) * (1 if plain[0] == "+" else -1)
    if span not in OFFSETS:
        raise ValueError("has an offset that no clock has")
    return timezone(span)


def is_serial(text: str) -> bool:
    """Whether it is a number of a day as spreadsheets have it."""
    return _SERIAL.fullmatch(text) is not None


def _serial(text: str) -> datetime | date:
    """Excel's number of the day, from 1900 on."""
    days = float(text.replace(",", "."))
    if int(days) not in _EXCEL_DAYS:
        raise ValueError("is no day of a spreadsheet between 1990 and 2099")
    moment = _EXCEL_START + timedelta(seconds=round(days * 86_400))
    return moment if "." in text or "," in text else moment.date()
