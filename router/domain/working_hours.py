"""Working hours of a week, as a value: written by people in YAML or in one cell of a CSV file."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise

from router.domain.text import fold
from router.domain.worded import worded

Interval = tuple[int, int]
"""Minutes of the local day, [start, end), 0 <= start < end <= 1440."""

MINUTES_PER_DAY = 24 * 60
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_FULL_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_OTHER_NAMES = (
    "mo di mi do fr sa so",
    "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    "lun mar mer jeu ven sam dim",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "lun mar mié jue vie sáb dom",
    "lunes martes miércoles jueves viernes sábado domingo",
    "seg ter qua qui sex sáb dom",
    "segunda terça quarta quinta sexta sábado domingo",
    *(" ".join(f"{day}{numeral}" for numeral in "一二三四五六日") for day in ("周", "星期", "礼拜")),
    *(" ".join(f"{day}{numeral}" for numeral in "一二三四五六天") for day in ("周", "星期", "礼拜")),
)
_WITHOUT_ACCENTS = str.maketrans("éáç", "eac")
_WEEKDAY_NUMBERS = {
    **{
        name: i
        for names in _OTHER_NAMES
        for text in (names, names.translate(_WITHOUT_ACCENTS))
        for i, name in enumerate(text.split())
    },
    **{name: i for i, name in enumerate(WEEKDAYS)},
    **{name: i for i, name in enumerate(_FULL_NAMES)},
}
_WHOLE_DAY = {"always": ((0, MINUTES_PER_DAY),), "never": (), "off": ()}
_CLAUSE = re.compile(r"(?P<days>[^\d\s](?:[^\d]*[^\d\s])?)\s+(?P<hours>\d.*|always|never|off)")
_TIME = re.compile(r"(\d{1,2}):(\d{2})")
_DASHES = re.compile(r"\s*[-\u2010-\u2015~至到]\s*")


@dataclass(frozen=True, slots=True)
class WeekHours:
    """For each weekday (Monday = 0) the intervals of work, in minutes of the local wall clock.

    Intervals are ordered and neither overlap nor touch, so equal hours are equal values; make one with
    `parse_week` or `week_of`. A shift over midnight is two intervals, on the day and on the next.
    """

    days: tuple[tuple[Interval, ...], ...]

    def __post_init__(self) -> None:
        if len(self.days) != 7:
            raise ValueError(f"a week has 7 days, not {len(self.days)}")
        for name, day in zip(WEEKDAYS, self.days, strict=True):
            _check_day(name, day)


def week_of(days: Sequence[Iterable[Interval]]) -> WeekHours:
    """The week with these intervals per weekday, in any order; touching ones become one."""
    return WeekHours(tuple(_joined(day) for day in days))


def parse_week(spec: str | Mapping[str, str]) -> WeekHours:
    """Read working hours; ValueError says what is wrong and quotes the piece of text.

    Either a mapping of days to hours, `{"mon-fri": "09:00-12:00,13:00-18:00", "sat": "10:00-14:00"}`, or
    the same in one text, `mon-fri 09:00-12:00,13:00-18:00; sat 10:00-14:00`, or `always`, or `never`. Days
    are a name (`mon`, `Monday`, `周一`, `Mo`, `lundi`, `jue`, `sexta`), a range (`fri-mon` goes over the weekend) or
    several with commas; days that are not named are off. `22:00-06:00` goes on in the morning of the next day.
    """
    if isinstance(spec, Mapping):
        return _week(_mapped_clauses(spec))
    if isinstance(spec, str):
        return _parse_text(spec)
    raise ValueError(f"working hours must be a text or a mapping of days to hours, not {spec!r}")


@lru_cache(maxsize=4096)
def _parse_text(text: str) -> WeekHours:
    """One value per text: a roster of thousands has few patterns, and the same object compares fastest."""
    whole = _WHOLE_DAY.get(fold(text))
    return _week(_text_clauses(text)) if whole is None else WeekHours((whole,) * 7)


def _week(clauses: Iterable[tuple[str, str]]) -> WeekHours:
    days: list[list[Interval]] = [[] for _ in WEEKDAYS]
    seen: set[int] = set()
    for names, hours in clauses:
        intervals = _parse_hours(hours)
        for weekday in _parse_days(names):
            if weekday in seen:
                raise ValueError(
                    worded("{day} has hours twice, the second time in {text}", day=WEEKDAYS[weekday], text=repr(names))
                )
            seen.add(weekday)
            _add(days, weekday, intervals)
    if not seen:
        raise ValueError(worded("no working hours given; write 'never' or 'always' if that is meant"))
    return week_of(days)


def format_week(week: WeekHours) -> str:
    """The canonical text of working hours: `parse_week` reads back an equal value."""
    for word in ("always", "never"):
        if week.days == (_WHOLE_DAY[word],) * 7:
            return word
    runs = [list(run) for _, run in groupby(range(7), key=lambda weekday: week.days[weekday])]
    return "; ".join(f"{_days_text(run)} {_hours_text(week.days[run[0]])}" for run in runs if week.days[run[0]])


def _check_day(name: str, day: tuple[Interval, ...]) -> None:
    for start, end in day:
        if not 0 <= start < end <= MINUTES_PER_DAY:
            raise ValueError(f"{name}: {start} to {end} minutes is not within one day")
    for before, after in pairwise(day):
        if before[1] >= after[0]:
            both = {"day": name, "hours": _hours_text([before]), "others": _hours_text([after])}
            if before[1] == after[0]:
                raise ValueError(worded("{day}: {hours} and {others} touch: make them one", **both))
            raise ValueError(worded("{day}: {hours} and {others} overlap", **both))


def _joined(day: Iterable[Interval]) -> tuple[Interval, ...]:
    """In order, with touching intervals made one. Overlapping ones stay, to be refused."""
    joined: list[Interval] = []
    for start, end in sorted(day):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)


def _mapped_clauses(spec: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Days and hours, folded. YAML reads some unquoted hours as numbers or booleans: those are refused."""
    for days, hours in spec.items():
        if not isinstance(days, str) or not isinstance(hours, str):
            raise ValueError(f"days and hours must be text, not {days!r}: {hours!r}; write them in quotes")
        yield fold(days), fold(hours)


