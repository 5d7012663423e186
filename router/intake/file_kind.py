"""What a file is, by its content: text that can be read, a workbook that is made one, or something else."""

import os
import re
import tempfile
from enum import Enum, auto
from pathlib import Path
from typing import IO, NamedTuple

from router.domain.worded import worded
from router.intake.json_array import Within, array_within, write_lines
from router.intake.text_lines import FileUnusable
from router.intake.workbook import is_workbook, write_table

READABLE = ".csv, .tsv, .txt, .xlsx, .json, .jsonl, .ndjson"
_TABLES, _JSON = (".csv", ".tsv", ".txt", ".tab", ".xls", ".xlsx", ".xlsm"), (".ndjson", ".jsonl", ".json")
_KINDS = (
    (b"PK\x03\x04", worded("a ZIP archive; unpack it")),
    (b"PK\x05\x06", worded("an empty ZIP archive")),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        worded("an old Excel workbook (.xls), or one with a password; save it as .xlsx or CSV"),
    ),
    (b"\x1f\x8b", worded("compressed (gzip); unpack it")),
    (b"BZh91AY&SY", worded("compressed (bzip2); unpack it")),
    (b"\xfd7zXZ\0", worded("compressed (xz); unpack it")),
    (b"\x28\xb5\x2f\xfd", worded("compressed (zstd); unpack it")),
    (b"7z\xbc\xaf\x27\x1c", worded("a 7z archive; unpack it")),
    (b"SQLite format 3\0", worded("a SQLite database")),
    (b"%PDF-", worded("a PDF")),
)
_PAGES = re.compile(
    rb"<(?:!doctype|!--|\?xml|(?:html|head|meta|body|table|style|div|script|tr|thead)\b)|mime-version:", re.IGNORECASE
)
"""Portals give tables of web pages names of spreadsheets."""
_JSON_START = re.compile(rb"(?:\[\s*)?\{\s*\"")
_MARKS = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"


class Kind(Enum):
    """What the text of a file holds."""

    TABLE = auto()
    JSON = auto()
    WORKBOOK = auto()
    """A table, each row of the sheet a record."""


class TextFile(NamedTuple):
    """A file of text, at `path`: the file itself, or a temporary one that `close` removes."""

    path: Path
    kind: Kind
    sheet: str | None
    notes: list[str]
    temporary: bool = False
    from_1904: bool = False
    """Whether numbers of days are counted from that year."""

    def close(self) -> None:
        if self.temporary:
            self.path.unlink(missing_ok=True)


def as_text(path: Path, sheet: str | None = None, name: str | None = None) -> TextFile:
    """The file as text; its `name` (None = as in its path) ends as its kind does. Raises FileUnusable, and OSError."""
    suffix = Path(name or path).suffix.lower()
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(b"PK\x03\x04") and is_workbook(path):
        return _converted(path, sheet)
    if sheet is not None:
        raise FileUnusable(
            worded("{file}: is not a workbook, so it has no sheet {sheet}", file=path, sheet=repr(sheet))
        )
    if suffix and suffix not in _TABLES + _JSON:
        raise FileUnusable(
            worded(
                "{file}: unknown file type {type}; what can be read: {readable}",
                file=path,
                type=repr(suffix),
                readable=READABLE,
            )
        )
    _refuse_what_is_no_text(path, start)
    plain = start.lstrip(_MARKS)
    if suffix not in _JSON and not (suffix in (".txt", "") and plain.startswith((b"{", b"["))) and not _is_json(plain):
        return TextFile(path, Kind.TABLE, None, [])
    # Each line of JSON lines may be wrong by itself, and be a list: an array begins with an object or ends at once.
    if plain.startswith(b"[") and plain[1:].lstrip(_MARKS).startswith((b"{", b"]")):
        return _lines_of(path)
    if plain.startswith(b"{") and (array := array_within(path)) is not None:
        return _lines_of(path, array)
    return TextFile(path, Kind.JSON, None, [])


def _is_json(plain: bytes) -> bool:
    """Whether JSON begins here, whatever the name says: no column is called so."""
    return _JSON_START.match(plain.translate(None, b"\0")) is not None


def _converted(path: Path, sheet: str | None) -> TextFile:
    text, out = _temporary()
    try:
        with out:
            table = write_table(path, sheet, out)
    except BaseException:
        text.unlink(missing_ok=True)
        raise
    return TextFile(text, Kind.WORKBOOK, table.sheet, table.notes, temporary=True, from_1904=table.from_1904)


def _lines_of(path: Path, array: Within | None = None) -> TextFile:
    text, out = _temporary()
    try:
        with out:
            write_lines(path, out, array)
    except BaseException:
        text.unlink(missing_ok=True)
        raise
    note = worded("a JSON array; lines are counted by its elements")
    if array:
        note = worded("the JSON array {name!r} of an object; lines are counted by its elements", name=array.name)
    return TextFile(text, Kind.JSON, None, [note], temporary=True)


def _temporary() -> tuple[Path, IO[str]]:
    """A new file of this user alone."""
    number, name = tempfile.mkstemp(prefix="lead-router-", suffix=".txt")
    return Path(name), os.fdopen(number, "w", encoding="utf-8", errors="surrogatepass", newline="")


def _refuse_what_is_no_text(path: Path, start: bytes) -> None:
    """Raises FileUnusable for a file that begins like something else."""
    for mark, kind in _KINDS:
        if start.startswith(mark):
            raise FileUnusable(worded("{file}: is {kind}, whatever its name says", file=path, kind=kind))
    if _PAGES.match(start.translate(None, b"\0").lstrip(_MARKS)):
        raise FileUnusable(
            worded(
                "{file}: is a web page or XML; was a page saved instead of the download? A table that opens in a "
                "spreadsheet program can be saved there as .xlsx or CSV",
                file=path,
            )
        )
