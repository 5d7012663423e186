"""Which line of a table has the names of its columns, where the first one has not. Reads the first lines only."""

from collections.abc import Callable
from itertools import islice

from router.intake.lead_file import FileUnusable, LeadFile
from router.rules.column_words import suggested

_LOOKED_AT = 20
_ENOUGH = 2


def names_line(file: LeadFile, target: Callable[[str], str | None]) -> int | None:
    """The line whose cells are names of fields, by `target` or in other words; None = none of the first ones is."""
    try:
        for row in islice(file.rows(), _LOOKED_AT):
            cells = [str(cell) for cell in row.cells.values()] or row.original
            known = {field for cell in cells if (field := target(cell.strip()))}
            if len(known | set(suggested(cells, known).values())) >= _ENOUGH:
                return row.line
    except FileUnusable:
        pass
    return None
