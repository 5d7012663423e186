"""The differences of a replay as a CSV file that Excel opens right, whatever is in it."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TextIO

from ops.replay.report import LeadRow

ENCODING = "utf-8-sig"
"""With a byte order mark: without one Excel takes Chinese for something else."""

COLUMNS = ("lead_id", "source", "external_id", *(field.name for field in fields(LeadRow) if field.name != "lead_id"))

# Excel in Chinese and Japanese takes the full-width signs as well.
_STARTS_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def harmless(text: str) -> str:
    """The text of a cell that no spreadsheet takes for a formula: where it would, an apostrophe stands before it."""
    return f"'{text}" if text.startswith(_STARTS_FORMULA) else text


def write_header(file: TextIO) -> None:
    csv.writer(file).writerow(COLUMNS)


def write_rows(file: TextIO, rows: Iterable[LeadRow], names: Mapping[int, tuple[str, str]]) -> None:
    """One line per lead; `names` = (source, external id) by lead id."""
    writer = csv.writer(file)
    for row in rows:
        source, external_id = names.get(row.lead_id, ("", ""))
        cells = [getattr(row, field.name) for field in fields(row)[1:]]
        texts = [cell if isinstance(cell, str) else cell.isoformat() for cell in (source, external_id, *cells)]
        writer.writerow([row.lead_id, *map(harmless, texts)])
