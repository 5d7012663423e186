"""Reading a file of leads row by row, in constant memory: CSV with a header, or NDJSON (one object a line)."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from router.intake.mapping import REJECTED

MAX_ROW_BYTES = 16 * 1024 * 1024
MAX_COLUMNS = 2_000
RECORD = "rejected_record"
"""The column of a rejects file that holds a line of NDJSON as it was."""

_CSV, _NDJSON = (".csv",), (".ndjson", ".jsonl")
_BOM = b"\xef\xbb\xbf"


class FileUnusable(ValueError):
    """Nothing can be made of the file; the message says why and what would be right."""


class Row(NamedTuple):
    """One row. `line` is its first line in the file, from 1. `problem`: why it could not be read ("" = it was).

    `original` is what a rejects file says of it, under the columns of `LeadFile.original_columns`.
    """

    line: int
    cells: Mapping[str, object]
    original: list[str]
    problem: str = ""


class LeadFile:
    """An open file. `columns` is None for NDJSON, where every row has its own. Close it, or use `with`."""

    def __init__(self, path: Path) -> None:
        """Raises FileUnusable, and OSError."""
        suffix = path.suffix.lower()
        if suffix not in _CSV + _NDJSON:
            raise FileUnusable(f"{path}: what it holds is told by its name: use .csv, or .ndjson for JSON lines")
        self.path = path
        self.size = path.stat().st_size
        self._file: IO[bytes] = path.open("rb")
        self.columns: list[str] | None = None
        if suffix in _CSV:
            # What is not UTF-8 is carried through, so that its row is rejected and the file is not.
            text = io.TextIOWrapper(self._file, "utf-8-sig", errors="surrogateescape", newline="")
            csv.field_size_limit(MAX_ROW_BYTES)
            self._cells = csv.reader(text, strict=True)
            try:
                self.columns = self._header()
            except FileUnusable:
                self._file.close()
                raise

    def __enter__(self) -> "LeadFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def original_columns(self) -> list[str]:
        return [RECORD] if self.columns is None else [c for c in self.columns if c not in REJECTED]

    @property
    def has_fields(self) -> bool:
        """Whether `columns` are what rows are made of."""
        return self.columns is not None and RECORD not in self.columns

    @property
    def position(self) -> int:
        """Bytes read so far, of `size`."""
        return self._file.tell()

    def rows(self) -> Iterator[Row]:
        """All rows from here on, once."""
        if self.columns is None:
            return self._json_rows()
        if RECORD in self.columns:
            return self._record_rows(self.columns.index(RECORD))
        return self._csv_rows(self.columns)

    def _header(self) -> list[str]:
        try:
            header = [name.strip() for name in next(self._cells)]
        except StopIteration:
            raise FileUnusable(f"{self.path}: is empty; the first line must name the columns") from None
        except csv.Error as error:
            raise FileUnusable(f"{self.path}:1: the line of column names cannot be read: {error}") from None
        wrong = ""
        if "" in header:
            wrong = f"column {header.index('') + 1} has no name"
        elif len(header) > MAX_COLUMNS:
            wrong = f"names {len(header):,} columns; {MAX_COLUMNS:,} are the most"
        elif len(set(header)) < len(header):
            wrong = f"column {next(name for name in header if header.count(name) > 1)!r} is there twice"
        elif any("\0" in name or not _utf8(name) for name in header):
            wrong = "a column's name is not a text in UTF-8"
        if wrong:
            raise FileUnusable(f"{self.path}:1: {wrong}; the first line must name the columns")
        return header

    def _csv_rows(self, columns: list[str]) -> Iterator[Row]:
        kept = [place for place, name in enumerate(columns) if name not in REJECTED]
        plain = len(kept) == len(columns)
        for line, cells, problem in self._csv_lines():
            original = cells if plain else [cells[place] for place in kept if place < len(cells)]
            if problem:
                yield Row(line, {}, original, problem)
            elif len(cells) != len(columns):
                counts = f"has {len(cells)} cells where the header names {len(columns)} columns"
                yield Row(line, {}, original, counts)
            else:
                yield Row(line, dict(zip(columns, cells, strict=True)), original)

    def _csv_lines(self) -> Iterator[tuple[int, list[str], str]]:
        """First line, cells, and what is wrong; lines without anything are passed over."""
        reader = self._cells
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, [], f"is not CSV: {error}"
            else:
                if cells:
                    yield line, cells, ""

    def _record_rows(self, place: int) -> Iterator[Row]:
        """The rows of a rejects file that was written for NDJSON."""
        for line, cells, problem in self._csv_lines():
            if problem or len(cells) <= place:
                yield Row(line, {}, cells[place : place + 1], problem or "has too few cells")
            else:
                yield _json_row(line, cells[place].encode("utf-8", "surrogateescape"))

    def _json_rows(self) -> Iterator[Row]:
        line = 0
        while text := self._file.readline(MAX_ROW_BYTES):
            line += 1
            if len(text) == MAX_ROW_BYTES and not text.endswith(b"\n"):
                while (rest := self._file.readline(MAX_ROW_BYTES)) and not rest.endswith(b"\n"):
                    pass
                yield Row(line, {}, [""], f"is longer than {MAX_ROW_BYTES:,} bytes")
            elif stripped := text.removeprefix(_BOM if line == 1 else b"").strip():
                yield _json_row(line, stripped)


def _json_row(line: int, text: bytes) -> Row:
    original = [text.decode("utf-8", "surrogateescape")]
    try:
        read = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        return Row(line, {}, original, f"is not JSON: {error}")
    if not isinstance(read, dict):
        return Row(line, {}, original, "is not a JSON object")
    return Row(line, read, original)


def _utf8(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)
