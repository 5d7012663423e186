"""What the XML of a sheet says beside its values: merged cells, and formulas that no program ever calculated. Pure."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

MAX_MERGED = 100_000
_CHUNK = 1 << 18
# A formula has 8,192 characters at most; with them its cell is found whole.
_TAIL = 1 << 16
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})"')
# A cell with a formula and no value, by its attributes. No part of it goes beyond the `<` of the next tag, so that
# hostile XML costs no more than its length.
_FORMULA_ONLY = re.compile(
    rb"<(?:\w+:)?c\s([^<>]*+)><(?:\w+:)?f(?:\s[^<>]*)?(?:/>|>[^<]*+</(?:\w+:)?f>)"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?</(?:\w+:)?c>"
)
_ROW = re.compile(rb"<(?:\w+:)?row\s([^<>]*+)>")
_NUMBER = re.compile(rb'(?:^|\s)r="([0-9]{1,7})"')
_HIDDEN = re.compile(rb'(?:^|\s)hidden="(?:1|true)"')
_REFERENCE = re.compile(rb'(?:^|\s)r="([A-Z]{1,3}[0-9]{1,7})"')
# Only a formula that gives a text may have an empty value.
_GIVES_TEXT = re.compile(rb'(?:^|\s)t="str"')


class TooManyMerged(ValueError):
    """There are more merged cells than anybody makes."""


@dataclass(slots=True)
class SheetMarks:
    """`uncalculated` names the first cell with a formula without a value; `hidden` = rows that are not shown.

    `merged`: by the row where they begin (from 1), cells that are merged over several rows, as (first column, last
    row), columns from 0.
    """

    uncalculated: str | None = None
    hidden: int = 0
    merged: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))


def sheet_marks(opened: IO[bytes]) -> SheetMarks:
    """Of a sheet's part, read in pieces. Raises TooManyMerged."""
    found = SheetMarks()
    seen: set[tuple[bytes, ...]] = set()
    tail = b""
    hidden_row = 0
    while chunk := opened.read(_CHUNK):
        both = tail + chunk
        if b' hidden="' in both:
            hidden_row = _count_hidden(both, hidden_row, found)
        if found.uncalculated is None and b"f>" in both:
            found.uncalculated = _uncalculated(both)
        if b"mergeCell " in both:
            seen.update(one.groups() for one in _MERGED.finditer(both))
            if len(seen) > MAX_MERGED:
                raise TooManyMerged(f"has more than {MAX_MERGED:,} merged cells")
        tail = both[-_TAIL:]
    for first_column, first, _, last in sorted(seen):
        if int(last) > int(first):
            found.merged[int(first)].append((_column(first_column), int(last)))
    return found


def _count_hidden(xml: bytes, last: int, found: SheetMarks) -> int:
    """Counts hidden rows behind row `last`; returns the last one of them."""
    for row in _ROW.finditer(xml):
        number = _NUMBER.search(row[1])
        if number is not None and int(number[1]) > last and _HIDDEN.search(row[1]) is not None:
            found.hidden += 1
            last = int(number[1])
    return last


def _uncalculated(xml: bytes) -> str | None:
    for cell in _FORMULA_ONLY.finditer(xml):
        reference = _REFERENCE.search(cell[1])
        if reference is not None and _GIVES_TEXT.search(cell[1]) is None:
            return reference[1].decode()
    return None


def _column(letters: bytes) -> int:
    """`A` is 0."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


class MergedRows:
    """Fills cells that are merged over rows with their value, in rows that come one after another.

    Only below the line of names: a name that is merged over two rows is no value.
    """

    def __init__(self, merged: dict[int, list[tuple[int, int]]]) -> None:
        self._merged = merged
        self._open: list[tuple[int, int, str]] = []
        self.filled = 0

    def fill(self, number: int, cells: Sequence[str], *, is_data: bool) -> list[str]:
        """The cells of row `number` (from 1)."""
        row = list(cells)
        self._open = [one for one in self._open if one[1] >= number]
        for column, _, value in self._open:
            row += [""] * (column + 1 - len(row))
            if not row[column]:
                row[column] = value
                self.filled += 1
        for column, last in self._merged.get(number, ()) if is_data else ():
            if column < len(row) and row[column]:
                self._open.append((column, last, row[column]))
        return row
