"""Writes `sql/schema.md`, the page about the schema, from a database that was just migrated.

Example: `python -m ops.schema.page` writes it, `--check` exits with 1 when it is out of date.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from ops.embedded.embedded import embedded, stopped
from ops.text.made_files import write_or_compare
from router.settings.model import ConnectionSettings
from router.store.connections.single import open_connection
from router.store.migrate import migrate
from router.store.statements import Connection, Row, load, sql_root

PREFACE = """# Schema

What the migrations in `sql/migrations` build; written by `make schema` from a migrated database,
never by hand. Tables stand in the order in which they came to be. Every key begins with `tenant_id`."""


async def schema_page(conn: Connection) -> str:
    """The page (Markdown) about the database at `conn`."""
    statements = load("schema")
    columns = _by_table(await statements.columns.fetch(conn))
    constraints = _by_table(await statements.constraints.fetch(conn))
    indexes = _by_table(await statements.indexes.fetch(conn))
    parts = [PREFACE]
    for table in await statements.tables.fetch(conn):
        number = table["table_id"]
        lines = _table(table, columns[number], constraints.get(number, []), indexes.get(number, []))
        parts.append("\n".join(lines))
    sequences = await statements.sequences.fetch(conn)
    if sequences:
        rows = (f"- `{row['name']}` {row['type']}" for row in sequences)
        parts.append("\n".join(["## Sequences", "", *rows]))
    return "\n\n".join(parts) + "\n"


def _by_table(rows: Iterable[Row]) -> dict[int, list[Row]]:
    return {number: list(group) for number, group in groupby(rows, lambda row: int(row["table_id"]))}


def _table(
    table: Row,
    columns: list[Row],
    constraints: list[Row],
    indexes: list[Row],
) -> Iterator[str]:
    yield f"## {table['name']}"
    yield ""
    yield table["comment"] or "No comment."
    yield ""
    yield "| column | type | null | default |"
    yield "|---|---|---|---|"
    yield from map(_column, columns)
    yield ""
    for row in constraints:
        yield f"- `{row['name']}`: `{row['definition']}`"
    for row in indexes:
        kind = "unique index" if row["definition"].startswith("CREATE UNIQUE") else "index"
        yield f"- `{row['name']}`: {kind} `{row['definition'].partition(' USING ')[2]}`"
    if table["partition_key"]:
        yield f"- partitioned by `{table['partition_key']}`: {_list(table['partitions'])}"
    if table["options"]:
        yield f"- storage: {_list(table['options'])}"


def _column(column: Row) -> str:
    default = f"`{column['filled_with']}`".replace("|", "\\|") if column["filled_with"] else ""
    about = f" ({column['comment']})" if column["comment"] else ""
    null = "" if column["not_null"] else "yes"
    return f"| {column['name']}{about} | {column['type']} | {null} | {default} |"


def _list(texts: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


async def fresh_schema_page() -> str:
    """The page about a new embedded database with this version's migrations."""
    with _temporary_folder() as folder:
        async with embedded(folder / "data", {"fsync": "off"}, linger_s=0) as urls:
            await migrate(urls.database)
            async with open_connection(urls.database, ConnectionSettings()) as conn:
                page = await schema_page(conn)
        await stopped(folder / "data")
    return page


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="lead-router-schema-"))
    try:
        folder.chmod(0o755)  # root's servers run as another user, who must be able to enter
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    made = {sql_root() / "schema.md": asyncio.run(fresh_schema_page())}
    return write_or_compare(made, "make schema", check="--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
