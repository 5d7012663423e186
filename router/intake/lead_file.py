"""Reading a file of leads row by row, in constant memory: a table with a header, or JSON objects."""

import copy
import csv
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import IO

from router.domain.worded import Worded, said_by, worded, worded_count
from router.intake import delimiter as delimiters
from router.intake import encoding as encodings
from router.intake.column_names import HeaderUnusable, column_names, in_use, separator_line, unwrapped
from router.intake.encoding import CARRIED, EncodingUnclear
from router.intake.file_kind import Kind, as_text
from router.intake.file_row import Row, is_text, json_row
from router.intake.json_fields import JsonFields
from router.intake.table_rows import ODD_END, each_is_a_row, fit, repeats_names
from router.intake.text_lines import MAX_ROW, FileUnusable, TextLines
from router.intake.whole_file import refuse_cut_off, refuse_unreadable
from router.rules.mapping import FIELDS, REJECTED

__all__ = ["FileUnusable", "LeadFile", "Row"]

MAX_COLUMNS = 2_000
RECORD = "rejected_record"
"""The column of a rejects file that holds a line of NDJSON as it was."""

_SAMPLE_LINES = 50
_SAMPLE_CHARACTERS = 1 << 18


class LeadFile:
    """An open file. `columns` is None for NDJSON, where every row has its own. Close it, or use `with`.

    `encoding` (a name for `codecs`) and `delimiter` are detected unless they are given; `known` are names that
    columns may have beside those of fields. Opening reads the file once, to the end (again from its start when it
    turns out not to be UTF-8): one that is cut off, holds NULs, or has a row without end is refused before anything
    is made of it. What cannot be decoded is carried through as lone surrogates, so that its row is rejected and the
    file is not.
    """

    def __init__(
        self,
        path: Path,
        known: Collection[str] = (),
        encoding: str | None = None,
        delimiter: str | None = None,
        sheet: str | None = None,
        name: str | None = None,
    ) -> None:
        """`sheet` names one of a workbook; None = its first. `name` is that of the file where its path is another one.
        Raises FileUnusable, and OSError.
        """
        if path.is_dir():
            raise FileUnusable(worded("{file}: is a folder; name the file", file=path))
        self.path = path
        self.name = str(path) if name is None else name
        self.columns: list[str] | None = None
        self.repeated: frozenset[str] = frozenset()
        self.blank_rows = 0
        self._fields = JsonFields(known)
        self._text = as_text(path, sheet, name)
        self._source = self._text.path
        self.size = self._source.stat().st_size
        names = frozenset([*FIELDS, *REJECTED, RECORD, *known])
        try:
            self._open(names, encoding, delimiter)
        except EncodingUnclear as error:
            self._text.close()
            raise FileUnusable(worded("{place}: {problem}", place=path, problem=said_by(error))) from None
        except BaseException:
            self._text.close()
            raise

    def _open(self, names: frozenset[str], encoding: str | None, delimiter: str | None) -> None:
        """Raises FileUnusable, EncodingUnclear, and OSError."""
        if self._text.kind is Kind.WORKBOOK:
            encoding, delimiter = "utf-8-sig", ","
        if encoding is None:
            with self._source.open("rb") as file:
                encoding = encodings.of_start(file.read(encodings.START))
        try:
            self._inspect(encoding or "utf-8", delimiter, names, CARRIED if encoding else "strict")
        except UnicodeDecodeError:
            with self._source.open("rb") as file:
                found = encodings.of_damaged(file)
            self._inspect(found, delimiter, names, CARRIED)
        self._note_texts_encoded_twice()
        self._start(CARRIED)

    def _note_texts_encoded_twice(self) -> None:
        if not self.encoding.startswith("utf-8"):
            return
        with self._source.open("rb") as file:
            start = file.read(encodings.START).decode(self.encoding, "ignore")
        if not start.isascii() and (word := encodings.encoded_twice(start)) is not None:
            self._text.notes.append(
                worded(
                    "texts such as {word!r} were encoded twice before this file was written: export it again", word=word
                )
            )

    def __enter__(self) -> "LeadFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()
        self._text.close()

    @property
    def sheet(self) -> str | None:
        """The sheet of the workbook that is read."""
        return self._text.sheet

    @property
    def from_1904(self) -> bool:
        """Whether numbers of days are counted from 1904, as some workbooks do."""
        return self._text.from_1904

    @property
    def notes(self) -> list[str]:
        """What a person should know of how the file was read."""
        return self._text.notes

    @property
    def unseen(self) -> frozenset[str]:
        """Of the names that were given as known, those that no JSON row had so far; none of a table."""
        return frozenset() if self.is_csv else frozenset(self._fields.unseen)

    @property
    def first_fields(self) -> tuple[str, ...]:
        """What the first JSON row that was read has; nothing of a table."""
        return () if self.is_csv else self._fields.first

    @property
    def longest_row(self) -> int:
        """Characters of the longest row."""
        return self._longest

    def values_of(self, column: str) -> Iterator[object]:
        """That column of all rows that can be read, independently of `rows`."""
        with closing(self._again()) as rows:
            for row in rows:
                if not row.problem and (value := row.cells.get(column)) is not None:
                    yield value

    def first_column(self, wanted: Callable[[str], bool]) -> str | None:
        """The first column that is wanted; of JSON rows, which are read for it, the first one that any of them has."""
        if self.has_fields:
            return next(filter(wanted, self.columns or ()), None)
        with closing(self._again()) as rows:
            return next((name for row in rows for name in row.cells if wanted(name)), None)

    def _again(self) -> Generator[Row]:
        """All rows, independently of `rows`."""
        again = copy.copy(self)
        again._start(CARRIED)
        try:
            yield from again.rows()
        finally:
            again._lines.close()

    @property
    def original_columns(self) -> list[str]:
        return [RECORD] if self.columns is None else [c for c in self.columns if c not in REJECTED]

    @property
    def has_fields(self) -> bool:
        """Whether `columns` are what rows are made of."""
        return self.columns is not None and RECORD not in self.columns

    @property
    def is_csv(self) -> bool:
        return self._text.kind is not Kind.JSON

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
            sample: list[str] = []
            size = 0
            for line in islice(lines, _SAMPLE_LINES):
                if not sample and (said := separator_line(line)):
                    return said
                sample.append(line[:_SAMPLE_CHARACTERS])
                size += len(line)
                if size > _SAMPLE_CHARACTERS:
                    break
                lines.begin_row()
        finally:
            lines.close()
        return delimiters.detect(sample, known)

    def _opened_lines(self, errors: str) -> TextLines:
        self._file: IO[bytes] = self._source.open("rb")
        return TextLines(self.path, self._file, self.encoding, errors)

    def _start(self, errors: str) -> None:
        """From the first row."""
        self._lines = self._opened_lines(errors)
        self.blank_rows = 0
        if not self.is_csv:
            return
        self._cells = csv.reader(iter(self._lines), delimiter=self.delimiter, strict=True)
        self._records = 0
        try:
            header = self._header()
        except ValueError:
            self._lines.close()
            raise
        if self.columns is None:
            self._named = header
            self.columns = [name for name in header if name]

    def _header(self) -> list[str]:
        """The names of the columns; "" = has none. Lines before them that are empty, or say `sep=;`, are no names."""
        try:
            cells = next(self._cells)
            while not any(cell.strip() for cell in cells) or separator_line("".join(self._lines.row)):
                self._records += 1
                self._lines.begin_row()
                cells = next(self._cells)
        except StopIteration:
            raise FileUnusable(
                worded("{file}: is empty; the first line must name the columns", file=self.path)
            ) from None
        except csv.Error as error:
            said = worded("{file}:1: the line of column names cannot be read: {why}", file=self.path, why=error)
            raise FileUnusable(said) from None
        self._records += 1
        self._lines.begin_row()
        cells = list(map(unwrapped, cells))
        self._head = [cell.strip() for cell in cells]
        if odd := ODD_END.search("".join(cells)):
            raise FileUnusable(
                worded(
                    "{file}:1: the column names hold U+{code}, which ends no line of a table; save it with usual ends "
                    "of lines",
                    file=self.path,
                    code=f"{ord(odd[0]):04X}",
                )
            )
        try:
            names, self.repeated = column_names(cells, MAX_COLUMNS)
        except HeaderUnusable as error:
            said = worded(
                "{file}:1: {problem}; the first line must name the columns", file=self.path, problem=said_by(error)
            )
            raise FileUnusable(said) from None
        if not all(map(is_text, names)):
            raise FileUnusable(
                worded(
                    "{file}:1: a column's name is not a text in {encoding} ({option} names another)",
                    file=self.path,
                    encoding=encodings.display_name(self.encoding),
                    option="--encoding",
                )
            )
        return names

    def _read_through(self) -> None:
        """Finds what is wrong with the file as a whole. Raises FileUnusable."""
        carried = self._lines.errors == CARRIED
        rows = bad = 0
        if self.columns is None:
            for _, text in self._json_lines():
                if self._lines.cut_off and json_row(0, text).problem:
                    refuse_cut_off(self.path, self._lines.number)
                rows += 1
                bad += carried and not is_text(text)
            self._longest = self._lines.longest
            refuse_unreadable(self.path, self._source, self.encoding, rows, bad)
            return
        self._wrapped = False
        columns = max(place for place, name in enumerate(self._named) if name) + 1
        unnamed = [place for place, name in enumerate(self._named) if not name]
        used: set[int] = set()
        row_lines = self._lines.row
        for line, cells, problem in self._csv_lines():
            if problem and problem == _UNCLOSED:
                raise FileUnusable(
                    worded(
                        "{file}:{line}: a quote is opened in this row and never closed; fix it, or get the file again "
                        "if it was cut off",
                        file=self.path,
                        line=line,
                    )
                )
            # Nearly all lines end so: asking each whether it is cut off would take longer than reading it.
            if not row_lines[-1].endswith("\n") and self._lines.cut_off and (problem or len(cells) < columns):
                refuse_cut_off(self.path, line)
            if line < _LOOKED_AT and not self._wrapped:
                self._wrapped = any(cell[:2] == '="' for cell in cells)
            if unnamed:
                used.update(place for place in unnamed if place < len(cells) and cells[place].strip())
            if carried:
                rows += 1
                bad += not all(map(is_text, cells))
        self._longest = self._lines.longest
        refuse_unreadable(self.path, self._source, self.encoding, rows, bad)
        self._named = in_use(self._named, used)
        self.columns = [name for name in self._named if name]

    def _csv_rows(self, columns: list[str]) -> Iterator[Row]:
        named = self._named
        kept = [place for place, name in enumerate(named) if name and name not in REJECTED]
        plain = len(kept) == len(named)
        row_lines, by_record = self._lines.row, self._text.kind is Kind.WORKBOOK
        width, last_name = len(named), self._head[-1]
        used = None if len(columns) == len(named) else [place for place, name in enumerate(named) if name]
        for line, cells, problem in self._csv_lines():
            if problem:
                yield Row(line, {}, cells, problem)
                continue
            if (not cells[0] or cells[0].isspace()) and not any(map(str.strip, cells)):
                self.blank_rows += 1
                continue
            if cells[-1].strip() == last_name and repeats_names(cells, self._head):
                yield Row(line, {}, cells, _NAMES_AGAIN)
                continue
            if len(row_lines) > 1 and not by_record and each_is_a_row(row_lines, self.delimiter, len(named)):
                yield Row(line, {}, ["".join(self._lines.row).rstrip("\r\n")], _SWALLOWED)
                continue
            if len(cells) != width:
                fit(cells, named)
            original = cells if plain else [cells[place] for place in kept if place < len(cells)]
            if len(cells) != width:
                yield Row(line, {}, original, _other_width(len(cells), width))
            else:
                values = cells if used is None else [cells[place] for place in used]
                yield Row(line, dict(zip(columns, values, strict=True)), original)

    def _csv_lines(self) -> Iterator[tuple[int, list[str], str]]:
        """First line, cells, and what is wrong: then the row as it stands is the only cell. Empty lines are no rows."""
        reader, lines, begin_row = self._cells, self._lines, self._lines.begin_row
        by_record = self._text.kind is Kind.WORKBOOK
        while True:
            # Each row of a sheet is one record, whatever the line breaks in its cells.
            self._records += 1
            line = self._records if by_record else reader.line_num + 1
            begin_row()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                unclosed = "unexpected end of data" in str(error)
                said = _UNCLOSED if unclosed else worded("is not CSV: {why}", why=error)
                yield line, ["".join(lines.row).rstrip("\r\n")], said
            else:
                if cells:
                    yield line, cells if not self._wrapped else list(map(unwrapped, cells)), ""
                else:
                    self.blank_rows += 1

    def _record_rows(self, place: int) -> Iterator[Row]:
        """The rows of a rejects file that was written for NDJSON."""
        for line, cells, problem in self._csv_lines():
            if problem or len(cells) <= place:
                yield Row(line, {}, cells[:1], problem or _TOO_FEW)
            else:
                yield self._json_row(line, cells[place])

    def _json_rows(self) -> Iterator[Row]:
        for line, text in self._json_lines():
            yield self._json_row(line, text)

    def _json_row(self, line: int, text: str) -> Row:
        row = json_row(line, text)
        return row if row.problem else row._replace(cells=self._fields.lifted(row.cells))

    def _json_lines(self) -> Iterator[tuple[int, str]]:
        lines = self._lines
        for line in lines:
            if text := line.strip():
                yield lines.number, text
            lines.begin_row()


_LOOKED_AT = 1_000
"""Lines that show whether cells are written as formulas."""
_SWALLOWED = worded("seems to be several rows: a quote is opened in it and closed in a later row")
_UNCLOSED = worded("is not CSV: a quote is opened and never closed")
_NAMES_AGAIN = worded("repeats the line of column names")
_TOO_FEW = worded("has too few cells")


def _other_width(cells: int, columns: int) -> Worded:
    return worded_count(
        "has {count:,} cell where the header names {columns}",
        "has {count:,} cells where the header names {columns}",
        cells,
        columns=worded_count("{count:,} column", "{count:,} columns", columns),
    )
