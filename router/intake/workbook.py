"""A sheet of an Excel workbook as CSV, in bounded memory: its parts are measured before they are read."""

import csv
import importlib
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple

from router.domain.worded import said_by, worded, worded_count
from router.domain.worded_phrases import worded_list
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
_OTHER_ARCHIVES = (
    (re.compile(r"xl/workbook\.bin"), worded("a binary workbook of Excel (.xlsb)")),
    (re.compile(r"content\.xml"), worded("an OpenDocument file (.ods)")),
    (re.compile(r"(?:Index/.*\.iwa|Index\.zip)"), worded("a document of Apple Numbers")),
    (re.compile(r"word/document\.xml"), worded("a Word document")),
)
"""By a part that they have, all others have not."""
_STRICT = b"http://purl.oclc.org/ooxml/"
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
"""As workbooks write characters that XML cannot have, such as the end of a line of Windows."""
_PADDED = re.compile(r"(0{2,20})(?:;@)?")
"""Formats that show leading zeros: `00042` is 42 in the file."""
_MIDNIGHT = time()
_EPOCH = 1899
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, SyntaxError, OverflowError, zipfile.BadZipFile)


def is_workbook(path: Path) -> bool:
    """Whether the ZIP archive is a workbook. Raises FileUnusable where it is one that cannot be read, and OSError."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        raise FileUnusable(
            worded("{file}: is a damaged workbook or ZIP archive; get it again, whole", file=path)
        ) from None
    for mark, kind in _OTHER_ARCHIVES:
        if any(map(mark.fullmatch, names)):
            said = worded("{file}: is {kind}, whatever its name says; save it as .xlsx or CSV", file=path, kind=kind)
            raise FileUnusable(said)
    return "xl/workbook.xml" in names


class Written(NamedTuple):
    """The sheet that was written, what a person should know, and whether days are counted from 1904."""

    sheet: str
    notes: list[str]
    from_1904: bool


def write_table(path: Path, sheet: str | None, out: IO[str]) -> Written:
    """Writes the sheet (None = the first one that is shown) as CSV.

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
            said = worded("{file}: the workbook cannot be read ({why}); save it as CSV in UTF-8", file=path, why=error)
            raise FileUnusable(said) from None
        try:
            name = _sheet(path, book, sheet)
            try:
                with warnings.catch_warnings():
                    # Of cells that its rules reject anyway: it would name each of them on stderr.
                    warnings.simplefilter("ignore")
                    notes = _write(book, name, out)
            except _BROKEN as error:
                said = worded(
                    "{file}: sheet {sheet} cannot be read ({why}); save it as CSV in UTF-8",
                    file=path,
                    sheet=repr(name),
                    why=said_by(error),
                )
                raise FileUnusable(said) from None
        finally:
            book.close()
    others = [
        one.title if one.sheet_state == "visible" else worded("{sheet} (hidden)", sheet=one.title)
        for one in book.worksheets
        if one.title != name
    ]
    if others:
        # A sheet's name may hold a comma: the mark of a list is ours.
        shown = worded_list(others[:10], 10)
        notes.insert(
            0, worded("other sheets were not read: {sheets} ({option} names one)", sheets=shown, option="--sheet")
        )
    return Written(name, notes, book.epoch.year != _EPOCH)


def _write(book: Any, name: str, out: IO[str]) -> list[str]:
    """Writes the rows; returns what a person should know of them."""
    opened = book[name]
    with opened._get_source() as source:
        marks = sheet_marks(source)
    if marks.uncalculated is not None:
        raise ValueError(
            worded(
                "cell {cell} has a formula without a value: open the workbook in a spreadsheet program and save it "
                "there",
                cell=marks.uncalculated,
            )
        )
    merged = MergedRows(marks.merged)
    written = csv.writer(out)
    for cells in _rows(book, opened, merged):
        written.writerow(cells)
    notes = list[str]()
    if marks.hidden:
        notes.append(
            worded_count(
                "{count:,} hidden row was read like all others; a filter hides rows, too: delete them if they are not "
                "meant",
                "{count:,} hidden rows were read like all others; a filter hides rows, too: delete them if they are "
                "not meant",
                marks.hidden,
            )
        )
    if merged.filled:
        notes.append(
            worded_count(
                "{count:,} cell of merged cells got the value that is shown for them",
                "{count:,} cells of merged cells got the value that is shown for them",
                merged.filled,
            )
        )
    if opened.sheet_state != "visible":
        notes.append(worded("sheet {sheet} is hidden in the workbook", sheet=name))
    if book.epoch.year != _EPOCH:
        notes.append(
            worded("this workbook counts days from 1904; dates that are formatted as numbers are read so, too")
        )
    return notes


def _sheet(path: Path, book: Any, wanted: str | None) -> str:
    sheets = book.worksheets
    if wanted is None and sheets:
        # What is hidden is mostly a list for drop-downs, or what was kept from before.
        return str(next((one for one in sheets if one.sheet_state == "visible"), sheets[0]).title)
    for one in sheets:
        if wanted is not None and one.title.strip().casefold() == wanted.strip().casefold():
            return str(one.title)
    raise FileUnusable(
        worded(
            "{file}: has no sheet {sheet}; its sheets are {sheets}",
            file=path,
            sheet=repr(wanted),
            sheets=", ".join(book.sheetnames),
        )
    )


