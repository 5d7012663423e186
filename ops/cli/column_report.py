"""What each column of a file became, for people."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from ops.documents.import_columns import ATTRIBUTE
from router.domain.phrases import count

_SHOWN = 40


def columns_table(document: Sequence[dict[str, Any]]) -> Table:
    """The table "column → field"."""
    table = Table("column", "field", box=None, pad_edge=False)
    for one in document[:_SHOWN]:
        table.add_row(one["column"], one["became"] if one["became"] != ATTRIBUTE else "(kept as attribute)")
    if len(document) > _SHOWN:
        table.add_row("…", f"{count(len(document) - _SHOWN, 'more column')} (--json has all)")
    return table


def suggestion_lines(document: Sequence[dict[str, Any]]) -> list[str]:
    """What a mapping could say of columns that are attributes and seem to be fields."""
    found = [one for one in document if one["suggestion"]]
    if not found:
        return []
    pairs = ", ".join(f'"{one["column"]}": {one["suggestion"]}' for one in found)
    kept = "1 column is kept as an attribute and may be a field"
    if len(found) > 1:
        kept = f"{len(found)} columns are kept as attributes and may be fields"
    return [f"{kept}; in the mapping:", f"  rename: {{{pairs}}}"]