def _text_clauses(text: str) -> Iterator[tuple[str, str]]:
    for piece in (piece.strip() for piece in fold(text).split(";")):
        match = _CLAUSE.fullmatch(piece)
        if match:
            yield match["days"], match["hours"]
        elif piece:
            raise ValueError(
                worded("{text} is not days and hours such as 'mon-fri 09:00-12:00,13:00-18:00'", text=repr(piece))
            )


def _parse_days(text: str) -> list[int]:
    found: list[int] = []
    # Portuguese names end in -feira, which is no range.
    for part in text.replace("-feira", "").split(","):
        first, *rest = (_weekday(name, text) for name in _DASHES.split(part.strip()))
        if len(rest) > 1:
            raise ValueError(worded("{text} is not a weekday or a range of two weekdays", text=repr(part.strip())))
        last = rest[0] if rest else first
        found.extend((first + i) % 7 for i in range((last - first) % 7 + 1))
    return found


def _weekday(name: str, text: str) -> int:
    number = _WEEKDAY_NUMBERS.get(name)
    if number is None:
        raise ValueError(
            worded("{text} is not a weekday; use {names}", text=_quoted(name, text), names=", ".join(WEEKDAYS))
        )
    return number


def _parse_hours(text: str) -> tuple[Interval, ...]:
    """Intervals of a day; one that goes over midnight ends after minute 1440."""
    if text in _WHOLE_DAY:
        return _WHOLE_DAY[text]
    return tuple(_parse_interval(part.strip(), text) for part in text.split(","))


def _parse_interval(part: str, text: str) -> Interval:
    times = _DASHES.split(part)
    if len(times) != 2:
        raise ValueError(worded("{text} is not a start and an end such as 09:00-12:00", text=_quoted(part, text)))
    start, end = (_parse_time(time, text) for time in times)
    if start in (end, MINUTES_PER_DAY):
        raise ValueError(worded("{text} has no length; a whole day is 00:00-24:00", text=_quoted(part, text)))
    return (start, end if end > start else end + MINUTES_PER_DAY)


def _parse_time(time: str, text: str) -> int:
    match = _TIME.fullmatch(time)
    minutes = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else None
    if minutes is None or minutes > MINUTES_PER_DAY:
        raise ValueError(worded("{text} is not a time between 00:00 and 24:00", text=_quoted(time, text)))
    return minutes


def _quoted(piece: str, text: str) -> str:
    return repr(piece) if piece == text else worded("{piece} in {text}", piece=repr(piece), text=repr(text))


def _add(days: list[list[Interval]], weekday: int, intervals: Iterable[Interval]) -> None:
    for start, end in intervals:
        days[weekday].append((start, min(end, MINUTES_PER_DAY)))
        if end > MINUTES_PER_DAY:
            days[(weekday + 1) % 7].append((0, end - MINUTES_PER_DAY))


def _days_text(run: Sequence[int]) -> str:
    first, last = WEEKDAYS[run[0]], WEEKDAYS[run[-1]]
    return first if first == last else f"{first}-{last}"


def _hours_text(day: Iterable[Interval]) -> str:
    return ",".join(f"{s // 60:02}:{s % 60:02}-{e // 60:02}:{e % 60:02}" for s, e in day)


ALWAYS = parse_week("always")
NEVER = parse_week("never")
