"""A sheet of an Excel workbook as CSV, in bounded memory: its parts are measured before they are read."""

import csv
import importlib
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any

from router.domain.phrases import count
from router.intake.sheet_marks import MergedRows, sheet_marks
from router.intake.text_lines import FileUnusable

MAX_SHEET = 1 << 30
MAX_SHARED = 40 << 20
MAX_OTHER = 16 << 20
MAX_XML_ROW = 1 << 20
"""Bytes, unpacked: of a sheet, its shared texts, any other part, and one row of the sheet."""
MAX_COLUMNS = 2_000
MAX_ROWS = 1_048_576
MAX_BLANK_ROWS = 10_000
"""In succession: one cell at the end of a sheet would make a million rows."""
_CHUNK = 1 << 18
_WHOLE = 15
"""Digits that a number of Excel has; beyond them it holds zeros, and a number as an id was rounded."""
_MIDNIGHT = time()
_EPOCH = 1899
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, SyntaxError, OverflowError, zipfile.BadZipFile)


def is_workbook(path: Path) -> bool:
    """Whether the ZIP archive is a workbook. Raises OSError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        raise FileUnusable(f"{path}: is a damaged workbook or ZIP archive; get it again, whole") from None


def write_table(path: Path, sheet: str | None, out: IO[str]) -> tuple[str, list[str]]:
    """Writes the sheet (None = the first one that is shown) as CSV; returns its name, and what a person should know.

    Raises FileUnusable, and OSError.
    """
    _check_parts(path)
    # Opened here: openpyxl would judge a file by its name.
    with path.open("rb") as file:
        try:
            # Only where there is a workbook: importing it takes longer than most commands.
            load = importlib.import_module("openpyxl").load_workbook
            book = load(file, read_only=True, data_only=True, keep_links=False)
        except _BROKEN as error:
            raise FileUnusable(f"{path}: the workbook cannot be read ({error}); save it as CSV in UTF-8") from None
        try:
            name = _sheet(path, book, sheet)
            try:
                notes = _write(book, name, out)
            except _BROKEN as error:
                said = f"sheet {name!r} cannot be read ({error}); save it as CSV in UTF-8"
                raise FileUnusable(f"{path}: {said}") from None
        finally:
            book.close()
    others = [one.title if one.sheet_state == "visible" else f"{one.title} (hidden)" for one in book.worksheets]
    others = [other for other in others if other.removesuffix(" (hidden)") != name]
    if others:
        notes.insert(0, f"other sheets were not read: {', '.join(others[:10])} (--sheet names one)")
    return name, notes


def _write(book: Any, name: str, out: IO[str]) -> list[str]:
    """Writes the rows; returns what a person should know of them."""
    opened = book[name]
    opened.reset_dimensions()
    with opened._get_source() as source:
        marks = sheet_marks(source)
    if marks.uncalculated is not None:
        raise ValueError(
            f"cell {marks.uncalculated} has a formula without a value: open the workbook in a spreadsheet program and "
            "save it there"
        )
    merged = MergedRows(marks.merged)
    written = csv.writer(out)
    for cells in _rows(opened, merged):
        written.writerow(cells)
    notes = []
    if merged.filled:
        notes.append(f"{count(merged.filled, 'cell')} of merged cells got the value that is shown for them")
    if opened.sheet_state != "visible":
        notes.append(f"sheet {name} is hidden in the workbook")
    if book.epoch.year != _EPOCH:
        notes.append("this workbook counts days from 1904: columns of dates must be formatted as dates, not as numbers")
    return notes


def _sheet(path: Path, book: Any, wanted: str | None) -> str:
    sheets = book.worksheets
    if wanted is None and sheets:
        # What is hidden is mostly a list for drop-downs, or what was kept from before.
        return str(next((one for one in sheets if one.sheet_state == "visible"), sheets[0]).title)
    for one in sheets:
        if wanted is not None and one.title.strip().casefold() == wanted.strip().casefold():
            return str(one.title)
    raise FileUnusable(f"{path}: has no sheet {wanted!r}; its sheets are {', '.join(book.sheetnames)}")


def _rows(sheet: Any, merged: MergedRows) -> Iterator[list[str]]:
    """The rows, blank ones as empty lists; those that end before the first one does are filled up."""
    blank = width = 0
    for number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS + 1, max_row=MAX_ROWS, values_only=True), 1):
        cells = merged.fill(number, [_text(value) for value in row], is_data=width > 0)
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            # Rows that were formatted and never filled, at the end, are no rows.
            blank += 1
            if blank > MAX_BLANK_ROWS:
                raise ValueError(f"more than {MAX_BLANK_ROWS:,} blank rows above row {number}: delete them")
            continue
        if len(cells) > MAX_COLUMNS:
            raise ValueError(f"row {number} has more than {MAX_COLUMNS:,} columns")
        yield from ([] for _ in range(blank))
        blank = 0
        width = width or len(cells)
        yield [*cells, *[""] * (width - len(cells))]


def _text(value: object) -> str:
    """A cell as a person would type it: whole numbers without decimals, times as ISO 8601 without offset."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, datetime):
        rounded = value + timedelta(microseconds=500)
        return rounded.isoformat(" ", "seconds") if rounded.time() != _MIDNIGHT else rounded.date().isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _number(value: float) -> str:
    if isinstance(value, float) and not value.is_integer():
        return repr(value)
    # What has more digits was rounded when it was typed, and is shown as such.
    return str(int(value)) if abs(value) < 10**_WHOLE else f"{float(value):.14E}"


def _check_parts(path: Path) -> None:
    """Refuses archives that would unpack to more than memory holds. Raises FileUnusable."""
    with zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            name = part.filename
            sheet = name.startswith("xl/worksheets/") and name.endswith(".xml")
            limit = MAX_SHEET if sheet else MAX_SHARED if name.endswith("sharedStrings.xml") else MAX_OTHER
            if part.file_size > limit:
                raise FileUnusable(f"{path}: {name} unpacks to {part.file_size:,} bytes; save the sheet as CSV")
            try:
                with archive.open(part) as opened:
                    _check_xml(path, name, opened, rows=sheet)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
                raise FileUnusable(f"{path}: the workbook is damaged ({error}); get it again, whole") from None


def _check_xml(path: Path, name: str, opened: IO[bytes], *, rows: bool) -> None:
    """No entities, which may grow without end, and no row without end."""
    since = 0
    tail = b""
    while chunk := opened.read(_CHUNK):
        both = tail + chunk
        if b"<!DOCTYPE" in both or b"<!ENTITY" in both:
            raise FileUnusable(f"{path}: {name} declares a document type, which no program for tables writes")
        end = both.rfind(b"row>")
        since = len(both) - end if end >= 0 else since + len(chunk)
        if rows and since > MAX_XML_ROW:
            raise FileUnusable(f"{path}: a row of {name} has more than {MAX_XML_ROW:,} bytes; is this a file of leads?")
        tail = chunk[-10:]
