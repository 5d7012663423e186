"""Spreading our tables over several servers with Citus: which table goes where, and the SQL that does it.

Every table is distributed by tenant_id and lies beside the others, so that all of a tenant is on one server. What is
joined to rows of every tenant has a copy everywhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from router.store.statements import Connection, is_distributed, load

_SQL = load("distribution")

REFERENCE = ("tenant", "process")
"""A copy on every server: they are joined to rows of any tenant, and seldom written."""
LOCAL: Mapping[str, str] = {
    "maintenance_run": "stays on the coordinator, where the functions of this table run",
}
NO_CITUS = (
    "this database has no extension citus: install it on every server, put it into shared_preload_libraries and run "
    "`create extension citus` in this database; docs/scaling.md has the steps"
)
SETTINGS: Mapping[str, str] = {
    "citus.propagate_set_commands": "local",
    "citus.node_connection_timeout": "3s",
}
"""Of the database, and their values. Without the first the limits and plans of a transaction (SET LOCAL) would hold on
the coordinator alone; with Citus' 30 s a server whose wire is dead would keep the search for work longer than it waits.
"""
ANY_VALUE = frozenset({"citus.node_connection_timeout"})
"""What is set already stays as it is."""
FIRST = "lane"
"""The table that the others lie beside."""


class CannotDistribute(Exception):
    """What is missing, as a sentence."""


@dataclass(frozen=True, slots=True)
class Table:
    """`narrow_identities` = columns with an identity that is no bigint, which Citus refuses."""

    name: str
    narrow_identities: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done for one table (`table` empty = for the database), one statement after the other."""

    table: str
    statements: Sequence[str]


def plan(tables: Iterable[Table], spread: Iterable[str], database: str, settings: Iterable[str]) -> list[Step]:
    """What is still to be done, in order; pure. `spread` = the tables that are distributed already, or have copies;
    `settings` = those of the database, as name=value.

    Tables with copies come first, then FIRST, then the others in the order of their creation, so that a table that a
    foreign key refers to comes before the one that has it.
    """
    done = frozenset(spread) | LOCAL.keys()
    left = [table for table in tables if table.name not in done]
    has = dict(one.split("=", 1) for one in settings)
    kept = {name for name in has if name in ANY_VALUE}
    missing = [name for name, value in SETTINGS.items() if name not in kept and has.get(name) != value]
    steps = [Step("", [f"alter database {_name(database)} set {name} = {_text(SETTINGS[name])}"]) for name in missing]
    order = sorted(left, key=lambda table: (table.name not in REFERENCE, table.name != FIRST))
    return [*steps, *(Step(table.name, [*_widened(table), *_spread(table.name)]) for table in order)]


def as_script(steps: Iterable[Step]) -> str:
    """The steps as SQL to be read, with the tables that stay where they are."""
    notes = [f"-- {name} {why}." for name, why in LOCAL.items()]
    return "\n".join([*notes, *(f"{statement};" for step in steps for statement in step.statements)])


def _spread(name: str) -> list[str]:
    if name in REFERENCE:
        return [f"select create_reference_table({_text(name)})"]
    beside = "none" if name == FIRST else FIRST
    return [
        f"select create_distributed_table({_text(name)}, 'tenant_id', colocate_with => {_text(beside)})",
        # The rows are copied to the shards; those that were there before are seen by no statement any more.
        f"select truncate_local_data_after_distributing_table({_text(name)})",
    ]


def _widened(table: Table) -> list[str]:
    """Citus takes an identity only of a bigint; a default from a sequence does the same, whatever the type."""
    found = []
    for column in table.narrow_identities:
        sequence = f"{table.name}_{column}_seq"
        found += [
            f"begin; lock table {_name(table.name)} in exclusive mode; "
            f"alter table {_name(table.name)} alter column {_name(column)} drop identity; "
            f"create sequence {_name(sequence)} as int owned by {_name(table.name)}.{_name(column)}; "
            f"select setval({_text(sequence)}, coalesce(max({_name(column)}), 0) + 1, false) from {_name(table.name)}; "
            f"alter table {_name(table.name)} alter column {_name(column)} "
            f"set default nextval({_text(sequence)}); commit"
        ]
    return found


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


async def has_citus(conn: Connection) -> bool:
    """Whether the database has the extension."""
    return await _SQL.extension.value(conn) is not None


async def to_do(conn: Connection) -> list[Step]:
    """What is still to be done at this database; also without the extension, where nothing was."""
    tables = [Table(row["name"], row["narrow_identities"]) for row in await _SQL.tables.fetch(conn)]
    spread = [row["name"] for row in await _SQL.spread.fetch(conn)] if await has_citus(conn) else []
    database = await _SQL.settings.row(conn)
    assert database is not None
    return plan(tables, spread, database["name"], database["settings"])


async def is_spread(conn: Connection) -> bool:
    """Whether this database's tables have been distributed, or were begun to be."""
    return await has_citus(conn) and any(row["name"] == FIRST for row in await _SQL.spread.fetch(conn))


async def placed(conn: Connection, tenant_ids: Sequence[int]) -> dict[int, str]:
    """By tenant the server (host:port) that has its rows, as the coordinator knows it; asks no other server.

    Empty where tables are not distributed, or where that cannot be read.
    """
    if not is_distributed(conn):
        return {}
    try:
        async with conn.transaction():
            rows = await _SQL.placed.fetch(conn, tenant_ids=list(tenant_ids))
    except asyncpg.PostgresError:
        # The extension is there, and the tables are not spread yet.
        return {}
    return {row["tenant_id"]: row["server"] for row in rows}


async def distribute(conn: Connection) -> list[str]:
    """Does what is to be done; returns the tables that were spread now. Again after it was broken off, it goes on.

    Each step is committed by itself: writers of a table wait while its rows are copied. Raises CannotDistribute.
    """
    if not await has_citus(conn):
        raise CannotDistribute(NO_CITUS)
    steps = await to_do(conn)
    for step in steps:
        for statement in step.statements:
            try:
                await conn.execute(statement)
            except asyncpg.PostgresError as error:
                raise CannotDistribute(
                    f"{step.table or 'the database'}: {error}; what was done before stays; fix it and run this again"
                ) from error
    return [step.table for step in steps if step.table]
