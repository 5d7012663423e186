"""Rows of a table as people and programs leave them: cells too many, names again, rows within a row. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

ODD_END = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""What ends no line of a table, though some programs think so."""
_ENOUGH_COLUMNS = 3


def fit(cells: list[str], named: list[str]) -> None:
    """Drops empty cells behind the last column, and adds those of columns without a name that are missing."""
    if len(cells) > len(named):
        if not any(map(str.strip, cells[len(named) :])):
            del cells[len(named) :]
    elif not any(named[len(cells) :]):
        cells += [""] * (len(named) - len(cells))


def repeats_names(cells: list[str], head: list[str]) -> bool:
    """Whether the row is the line of names: files are joined, and pages have their names again."""
    return [cell.strip("\ufeff \t") for cell in cells] == head


def each_is_a_row(lines: Sequence[str], delimiter: str, columns: int) -> bool:
    """Whether each line of a row seems to be a row: a quote that was not closed takes rows for a text.

    As many cells are not enough, since texts have commas: where rows begin with a number, its other lines do, too.
    """
    if columns < _ENOUGH_COLUMNS or any(line.count(delimiter) != columns - 1 for line in lines):
        return False
    first, *others = (_look(line.partition(delimiter)[0]) for line in lines)
    return not first.has_digit or all(other == first for other in others)


class _Look(NamedTuple):
    """What a cell is made of: `1042`, `A-7` and `Berlin 10` look different."""

    has_digit: bool
    has_letter: bool
    is_text: bool


def _look(cell: str) -> _Look:
    plain = cell.strip(" \t\"'\ufeff")
    has_letter = any(map(str.isalpha, plain))
    return _Look(any(map(str.isdigit, plain)), has_letter, has_letter and " " in plain)
