"""Reading a file of leads row by row, in constant memory: CSV with a header, or NDJSON (one object a line)."""

import csv
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

from router.intake import delimiter as delimiters
from router.intake import encoding as encodings
from router.intake.encoding import CARRIED
from router.intake.file_kind import refuse_what_is_no_text
from router.intake.json_text import read_json
from router.intake.text_lines import MAX_ROW, FileUnusable, TextLines
from router.rules.mapping import FIELDS, REJECTED

__all__ = ["FileUnusable", "LeadFile", "Row"]

MAX_COLUMNS = 2_000
RECORD = "rejected_record"
"""The column of a rejects file that holds a line of NDJSON as it was."""

_CSV, _NDJSON = (".csv", ".tsv"), (".ndjson", ".jsonl")
_SAMPLE_LINES = 50


class Row(NamedTuple):
    """One row. `line` is its first line in the file, from 1. `problem`: why it could not be read ("" = it was).

    `original` is what a rejects file says of it, under the columns of `LeadFile.original_columns`.
    """

    line: int
    cells: Mapping[str, object]
    original: list[str]
    problem: str = ""


class LeadFile:
    """An open file. `columns` is None for NDJSON, where every row has its own. Close it, or use `with`.

    `encoding` (a name for `codecs`) and `delimiter` are detected unless they are given; `known` are names that
    columns may have beside those of fields. Opening reads the file once, to the end (again from its start when it
    turns out not to be UTF-8): one that is cut off, holds NULs, or has a row without end is refused before anything
    is made of it. What cannot be decoded is carried through as lone surrogates, so that its row is rejected and the
    file is not.
    """

    def __init__(
        self, path: Path, known: Collection[str] = (), encoding: str | None = None, delimiter: str | None = None
    ) -> None:
        """Raises FileUnusable, and OSError."""
        suffix = path.suffix.lower()
        if path.is_dir():
            raise FileUnusable(f"{path}: is a folder; name the file")
        if suffix not in _CSV + _NDJSON:
            raise FileUnusable(f"{path}: unknown file type {suffix!r}: save it as .csv, or .ndjson")
        self.path = path
        self.size = path.stat().st_size
        self.columns: list[str] | None = None
        with path.open("rb") as file:
            refuse_what_is_no_text(path, file)
            file.seek(0)
            encoding = encoding or encodings.of_start(file.read(encodings.START))
        names = frozenset([*FIELDS, *REJECTED, RECORD, *known])
        try:
            self._inspect(encoding or "utf-8", delimiter, names, CARRIED if encoding else "strict")
        except UnicodeDecodeError:
            with path.open("rb") as file:
                self._inspect(encodings.of_damaged(file), delimiter, names, CARRIED)
        self._start(CARRIED)

    def __enter__(self) -> "LeadFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()

    @property
    def original_columns(self) -> list[str]:
        return [RECORD] if self.columns is None else [c for c in self.columns if c not in REJECTED]

    @property
    def has_fields(self) -> bool:
        """Whether `columns` are what rows are made of."""
        return self.columns is not None and RECORD not in self.columns

    @property
    def is_csv(self) -> bool:
        return self.path.suffix.lower() in _CSV

    @property
    def position(self) -> int:
        """Bytes read so far, of `size`."""
        return self._file.tell()

    def rows(self) -> Iterator[Row]:
        """All rows from here on, once. Raises FileUnusable when the file is not what it was on opening."""
        if self.columns is None:
            return self._json_rows()
        if RECORD in self.columns:
            return self._record_rows(self.columns.index(RECORD))
        return self._csv_rows(self.columns)

    def _inspect(self, encoding: str, delimiter: str | None, names: Collection[str], errors: str) -> None:
        """Settles how the file is read, and reads it to the end. Raises FileUnusable, with strict `errors` also
        UnicodeDecodeError.
        """
        self.encoding, self.delimiter = encoding, ","
        if self.is_csv:
            self.delimiter = delimiter or self._detected_delimiter(names, errors)
            # A row's length is limited by its lines; this setting is everybody's.
            csv.field_size_limit(MAX_ROW)
        self._start(errors)
        try:
            self._read_through()
        finally:
            self._lines.close()

    def _detected_delimiter(self, known: Collection[str], errors: str) -> str:
        lines = self._opened_lines(errors)
        try:
            sample = []
            for line in islice(lines, _SAMPLE_LINES):
                sample.append(line)
                lines.begin_row()
        finally:
            lines.close()
        return delimiters.detect(sample, known)

    def _opened_lines(self, errors: str) -> TextLines:
        self._file: IO[bytes] = self.path.open("rb")
        return TextLines(self.path, self._file, self.encoding, errors)

    def _start(self, errors: str) -> None:
        """From the first row."""
        self._lines = self._opened_lines(errors)
        if not self.is_csv:
            return
        self._cells = csv.reader(iter(self._lines), delimiter=self.delimiter, strict=True)
        try:
            self.columns = self._header()
        except ValueError:
            self._lines.close()
            raise

    def _header(self) -> list[str]:
        try:
            header = [name.strip() for name in next(self._cells)]
        except StopIteration:
            raise FileUnusable(f"{self.path}: is empty; the first line must name the columns") from None
        except csv.Error as error:
            raise FileUnusable(f"{self.path}:1: the line of column names cannot be read: {error}") from None
        self._lines.begin_row()
        wrong = ""
        if not header or "" in header:
            wrong = f"column {header.index('') + 1 if header else 1} has no name"
        elif len(header) > MAX_COLUMNS:
            wrong = f"names {len(header):,} columns; at most {MAX_COLUMNS:,} are allowed"
        elif len(set(header)) < len(header):
            wrong = f"column {next(name for name in header if header.count(name) > 1)!r} is there twice"
        elif not all(map(_utf8, header)):
            wrong = (
                f"a column's name is not a text in {encodings.display_name(self.encoding)} (--encoding names another)"
            )
        if wrong:
            raise FileUnusable(f"{self.path}:1: {wrong}; the first line must name the columns")
        return header

    def _read_through(self) -> None:
        """Finds what is wrong with the file as a whole. Raises FileUnusable."""
        if self.columns is None:
            for _, text in self._json_lines():
                if self._lines.cut_off and _json_row(0, text).problem:
                    self._refuse_cut_off(self._lines.number)
            return
        columns = len(self.columns)
        for line, cells, problem in self._csv_lines():
            if problem == _UNCLOSED:
                raise FileUnusable(
                    f"{self.path}:{line}: a quote is opened in this row and never closed; fix it, "
                    "or get the file again if it was cut off"
                )
            if self._lines.cut_off and (problem or len(cells) < columns):
                self._refuse_cut_off(line)

    def _refuse_cut_off(self, line: int) -> NoReturn:
        raise FileUnusable(
            f"{self.path}:{line}: the file ends in the middle of this line: it was cut off; get it again, whole"
        )

    def _csv_rows(self, columns: list[str]) -> Iterator[Row]:
        kept = [place for place, name in enumerate(columns) if name not in REJECTED]
        plain = len(kept) == len(columns)
        for line, cells, problem in self._csv_lines():
            if problem:
                yield Row(line, {}, cells, problem)
                continue
            original = cells if plain else [cells[place] for place in kept if place < len(cells)]
            if len(cells) != len(columns):
                counts = f"has {len(cells)} cells where the header names {len(columns)} columns"
                yield Row(line, {}, original, counts)
            else:
                yield Row(line, dict(zip(columns, cells, strict=True)), original)

    def _csv_lines(self) -> Iterator[tuple[int, list[str], str]]:
        """First line, cells, and what is wrong: then the row as it stands is the only cell. Empty lines are no rows."""
        reader, lines = self._cells, self._lines
        while True:
            line = reader.line_num + 1
            lines.begin_row()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                unclosed = "unexpected end of data" in str(error)
                yield line, ["".join(lines.row).rstrip("\r\n")], _UNCLOSED if unclosed else f"is not CSV: {error}"
            else:
                if cells:
                    yield line, cells, ""

    def _record_rows(self, place: int) -> Iterator[Row]:
        """The rows of a rejects file that was written for NDJSON."""
        for line, cells, problem in self._csv_lines():
            if problem or len(cells) <= place:
                yield Row(line, {}, cells[:1], problem or "has too few cells")
            else:
                yield _json_row(line, cells[place])

    def _json_rows(self) -> Iterator[Row]:
        for line, text in self._json_lines():
            yield _json_row(line, text)

    def _json_lines(self) -> Iterator[tuple[int, str]]:
        lines = self._lines
        for line in lines:
            if text := line.strip():
                yield lines.number, text
            lines.begin_row()


_UNCLOSED = "is not CSV: a quote is opened and never closed"


def _json_row(line: int, text: str) -> Row:
    original = [text]
    if not _utf8(text):
        return Row(line, {}, original, "is not valid in the encoding of the file; try --encoding windows-1252")
    try:
        read = read_json(text)
    except (ValueError, RecursionError) as error:
        return Row(line, {}, original, f"is not JSON: {error}")
    if not isinstance(read, dict):
        return Row(line, {}, original, "is not a JSON object")
    return Row(line, read, original)


def _utf8(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)
