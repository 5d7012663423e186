"""A sheet of an Excel workbook as CSV, in bounded memory: its parts are measured before they are read."""

import csv
import importlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any

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


def is_workbook(path: Path) -> bool:
    """Whether the ZIP archive is a workbook. Raises OSError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        raise FileUnusable(f"{path}: is a damaged workbook or ZIP archive; get it again, whole") from None


def write_table(path: Path, sheet: str | None, out: IO[str]) -> tuple[str, list[str]]:
    """Writes the sheet (None = the first one) as CSV; returns its name, and what a person should know.

    Raises FileUnusable, and OSError.
    """
    _check_parts(path)
    try:
        # Only where there is a workbook: importing it takes longer than most commands.
        book = importlib.import_module("openpyxl").load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except (ValueError, KeyError, TypeError, AttributeError, SyntaxError, zipfile.BadZipFile) as error:
        raise FileUnusable(f"{path}: the workbook cannot be read ({error}); save it as CSV in UTF-8") from None
    try:
        name = _sheet(path, book.sheetnames, [one.title for one in book.worksheets], sheet)
        opened: Any = book[name]
        opened.reset_dimensions()
        written = csv.writer(out)
        try:
            for cells in _rows(opened):
                written.writerow(cells)
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            SyntaxError,
            OverflowError,
            zipfile.BadZipFile,
        ) as error:
            raise FileUnusable(f"{path}: sheet {name!r} cannot be read ({error}); save it as CSV in UTF-8") from None
    finally:
        book.close()
    others = [other for other in book.sheetnames if other != name]
    notes = [f"other sheets were not read: {', '.join(others[:10])} (--sheet names one)"] if others else []
    return name, notes


def _sheet(path: Path, names: Sequence[str], tables: Sequence[str], wanted: str | None) -> str:
    if wanted is None and tables:
        return tables[0]
    found = [name for name in tables if wanted is not None and name.strip().casefold() == wanted.strip().casefold()]
    if found:
        return found[0]
    raise FileUnusable(f"{path}: has no sheet {wanted!r}; its sheets are {', '.join(names)}")


def _rows(sheet: Any) -> Iterator[list[str]]:
    """The rows, blank ones as empty lists; those that end before the first one does are filled up."""
    blank = width = 0
    for number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS + 1, max_row=MAX_ROWS, values_only=True), 1):
        cells = [_text(value) for value in row]
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
