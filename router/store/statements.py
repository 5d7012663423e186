"""Named SQL statements, read from `sql/queries/<family>.sql`: docs/decisions/0010-named-statements.md."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

import asyncpg

from router.telemetry.spans import statement_span

_NAME = re.compile(r"^-- name: (\w+)\(([\w, ]*)\)!?\n", re.MULTILINE)
# Parameters, and what may look like one: quoted texts and names, comments, casts.
_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|--[^\n]*|::|:(?P<parameter>[a-z]\w*)""")

_HINTS = "pg_notify('lead_router'"

# Rows that a statement has just locked are found by their place, which is unique in a table; of a distributed table, in
# a shard. On one server `tenant_id` beside it would tempt the planner to walk along an index instead (docs/scaling.md).
_BY_PLACE = re.compile(r"\bwhere (\w+\.)?(?=ctid = )")


def sql_root() -> Path:
    """The folder `sql/`: inside the installed package, or at the root of a checkout."""
    packaged = Path(__file__).parents[1] / "_sql"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "sql"


@dataclass(frozen=True)
class Statement:
    """One statement with numbered parameters. `parameters` names them in the order of their numbers; `hints` = it tells
    listening routers that its tenant has work; `full_name` = with its family, as spans show it.
    """

    name: str
    purpose: str
    sql: str
    parameters: tuple[str, ...]
    hints: bool = False
    full_name: str = ""

    @cached_property
    def on_citus(self) -> str:
        """The same where tables are distributed by tenant_id: every change names whose rows it is about."""
        if not _BY_PLACE.search(self.sql):
            return self.sql
        number = self.parameters.index("tenant_id") + 1
        return _BY_PLACE.sub(
            lambda found: f"where {found[1] or ''}tenant_id = ${number} and {found[1] or ''}", self.sql
        )

    def _for(self, conn: "Connection") -> str:
        return self.on_citus if is_distributed(conn) else self.sql

    def _ordered(self, conn: "Connection", arguments: dict[str, Any]) -> list[Any]:
        if len(arguments) != len(self.parameters):
            raise TypeError(f"{self.name} takes {self.parameters}, got {tuple(arguments)}")
        if self.hints and (hinted := getattr(conn, "hinted", None)) is not None:
            # Before it is asked: outside of a transaction the commit comes with the answer.
            hinted.add(arguments["tenant_id"])
        return [arguments[p] for p in self.parameters]

    async def fetch(self, conn: "Connection", **arguments: Any) -> Sequence[asyncpg.Record]:
        """All rows."""
        with statement_span(self.full_name):
            return await conn.fetch(self._for(conn), *self._ordered(conn, arguments))

    async def row(self, conn: "Connection", **arguments: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        with statement_span(self.full_name):
            return await conn.fetchrow(self._for(conn), *self._ordered(conn, arguments))

    async def value(self, conn: "Connection", **arguments: Any) -> Any:
        """The first column of the first row, or None."""
        with statement_span(self.full_name):
            return await conn.fetchval(self._for(conn), *self._ordered(conn, arguments))

    async def execute(self, conn: "Connection", **arguments: Any) -> int:
        """Runs the statement; returns the number of rows that it touched (0 where it has none)."""
        with statement_span(self.full_name):
            tag: str = await conn.execute(self._for(conn), *self._ordered(conn, arguments))
        last = tag.rpartition(" ")[2]
        return int(last) if last.isdigit() else 0


Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
Row = asyncpg.Record


def is_distributed(conn: Connection) -> bool:
    """Whether the tables of this connection's database may be spread over several servers (Citus)."""
    return getattr(conn, "is_distributed", False)


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
        _, *parts = _NAME.split(self._path.read_text(encoding="utf-8"))
        read = [_read(self._path.stem, *parts[at : at + 3]) for at in range(0, len(parts), 3)]
        return {statement.name: statement for statement in read}


def _read(family: str, name: str, listed: str, text: str) -> Statement:
    """One statement of a family; `listed` are its parameters as its name line has them, `text` all that comes below."""
    lines = text.strip().splitlines()
    comments = list(takewhile(lambda line: line.startswith("--"), lines))
    purpose = "\n".join(line.removeprefix("--").strip() for line in comments)
    order: dict[str, str] = {}

    def numbered(found: re.Match[str]) -> str:
        if (parameter := found["parameter"]) is not None:
            return order.setdefault(parameter, f"${len(order) + 1}")
        return "" if found[0].startswith("--") else found[0]

    sql = _TOKEN.sub(numbered, "\n".join(lines[len(comments) :]))
    if not purpose:
        raise ValueError(f"statement {name} has no purpose line")
    if order.keys() != set(re.findall(r"\w+", listed)):
        raise ValueError(f"statement {name} lists the parameters ({listed}), but uses ({', '.join(order)})")
    return Statement(name, purpose, sql, tuple(order), hints=_HINTS in sql, full_name=f"{family}.{name}")


@cache
def load(family: str) -> Family:
    """The statements of `sql/queries/<family>.sql`."""
    return Family(family)
