"""What each column of a file becomes, for machines and for pages."""

from typing import Any

from router.intake.lead_file import LeadFile
from router.rules.column_words import suggested
from router.rules.columns import columns_after
from router.rules.mapping import REJECTED, FileMapping

ATTRIBUTE, DROPPED = "attribute", "dropped"


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


def unseen_columns(file: LeadFile, plan: FileMapping, rows: int) -> list[str]:
    """What the mapping names of JSON rows, and none of the `rows` that were read has."""
    made = {name for split in plan.split for name in split.into} | {join.into for join in plan.join}
    return sorted((file.unseen & plan.columns) - plan.drop - made) if rows else []
