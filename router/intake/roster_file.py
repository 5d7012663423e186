"""Reading a roster from a CSV file: either all of it is valid, or every problem is reported."""

import csv
import difflib
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from router.domain.rep_fields import READERS, RepLine, read_field

MAX_BYTES = 64 * 1024 * 1024
MAX_REPS = 200_000
PROBLEMS_SHOWN = 50

_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class RosterError(ValueError):
    """The file cannot be imported; `problems` are sentences, each with its place, in their order."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        more = len(self.problems) - PROBLEMS_SHOWN
        shown = self.problems[:PROBLEMS_SHOWN]
        return "\n".join([*shown, f"… and {more} more problems"] if more > 0 else shown)


def read_roster_file(path: Path) -> list[RepLine]:
    """The reps of a CSV file in UTF-8. Raises OSError, and RosterError with everything that is wrong."""
    if path.stat().st_size > MAX_BYTES:
        raise RosterError([f"{path}: {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are allowed"])
    return read_roster(path.read_bytes(), str(path))


def read_roster(data: bytes, name: str) -> list[RepLine]:
    """As `read_roster_file`, from bytes; `name` stands for the file in messages."""
    records = list(_records(_decoded(data, name), name))
    if not records:
        raise RosterError([f"{name}: is empty; the first line names the columns, {', '.join(READERS)}"])
    (header_line, header), *rows = records
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
    if len(cells) != len(columns):
        rep_id = cells[columns.index("rep_id")].strip() if columns.index("rep_id") < len(cells) else ""
        return RepLine(rep_id, {}, line), [f"{len(cells)} cells, but the header has {len(columns)} columns"]
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
    columns = [_column(text) for text in header]
    problems = [
        f"{where}: unknown column {text.strip()!r}{_suggestion(column)}"
        for text, column in zip(header, columns, strict=True)
        if column not in READERS
    ]
    problems += [f"{where}: column {c} is there {columns.count(c)} times" for c in READERS if columns.count(c) > 1]
    if "rep_id" not in columns:
        hint = " (is the file separated by commas?)" if len(columns) == 1 else ""
        problems.append(f"{where}: column rep_id is missing{hint}")
    if problems:
        raise RosterError(problems)
    return columns


def _column(text: str) -> str:
    words = unicodedata.normalize("NFKC", text).casefold().replace("-", " ").replace("_", " ").split()
    return "_".join(words)


def _suggestion(column: str) -> str:
    near = difflib.get_close_matches(column[:100], READERS, n=1)
    return f"; did you mean {near[0]}?" if near else f"; columns are {', '.join(READERS)}"


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        guess = _BOMS.get(data[:2], "another encoding")
        raise RosterError(
            [f"{name}:{line}: is not UTF-8 but {guess}; save it as CSV in UTF-8 and import it again"]
        ) from None


def _records(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every record that is not blank."""
    # The limit is the process's; how long a cell may be is judged by its field.
    csv.field_size_limit(MAX_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise RosterError([f"{name}:{line}: is not CSV: {error}"]) from None