def _padded(book: Any) -> dict[int, int]:
    """By style, how many digits a whole number is shown with at least; those of no such format are not in it."""
    first = importlib.import_module("openpyxl.styles.numbers").BUILTIN_FORMATS_MAX_SIZE
    own = [_PADDED.fullmatch(form) for form in book._number_formats]
    found = {}
    for style, one in enumerate(book._cell_styles):
        place = one.numFmtId - first
        if 0 <= place < len(own) and (form := own[place]) is not None:
            found[style] = len(form[1])
    return found


def _rows(book: Any, sheet: Any, merged: MergedRows) -> Iterator[list[str]]:
    """The rows, blank ones as empty lists; those that end before the first one does are filled up."""
    blank = width = 0
    for number, texts in _texts(book, sheet):
        cells = merged.fill(number, texts, is_data=width > 0)
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            # Rows that were formatted and never filled, at the end, are no rows.
            blank += 1
            if blank > MAX_BLANK_ROWS:
                raise ValueError(
                    worded(
                        "more than {limit:,} blank rows above row {row}: delete them", limit=MAX_BLANK_ROWS, row=number
                    )
                )
            continue
        if len(cells) > MAX_COLUMNS:
            raise ValueError(worded("row {row} has more than {limit:,} columns", row=number, limit=MAX_COLUMNS))
        yield from ([] for _ in range(blank))
        blank = 0
        width = width or len(cells)
        yield [*cells, *[""] * (width - len(cells))]


def _texts(book: Any, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Row numbers from 1, those that are left out too, and the texts of the cells."""
    make = importlib.import_module("openpyxl.worksheet._reader").WorkSheetParser
    forms = {"date_formats": book._date_formats, "timedelta_formats": book._timedelta_formats}
    padded = _padded(book)
    last = 0
    with sheet._get_source() as source:
        parser = make(source, sheet._shared_strings, data_only=True, epoch=book.epoch, **forms)
        for number, cells in parser.parse():
            # It would keep the height of each row, which is more than the row itself.
            parser.row_dimensions.clear()
            if number <= last:
                continue
            if number > MAX_ROWS:
                return
            yield from ((between, []) for between in range(last + 1, number))
            last = number
            yield number, _row(cells, padded)


def _row(cells: Sequence[dict[str, Any]], padded: dict[int, int]) -> list[str]:
    """The texts of a row's cells in their places, with leading zeros where the format of a cell shows them."""
    row = [""] * min(max([cell["column"] for cell in cells], default=0), MAX_COLUMNS + 1)
    for cell in cells:
        value, place = cell["value"], cell["column"] - 1
        if value is None or place > MAX_COLUMNS:
            continue
        text = _text(value)
        digits = padded.get(cell["style_id"]) if padded else None
        row[place] = text.zfill(digits) if digits and type(value) in (int, float) and text.isdecimal() else text
    return row


def _text(value: object) -> str:
    """A cell as a person would type it: whole numbers without decimals, times as ISO 8601 without offset."""
    if value is None or isinstance(value, str):
        return _ESCAPED.sub(_unescaped, value) if value and "_x" in value else value or ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, datetime):
        rounded = value + timedelta(microseconds=500)
        return rounded.isoformat(" ", "seconds") if rounded.time() != _MIDNIGHT else rounded.date().isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _unescaped(found: re.Match[str]) -> str:
    sign = chr(int(found[1], 16))
    # Only controls are written so; anything else a person typed.
    return "" if sign == "\r" else sign if sign < " " and sign != "\0" else found[0]


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
                raise FileUnusable(
                    worded(
                        "{file}: {part} unpacks to {size:,} bytes; save the sheet as CSV",
                        file=path,
                        part=name,
                        size=part.file_size,
                    )
                )
            try:
                with archive.open(part) as opened:
                    _check_xml(path, name, opened, rows=sheet)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
                raise FileUnusable(
                    worded("{file}: the workbook is damaged ({why}); get it again, whole", file=path, why=error)
                ) from None


def _check_xml(path: Path, name: str, opened: IO[bytes], *, rows: bool) -> None:
    """No entities, which may grow without end, and no row without end."""
    since = 0
    tail = b""
    while chunk := opened.read(_CHUNK):
        both = tail + chunk
        if name == "xl/workbook.xml" and _STRICT in both:
            raise FileUnusable(
                worded(
                    "{file}: is a strict Open XML workbook, which cannot be read; save it as a plain .xlsx or as CSV",
                    file=path,
                )
            )
        if b"<!DOCTYPE" in both or b"<!ENTITY" in both:
            raise FileUnusable(
                worded(
                    "{file}: {part} declares a document type, which no program for tables writes", file=path, part=name
                )
            )
        end = both.rfind(b"row>")
        since = len(both) - end if end >= 0 else since + len(chunk)
        if rows and since > MAX_XML_ROW:
            raise FileUnusable(
                worded(
                    "{file}: a row of {part} has more than {limit:,} bytes; is this a file of leads?",
                    file=path,
                    part=name,
                    limit=MAX_XML_ROW,
                )
            )
        tail = chunk[-10:]
