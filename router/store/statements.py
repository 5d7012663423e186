"""Named SQL statements, read from `sql/queries/<family>.sql`.

aiosql parses the files and turns `:name` into `$1`; execution is ours, because aiosql's asyncpg adapter
inspects the connection with `dir()` and yields row by row, which costs more than many of the statements.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import aiosql
import asyncpg


def sql_root() -> Path:
    """The folder `sql/`: inside the installed package, or at the root of a checkout."""
    packaged = Path(__file__).parents[1] / "_sql"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "sql"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with numbered parameters. `parameters` names them in the order of their numbers."""

    name: str
    purpose: str
    sql: str
    parameters: tuple[str, ...]

    def _ordered(self, arguments: dict[str, Any]) -> list[Any]:
        if len(arguments) != len(self.parameters):
            raise TypeError(f"{self.name} takes {self.parameters}, got {tuple(arguments)}")
        return [arguments[p] for p in self.parameters]

    async def fetch(self, conn: "Connection", **arguments: Any) -> Sequence[asyncpg.Record]:
        """All rows."""
        return await conn.fetch(self.sql, *self._ordered(arguments))

    async def row(self, conn: "Connection", **arguments: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        return await conn.fetchrow(self.sql, *self._ordered(arguments))

    async def value(self, conn: "Connection", **arguments: Any) -> Any:
        """The first column of the first row, or None."""
        return await conn.fetchval(self.sql, *self._ordered(arguments))

    async def execute(self, conn: "Connection", **arguments: Any) -> int:
        """Runs the statement; answers the number of rows that it touched (0 where it has none)."""
        tag: str = await conn.execute(self.sql, *self._ordered(arguments))
        last = tag.rpartition(" ")[2]
        return int(last) if last.isdigit() else 0


Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
Row = asyncpg.Record


class Family:
    """The statements of one file, as attributes: `load("lane").hold`. The file is read with the first of them.

    Raises ValueError then for a statement without a purpose line (a comment under its name).
    """

    def __init__(self, name: str) -> None:
        self._path = sql_root() / "queries" / f"{name}.sql"

    def __getattr__(self, name: str) -> Statement:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"no statement {name!r}; there are {sorted(self._statements)}") from None

    def __iter__(self) -> Iterator[Statement]:
        return iter(self._statements.values())

    @cached_property
    def _statements(self) -> dict[str, Statement]:
        queries = aiosql.from_path(self._path, "asyncpg")
        order: dict[str, list[str]] = queries.driver_adapter.var_sorted
        statements = {}
        for name in queries.available_queries:
            if name.endswith("_cursor"):
                continue
            query = getattr(queries, name)
            purpose = (query.__doc__ or "").strip()
            if not purpose:
                raise ValueError(f"{self._path}: statement {name} has no purpose line")
            statements[name] = Statement(name, purpose, query.sql, tuple(order.get(name, ())))
        return statements


@cache
def load(family: str) -> Family:
    """The statements of `sql/queries/<family>.sql`."""
    return Family(family)
