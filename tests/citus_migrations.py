"""What Citus refuses of a migration that is applied where tables are distributed already."""

from collections.abc import Iterator
from typing import Any

from pglast import ast as typed
from pglast import parse_sql
from pglast.enums import AlterTableType

# By what a node is its fields are there: to mypy each of them might be missing.
ast: Any = typed


def broken_by_migration(sql: str) -> list[str]:
    """What it refuses; the tables that the migration makes are none of those yet."""
    found: list[str] = []
    own: set[str] = set()
    for raw in parse_sql(sql):
        one = raw.stmt
        if isinstance(one, ast.CreateStmt):
            own.add(one.relation.relname)
        elif isinstance(one, ast.CreateTrigStmt):
            found.append(f"trigger: {one.trigname}")
        elif (
            isinstance(one, ast.IndexStmt) and one.unique and "tenant_id" not in {part.name for part in one.indexParams}
        ):
            found.append(f"unique: {one.idxname} without tenant_id")
        elif isinstance(one, ast.AlterTableStmt) and one.relation.relname not in own:
            found += _altered(one)
    return found


def _altered(one: Any) -> Iterator[str]:
    kinds = [AlterTableType(part.subtype) for part in one.cmds]
    if AlterTableType.AT_AddConstraint in kinds and len(kinds) > 1:
        yield f"alone: ADD CONSTRAINT beside others of {one.relation.relname}"
    if AlterTableType.AT_SetStatistics in kinds:
        yield f"statistics: of {one.relation.relname}, which is distributed"
