"""The differences of a replay as a CSV file."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TextIO

from ops.replay.report import LeadRow
from ops.text.spreadsheet import write_cells

COLUMNS = ("lead_id", "source", "external_id", *(field.name for field in fields(LeadRow) if field.name != "lead_id"))


def write_header(file: TextIO) -> None:
    write_cells(file, [COLUMNS])


def write_rows(file: TextIO, rows: Iterable[LeadRow], names: Mapping[int, tuple[str, str]]) -> None:
    """One line per lead; `names` = (source, external id) by lead id."""
    write_cells(file, (_cells(row, names.get(row.lead_id, ("", ""))) for row in rows))


def _cells(row: LeadRow, name: tuple[str, str]) -> list[object]:
    return [row.lead_id, *name, *(getattr(row, field.name) for field in fields(row)[1:])]
