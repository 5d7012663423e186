"""Reading a table of synonyms from a file with the columns field, word, spelling."""

from pathlib import Path

from router.intake.lead_file import FileUnusable, LeadFile
from router.rules.column_words import folded_name
from router.rules.spelling import Synonym, SynonymError, spellings

COLUMNS = ("field", "word", "spelling")
MAX_SYNONYMS = 100_000


def read_synonyms_file(path: Path) -> list[Synonym]:
    """All of the file. Raises FileUnusable, SynonymError with the line, and OSError."""
    with LeadFile(path, COLUMNS) as file:
        names = {folded_name(column): column for column in file.columns or ()}
        if sorted(names) != sorted(COLUMNS):
            raise FileUnusable(f"{path}: the columns must be {', '.join(COLUMNS)}")
        table = []
        for row in file.rows():
            if row.problem:
                raise FileUnusable(f"{path}:{row.line}: {row.problem}")
            table.append(Synonym(*(str(row.cells[names[column]]).strip() for column in COLUMNS)))
            if len(table) > MAX_SYNONYMS:
                raise FileUnusable(f"{path}: has more than {MAX_SYNONYMS:,} synonyms")
            try:
                spellings(table[-1:])
            except SynonymError as error:
                raise SynonymError(f"{path}:{row.line}: {error}") from None
    try:
        spellings(table)
    except SynonymError as error:
        raise SynonymError(f"{path}: {error}") from None
    return table
