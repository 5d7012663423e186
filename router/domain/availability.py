"""What people write to say whether, and when not, a rep works. A wrong guess hides leads: none is made."""

import re
from datetime import date, datetime

from router.domain.date_forms import read_as
from router.domain.roster import Leave
from router.domain.text import fold
from router.domain.worded import worded

_YES = frozenset(
    (
        *("是", "yes", "y", "true", "1", "在岗", "on", "ja", "wahr", "oui", "vrai"),
        *("sí", "si", "sim", "verdadero", "verdadeiro"),
    )
)
_NO = frozenset(
    (
        *("否", "no", "n", "false", "0", "离岗", "off", "nein", "falsch", "non", "faux"),
        *("não", "nao", "falso"),
    )
)
UNDERSTOOD = "yes/no, y/n, true/false, 1/0, on/off, 是/否, 在岗/离岗, ja/nein, oui/non, sí/no, sim/não"

_PERIODS = re.compile(r"[;；、,\n|]")
_ONE_DAY = r"\d{4}-\d{1,2}-\d{1,2}|\d{4}/\d{1,2}/\d{1,2}|\d{1,2}\.\d{1,2}\.\d{4}|\d{4}年\d{1,2}月\d{1,2}[日号]"
_DAY = re.compile(_ONE_DAY, re.ASCII)
_FROM_TO = re.compile(rf"(?P<first>{_ONE_DAY})\s*(?:[-\u2010-\u2015~]|至|到|to|bis)\s*(?P<last>{_ONE_DAY})", re.ASCII)
_LONGEST_LEAVE_DAYS = 3 * 366
_PERIODS_AT_MOST = 200


def understand(text: str) -> bool | None:
    """Whether the text says yes or no, in any case and width, with any spaces around; else None."""
    word = fold(text)
    if word in _YES:
        return True
    return False if word in _NO else None


def parse_leave(text: str) -> tuple[Leave, ...]:
    """`2026-10-01..2026-10-07; 2026-12-24`: periods of days, both ends included, ordered, each once.

    Raises ValueError that says which part is wrong.
    """
    parts = [part for part in (fold(p) for p in _PERIODS.split(text)) if part]
    if len(parts) > _PERIODS_AT_MOST:
        raise ValueError(
            worded("{number} periods of leave; {limit} are the most", number=len(parts), limit=_PERIODS_AT_MOST)
        )
    return tuple(sorted({_period(part) for part in parts}, key=lambda leave: (leave.first, leave.last)))


def leave_text(leave: tuple[Leave, ...]) -> str:
    """The one spelling of these periods; `parse_leave` reads it back."""
    return "; ".join(f"{one.first}" if one.first == one.last else f"{one.first}..{one.last}" for one in leave)


def _period(part: str) -> Leave:
    first, dots, last = part.partition("..")
    if not dots and (found := _FROM_TO.fullmatch(part)):
        first, last = found["first"], found["last"]
    leave = Leave(_day(first.strip()), _day((last or (first if not dots else "")).strip()))
    if leave.last < leave.first:
        raise ValueError(worded("{text} ends before it begins", text=repr(part)))
    if (leave.last - leave.first).days >= _LONGEST_LEAVE_DAYS:
        raise ValueError(worded("{text} is longer than three years; make the rep inactive instead", text=repr(part)))
    return leave


def _day(text: str) -> date:
    try:
        # fromisoformat alone would also take 20261001 and week dates.
        if not _DAY.fullmatch(text):
            raise ValueError
        read = read_as(text, "dmy")
        return read.date() if isinstance(read, datetime) else read
    except ValueError:
        raise ValueError(worded("{text} is not a day (YYYY-MM-DD, or FIRST..LAST)", text=repr(text))) from None
