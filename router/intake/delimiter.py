"""What stands between the cells of a CSV file: comma, semicolon, tab or pipe. Pure."""

import csv
from collections.abc import Collection, Sequence

from router.domain.worded import worded

DELIMITERS = (",", ";", "\t", "|")
WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_NAMES = {",": worded("comma"), ";": worded("semicolon"), "\t": worded("tab"), "|": worded("pipe")}


class DelimiterUnknown(ValueError):
    """The text is neither one character that can stand between cells nor the name of one."""


def delimiter_named(text: str) -> str:
    """The character that is meant: itself, or comma, semicolon, tab, pipe. Raises DelimiterUnknown."""
    sign = WORDS.get(text.strip().lower(), "\t" if text == "\\t" else text)
    if len(sign) != 1 or sign in '"\r\n \0' or sign.isalnum():
        raise DelimiterUnknown(
            worded(
                "{text} is not a delimiter; use comma, semicolon, tab, pipe, or one other character", text=repr(text)
            )
        )
    return sign


def display_name(delimiter: str) -> str:
    """The delimiter for people."""
    return _NAMES.get(delimiter, repr(delimiter))


def detect(lines: Sequence[str], known: Collection[str]) -> str:
    """The delimiter that makes most sense of a file's first lines; `known` are names that columns may have.

    What counts, in this order: how many columns have a known name, how many rows have as many cells as the
    first, how many columns there are.
    """
    return max(DELIMITERS, key=lambda delimiter: _sense(lines, known, delimiter))


def _sense(lines: Sequence[str], known: Collection[str], delimiter: str) -> tuple[int, int, int]:
    try:
        header, *rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except (csv.Error, ValueError):
        return 0, 0, 0
    names = sum(name.strip() in known for name in header)
    return names, sum(len(row) == len(header) for row in rows) if len(header) > 1 else 0, len(header)
