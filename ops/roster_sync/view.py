"""Reading a view of the CRM: which columns it has, and all of its rows as text; nothing can be written."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ops.roster_sync.sources import Source
from router.domain.rep_fields import READERS
from router.domain.worded import worded
from router.intake.roster_file import MAX_REPS
from router.store.connections.connect import open_session
from router.store.statements import Connection, load
from router.store.transactions import with_lock_timeout

STATEMENT_TIMEOUT = "10s"
CONNECT_TIMEOUT_S = 10.0
_WIRE_TIMEOUT_MS = 5_000
# A wire that died silently is noticed by nobody but us.
READ_TIMEOUT_S = 30.0

_SQL = load("roster_sync")


class ViewRefused(Exception):
    """The view is not as it should be; nothing may be taken from it. The message says what is wrong with it, as do
    `words`, which may be worded.

    `loss` = it is a whole view from which columns or reps are gone, which a person may accept.
    """

    def __init__(self, words: str, *, loss: bool = False) -> None:
        super().__init__(words)
        self.words = words
        self.loss = loss


@dataclass(frozen=True, slots=True)
class ViewRows:
    """All rows: field to text, None = null. `types` are the database's names of the columns' types, by field."""

    types: Mapping[str, str]
    rows: Sequence[Mapping[str, str | None]]


async def read_view(own: Connection, source: Source) -> ViewRows:
    """Reads the source's view, in the service's database (`own`, in a transaction) or in the one it names.

    Raises ViewRefused, PostgresError, OSError, TimeoutError.
    """
    async with asyncio.timeout(READ_TIMEOUT_S):
        if source.database_url is None:
            return await _read(own, source)
        conn = await open_session(source.database_url, "lead-router roster", CONNECT_TIMEOUT_S, _WIRE_TIMEOUT_MS)
        try:
            return await _read(with_lock_timeout(conn), source)
        finally:
            conn.terminate()


class _Read(Exception):
    """It is read; the transaction is rolled back."""


async def _read(conn: Connection, source: Source) -> ViewRows:
    """Always rolls back, which takes the limits back too where the transaction is part of a larger one."""
    with suppress(_Read):
        # It ends as others do: over a dead wire its rollback has a deadline.
        async with conn.transaction():
            await _SQL.only_read.row(conn, statement_timeout=STATEMENT_TIMEOUT)
            types = await _column_types(conn, source)
            rows = await conn.fetch(_select(source, types), MAX_REPS + 1)
            raise _Read
    if len(rows) > MAX_REPS:
        raise ViewRefused(worded("{view} has more than {limit:,} rows", view=source.shown, limit=MAX_REPS))
    return ViewRows(types, [dict(row) for row in rows])


async def _column_types(conn: Connection, source: Source) -> dict[str, str]:
    """The type of the column of each field. Raises ViewRefused."""
    schema, name = source.view
    found = await _SQL.columns.fetch(conn, schema=schema, name=name)
    if not found:
        raise ViewRefused(worded("{view} is not there, or the user may not see it", view=source.shown))
    present = {row["name"]: row["type"] for row in found}
    columns = source.columns or {field: field for field in READERS if field in present}
    missing = sorted(column for column in columns.values() if column not in present)
    if missing:
        raise ViewRefused(
            worded(
                "{view} has lost {columns}; it has {others}",
                view=source.shown,
                columns=_named(missing),
                others=", ".join(sorted(present)),
            )
        )
    if "rep_id" not in columns:
        others = ", ".join(sorted(present))
        raise ViewRefused(worded("{view} has no column rep_id; it has {others}", view=source.shown, others=others))
    return {field: present[column] for field, column in columns.items()}


def _select(source: Source, types: Mapping[str, str]) -> str:
    """The one statement that no file can hold: its names are the configuration's, each of them quoted."""
    columns = []
    for field, kind in types.items():
        column = quoted(source.columns.get(field, field))
        as_text = f"array_to_string({column}, ';')" if kind.endswith("[]") else f"{column}::text"
        columns.append(f"{as_text} as {quoted(field)}")
    view = ".".join(quoted(part) for part in source.view if part is not None)
    return f"select {', '.join(columns)} from {view} limit $1"


def quoted(name: str) -> str:
    """An identifier that means exactly this name, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def _named(columns: Sequence[str]) -> str:
    return f"column {columns[0]}" if len(columns) == 1 else f"columns {', '.join(columns)}"
