"""What an explanation consists of, for whoever shows it: lines, and tables of candidates."""

from dataclasses import dataclass

TIMELINE = "timeline"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `style` is bold, yellow or nothing, `gap` = an empty line before it, `kind` = what section it begins,
    where somebody shows that one in another way.
    """

    text: str
    style: str = ""
    gap: bool = False
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Candidates:
    """A table: the names of its columns, and one row for each candidate in the order of their turn."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Part = Line | Candidates
