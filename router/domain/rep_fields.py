"""The fields of a rep as people write them: one reader per field, shared by files and commands."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from router.domain.availability import UNDERSTOOD, leave_text, parse_leave, understand
from router.domain.calendar import format_week, parse_week, zone
from router.domain.holidays import country_code
from router.domain.roster import MILLI, ONE_REP
from router.domain.text import fold, whole_id, without_invisible
from router.domain.worded import said_by, worded

MAX_TEXT = 200
MAX_NAMES = 500
MAX_WEIGHT = 1000
MAX_CAP = 1_000_000

# A comma may belong to a name, as in "Washington, DC"; between Chinese characters it does not.
_LIST = re.compile(r"[;；|、，\n]|(?<=[\u3400-\u9fff])\s*,\s*(?=[\u3400-\u9fff])")
# As spreadsheets shorten numbers.
_ROUNDED = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+[0-9]{1,3}", re.IGNORECASE | re.ASCII)
_NO_OR_NORWAY = "no"
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
# Spreadsheets write 20 as 20.0; 1.000 and 1,000 may be a thousand, and are refused where they could be.
_WHOLE = re.compile(r"(\d{1,9})(?:[.,]0{1,2})?", re.ASCII)
_DECIMAL = re.compile(r"\d{1,9}(\.\d{1,12})?", re.ASCII)
_COMMA = re.compile(r"0,\d{1,12}|\d{1,9},(?!\d{3}$)\d{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RepLine:
    """What a source says of one rep: values by field name (see READERS), only the fields that it speaks of.

    `line` is where in the source; 0 where there are no lines. A value of None means "none of its own".
    `unknown_at` = when the source's word on the availability was read and not understood; None = there is no such word.
    """

    rep_id: str
    values: Mapping[str, Any]
    line: int = 0
    unknown_at: datetime | None = None


def read_field(field: str, text: str) -> Any:
    """The value that the text means. Raises ValueError with what is wrong and what would be right, worded."""
    # Signs that nobody sees would make two reps or two groups of one; names of people are kept as they came.
    return READERS[field](text if field == "name" else without_invisible(text))


def _rep_id(text: str) -> str:
    value = _text(text)
    if value is None:
        raise ValueError(worded("is empty"))
    if _ROUNDED.fullmatch(value):
        raise ValueError(
            worded("value {value} was rounded by a spreadsheet; export the ids as text", value=_shown(text))
        )
    return whole_id(value)


def _manager_id(text: str) -> str | None:
    """As the rep_id that it names: a column with empty cells is one of decimals for many programs."""
    return None if _text(text) is None else _rep_id(text)


def _text(text: str) -> str | None:
    value = text.strip()
    if len(value) > MAX_TEXT:
        raise ValueError(worded("has {length} characters; {limit} are the most", length=len(value), limit=MAX_TEXT))
    if _CONTROL.search(value):
        raise ValueError(worded("value {value} holds a control character", value=repr(value)))
    return value or None


def _yes_or_no(text: str) -> bool:
    value = understand(text)
    if value is None:
        raise ValueError(worded("value {value} is not understood ({valid})", value=_shown(text), valid=UNDERSTOOD))
    return value


def _time_zone(text: str) -> str | None:
    name = _text(text)
    if name is not None:
        zone(name)
    return name


def _working_hours(text: str) -> str:
    """In one spelling, so that the same hours written otherwise are no change; empty = none of its own."""
    value = text.strip()
    if len(value) > 10 * MAX_TEXT:
        raise ValueError(
            worded("has {length} characters; {limit} are the most", length=len(value), limit=10 * MAX_TEXT)
        )
    if not value:
        return ""
    try:
        return format_week(parse_week(value))
    except ValueError as error:
        raise ValueError(worded("value {value}: {problem}", value=_shown(text), problem=said_by(error))) from None


def _holidays(text: str) -> str:
    """The code of a country or subdivision, or `none`; empty = none of its own."""
    value = _text(text)
    if value is None:
        return ""
    if value != value.upper() and fold(value) == _NO_OR_NORWAY:
        raise ValueError(worded("value {value} may mean Norway or no holidays: write NO or none", value=_shown(text)))
    try:
        return country_code(value)
    except ValueError as error:
        raise ValueError(worded("value {value}: {problem}", value=_shown(text), problem=said_by(error))) from None


def _groups(text: str) -> tuple[str, ...]:
    names = _names(text)
    if taken := [name for name in names if fold(name).startswith(ONE_REP)]:
        raise ValueError(
            worded(
                "value {value}: a group cannot be called so, since rules mean one rep by rep:ID; give the group "
                "another name",
                value=_shown(taken[0]),
            )
        )
    return names


def _leave(text: str) -> str:
    try:
        return leave_text(parse_leave(text))
    except ValueError as error:
        raise ValueError(worded("value {value}: {problem}", value=_shown(text), problem=said_by(error))) from None


def _names(text: str) -> tuple[str, ...]:
    """Names, sorted, each once whatever its case and width."""
    found: dict[str, str] = {}
    for part in _LIST.split(text):
        name = _text(part)
        if name is not None:
            found.setdefault(fold(name), name)
    if len(found) > MAX_NAMES:
        raise ValueError(worded("has {number} names; {limit} are the most", number=len(found), limit=MAX_NAMES))
    return tuple(found[key] for key in sorted(found))


def _weight(text: str) -> int | None:
    """Thousandths; None where the text is empty."""
    plain = fold(text)
    if not plain:
        return None
    if _COMMA.fullmatch(plain):
        plain = plain.replace(",", ".")
    milli = Decimal(plain) * MILLI if _DECIMAL.fullmatch(plain) else Decimal("NaN")
    if not milli.is_finite() or milli != int(milli) or milli > MAX_WEIGHT * MILLI:
        raise ValueError(
            worded(
                "value {value} is not a weight (0 to {limit}, at most 3 decimals)", value=_shown(text), limit=MAX_WEIGHT
            )
        )
    return int(milli)


def _cap(text: str) -> int | None:
    plain = fold(text)
    if not plain:
        return None
    found = _WHOLE.fullmatch(plain)
    if not found or int(found[1]) > MAX_CAP:
        raise ValueError(
            worded(
                "value {value} is not a cap (a whole number from 0 to {limit:,}, or empty)",
                value=_shown(text),
                limit=MAX_CAP,
            )
        )
    return int(found[1])


def _shown(text: str) -> str:
    short = text.strip()
    return f'"{short}"' if len(short) <= 60 else f'"{short[:57]}…"'


READERS: dict[str, Callable[[str], Any]] = {
    "rep_id": _rep_id,
    "name": _text,
    "active": _yes_or_no,
    "available": _yes_or_no,
    "time_zone": _time_zone,
    "working_hours": _working_hours,
    "holidays": _holidays,
    "leave": _leave,
    "groups": _groups,
    "regions": _names,
    "industries": _names,
    "weight": _weight,
    "max_open": _cap,
    "max_per_day": _cap,
    "manager_id": _manager_id,
    "team": _text,
    "email": _text,
    "mobile": _text,
    "wecom_user_id": _text,
    "dingtalk_user_id": _text,
    "feishu_user_id": _text,
}
