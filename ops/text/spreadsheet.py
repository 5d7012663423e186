"""Cells of CSV files that a spreadsheet opens right, whatever is in them."""

import csv
from collections.abc import Iterable
from datetime import datetime
from typing import TextIO

ENCODING = "utf-8-sig"
"""Of files, with a byte order mark: without one Excel takes Chinese for something else."""

# Excel in Chinese and Japanese takes the full-width signs as well.
_STARTS_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def harmless(text: str) -> str:
    """The text of a cell that no spreadsheet takes for a formula: where it would, an apostrophe stands before it."""
    return f"'{text}" if text.startswith(_STARTS_FORMULA) else text


def cell(value: object) -> object:
    """The cell of a value: times as ISO 8601, lists with `; ` between, yes and no, None as an empty cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return harmless("; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def write_cells(file: TextIO, rows: Iterable[Iterable[object]]) -> None:
    """One line for each row. Raises OSError."""
    csv.writer(file).writerows([cell(value) for value in row] for row in rows)
