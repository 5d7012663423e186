"""What each column of a file became, for people and in JSON."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from router.domain.phrases import count
from router.intake.lead_file import LeadFile
from router.rules.column_words import suggested
from router.rules.columns import columns_after
from router.rules.mapping import REJECTED, FileMapping

ATTRIBUTE, DROPPED = "attribute", "dropped"
_SHOWN = 40


def columns_document(file: LeadFile, plan: FileMapping) -> list[dict[str, Any]] | None:
    """Column, what it became (a field, `attribute` or `dropped`), and the field that its name suggests; None where
    every row has its own columns."""
    if not file.has_fields:
        return None
    columns = columns_after([name for name in file.columns or () if name not in REJECTED], plan.split, plan.join)
    used = {join_part for join in plan.join for join_part in join.columns} | {one.column for one in plan.split}
    became = {name: DROPPED if plan.dropped(name) else plan.target(name) or ATTRIBUTE for name in columns}
    taken = {*became.values(), *plan.constants, *(("external_id",) if plan.external_id else ())}
    unknown = [name for name, what in became.items() if what == ATTRIBUTE and name not in used | plan.columns]
    may_be = suggested(unknown, taken)
    return [{"column": name, "became": what, "suggestion": may_be.get(name)} for name, what in became.items()]


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
