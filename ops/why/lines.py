"""What an explanation consists of, for whoever shows it: lines, and tables of candidates."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `style` is bold, yellow or nothing, `gap` = an empty line before it."""

    text: str
    style: str = ""
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Candidates:
    """A table: the names of its columns, and one row for each candidate in the order of their turn."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Part = Line | Candidates
