"""Reading a roster from a table or a workbook: either all of it is valid, or every problem is reported."""

import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path

from router.domain.phrases import count
from router.domain.rep_fields import READERS, RepLine, read_field
from router.intake.encoding import EncodingUnclear
from router.intake.file_kind import Kind, as_text
from router.intake.roster_columns import suggested_field
from router.intake.text_decoding import cells_of, decoded
from router.intake.text_lines import FileUnusable
from router.rules.column_words import folded_name

MAX_BYTES = 64 * 1024 * 1024
MAX_REPS = 200_000
PROBLEMS_SHOWN = 50


class RosterError(ValueError):
    """The file cannot be imported; `problems` are sentences, each with its place, in their order."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        more = len(self.problems) - PROBLEMS_SHOWN
        shown = self.problems[:PROBLEMS_SHOWN]
        return "\n".join([*shown, f"… and {more} more problems"] if more > 0 else shown)


def read_roster_file(path: Path, sheet: str | None = None, name: str | None = None) -> list[RepLine]:
    """The reps of a table or a workbook; `name` stands for the file in messages (default: its path).

    Raises OSError, and RosterError with everything that is wrong.
    """
    name = name or str(path)
    if path.stat().st_size > MAX_BYTES:
        raise RosterError([f"{name}: {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are allowed"])
    try:
        text = as_text(path, sheet)
    except FileUnusable as error:
        raise RosterError([str(error).replace(str(path), name, 1)]) from None
    try:
        if text.kind is Kind.JSON:
            raise RosterError([f"{name}: is JSON; a roster is a table: .csv, .tsv, .txt or .xlsx"])
        if text.path.stat().st_size > MAX_BYTES:
            raise RosterError([f"{name}: the sheet has more than {MAX_BYTES:,} bytes"])
        return read_roster(text.path.read_bytes(), name)
    finally:
        text.close()


def read_roster_body(data: bytes, sheet: str | None, name: str) -> list[RepLine]:
    """As `read_roster_file`, from the bytes of a file. Raises RosterError, and OSError when it cannot be laid down."""
    # A workbook is read where it lies, part by part.
    with tempfile.NamedTemporaryFile(prefix="lead-router-") as file:
        file.write(data)
        file.flush()
        return read_roster_file(Path(file.name), sheet, name)


def read_roster(data: bytes, name: str) -> list[RepLine]:
    """As `read_roster_file`, from bytes; `name` stands for the file in messages."""
    records = list(_records(_decoded(data, name), name))
    if not records:
        raise RosterError([f"{name}: is empty; the first line names the columns, {', '.join(READERS)}"])
    (header_line, header), *rows = records
    while header and not header[-1].strip():
        header.pop()
    columns = _columns(header, f"{name}:{header_line}")
    if not rows:
        raise RosterError([f"{name}: has a header but no reps"])
    if len(rows) > MAX_REPS:
        raise RosterError([f"{name}: {len(rows):,} reps; at most {MAX_REPS:,} are allowed"])
    problems: list[str] = []
    first_line: dict[str, int] = {}
    reps = []
    for line, cells in rows:
        rep, found = _rep(line, columns, cells)
        where = f"{name}:{line}: rep {rep.rep_id or '?'}:"
        if rep.rep_id and first_line.setdefault(rep.rep_id, line) != line:
            found.append(f"is already on line {first_line[rep.rep_id]}")
        problems += [f"{where} {problem}" for problem in found]
        reps.append(rep)
    if problems:
        raise RosterError(problems)
    return reps


def _rep(line: int, columns: list[str], cells: list[str]) -> tuple[RepLine, list[str]]:
    """The rep of one line, as far as it is understood, and what is wrong with it."""
    while len(cells) > len(columns) and not cells[-1].strip():
        cells.pop()
    if len(cells) != len(columns):
        rep_id = cells[columns.index("rep_id")].strip() if columns.index("rep_id") < len(cells) else ""
        there = count(len(cells), "cell")
        return RepLine(rep_id, {}, line), [f"{there}, but the header has {count(len(columns), 'column')}"]
    values, problems = {}, []
    for column, cell in zip(columns, cells, strict=True):
        try:
            values[column] = read_field(column, cell)
        except ValueError as error:
            problems.append(f"column {column}: {error}")
    rep_id = values.pop("rep_id", "")
    return RepLine(rep_id, values, line), problems


def _columns(header: list[str], where: str) -> list[str]:
    """The field of each column. Raises RosterError: every column that is unknown, there twice, or missing."""
    columns = [folded_name(text) for text in header]
    problems = [
        f"{where}: unknown column {text.strip()!r}{_suggestion(column)}"
        for text, column in zip(header, columns, strict=True)
        if column not in READERS
    ]
    if any(column not in READERS and suggested_field(column) is None for column in columns):
        problems.append(f"{where}: columns are {', '.join(READERS)}")
    problems += [f"{where}: column {c} is there {columns.count(c)} times" for c in READERS if columns.count(c) > 1]
    if "rep_id" not in columns:
        problems.append(f"{where}: column rep_id is missing")
    if problems:
        raise RosterError(problems)
    return columns


def _suggestion(column: str) -> str:
    near = suggested_field(column)
    return f"; did you mean {near}?" if near else ""


def _decoded(data: bytes, name: str) -> str:
    try:
        return decoded(data)
    except EncodingUnclear as error:
        said = str(error).partition("; name it")[0]
        raise RosterError([f"{name}: {said}; save it as CSV in UTF-8 and import it again"]) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RosterError([f"{name}:{line}: is not valid text; save it as CSV in UTF-8 and import it again"]) from None


def _records(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every record that is not blank."""
    try:
        yield from cells_of(text, READERS, MAX_BYTES)
    except csv.Error as error:
        raise RosterError([f"{name}:{error.args[0]}: is not CSV: {error.args[-1]}"]) from None
