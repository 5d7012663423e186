"""What keeps the database itself well: indexes, vacuum, the disk."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from router.store.blocking.activity import our_tables
from router.store.migrate import migrations_dir
from router.store.statements import Connection, load

_SQL = load("upkeep")

_APPLIED = re.compile(r"^-- migrate: apply[^\n]*\n(.*?)(?=^-- migrate: |\Z)", re.MULTILINE | re.DOTALL)
_INDEX = re.compile(r"^create (?:unique )?index (?:concurrently )?(\w+) on (\w+)[^;]*;", re.MULTILINE)
_TABLE = re.compile(r"^create table (\w+) \((.*?)^\)", re.MULTILINE | re.DOTALL)
_UNIQUE = re.compile(r"^\s+unique \(([\w, ]+)\)", re.MULTILINE)
_DROPPED = re.compile(r"^\s*(?:alter table \w+ )?drop (?:index|constraint|table) (\w+)", re.MULTILINE)

# Those that every batch writes.
HOT_TABLES = ("lane", "lead_pool", "wake_key", "rep_load", "group_share", "lane_inbox", "assignment", "customer_owner")
# Beside them those from which rows are deleted all day.
WATCHED_TABLES = (*HOT_TABLES, "event", "idempotency", "webhook_delivery")


@dataclass(frozen=True, slots=True)
class Index:
    """An index that the migrations make; `makes` is the statement that does."""

    name: str
    table: str
    makes: str


@cache
def expected_indexes() -> tuple[Index, ...]:
    """All but primary keys: by their names, as the migrations leave them."""
    found: dict[str, Index] = {}
    for file in sorted(migrations_dir().glob("*.sql")):
        for text in _APPLIED.findall(file.read_text("utf-8")):
            for match in _INDEX.finditer(text):
                found[match[1]] = Index(match[1], match[2], match[0].rstrip(";").replace("index concurrently", "index"))
            for table, body in _TABLE.findall(text):
                for columns in _UNIQUE.findall(body):
                    name = "_".join([table, *columns.split(", "), "key"])
                    makes = f"alter table {table} add constraint {name} unique ({columns})"
                    found[name] = Index(name, table, makes)
            for drop in _DROPPED.finditer(text):
                if not _is_made_again(text, drop):
                    found = {key: one for key, one in found.items() if drop[1] not in (key, one.table)}
    return tuple(found.values())


def _is_made_again(text: str, drop: re.Match[str]) -> bool:
    return any(made[1] == drop[1] for made in _INDEX.finditer(text, drop.end()))


@dataclass(frozen=True, slots=True)
class IndexTrouble:
    """An index that is `gone`, or (False) there and not usable; `makes` = the statement that makes it."""

    name: str
    table: str
    gone: bool
    makes: str


async def troubled_indexes(conn: Connection) -> list[IndexTrouble]:
    """Of our tables: what the migrations made and is gone, primary keys too, and whatever is not usable."""
    rows = await _SQL.indexes.fetch(conn, tables=list(our_tables()))
    makes = {one.name: one.makes for one in expected_indexes()}
    usable = {row["index_name"] for row in rows}
    found = [IndexTrouble(one.name, one.table, True, one.makes) for one in expected_indexes() if one.name not in usable]
    keyed = {row["table_name"] for row in rows if row["is_primary"]}
    found += [IndexTrouble(f"{table}_pkey", table, True, "") for table in our_tables() if table not in keyed]
    return found + [
        IndexTrouble(row["index_name"], row["table_name"], False, makes.get(row["index_name"], ""))
        for row in rows
        if not row["usable"]
    ]


@dataclass(frozen=True, slots=True)
class DeadRows:
    """Of a table, as the server's statistics have it; `is_off` = autovacuum is switched off for it."""

    table: str
    live: int
    dead: int
    bytes: int
    vacuumed_at: datetime | None
    is_off: bool


async def tables_with_dead_rows(conn: Connection, dead: int, before: datetime) -> list[DeadRows]:
    """Watched tables with more dead rows than that, and than twice the live ones, not vacuumed since `before`."""
    return [DeadRows(*row) for row in await _SQL.dead_rows.fetch(conn, tables=WATCHED_TABLES, dead=dead, before=before)]


@dataclass(frozen=True, slots=True)
class TableRows:
    """Of a table and its indexes, as the server's statistics have it."""

    table: str
    live: int
    dead: int
    table_bytes: int
    index_bytes: int


async def table_rows(conn: Connection) -> list[TableRows]:
    """The watched tables; waits for no lock."""
    return [TableRows(*row) for row in await _SQL.table_rows.fetch(conn, tables=WATCHED_TABLES)]


async def lane_rows(conn: Connection) -> tuple[int, int, float]:
    """Live and dead rows of the lanes, and for how long the oldest transaction has been open (seconds) that we see."""
    row = await _SQL.lane_rows.row(conn)
    assert row is not None
    return row["live"], row["dead"], row["oldest_s"]


@dataclass(frozen=True, slots=True)
class HeldNow:
    """What keeps vacuum back most, of one of HELD_KINDS: for `seconds` (None = not known) and so many transactions."""

    kind: str
    seconds: float | None
    transactions: int
    wal_bytes: int


HELD_KINDS = ("transaction", "prepared", "standby", "slot")


async def held_now(conn: Connection) -> list[HeldNow]:
    """One for each kind that there is, as far as this role may see it."""
    return [HeldNow(*row) for row in await _SQL.held_now.fetch(conn)]


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What keeps vacuum from removing dead rows: `kind` is one of HELD_KINDS; of a transaction `name` is its process,
    of a standby `of_what` is its address.

    `transactions` that began since; `wal_bytes` of the server's log that are kept for it; `since` None = not known.
    """

    kind: str
    name: str
    of_what: str
    role: str
    state: str
    since: datetime | None
    transactions: int
    wal_bytes: int


async def vacuum_held_back_by(conn: Connection, before: datetime, age: int, wal_bytes: int) -> Sequence[HeldBack]:
    """Transactions open since `before`, the oldest first; standbys and slots that are more than `age` transactions
    behind, and unused slots that keep more than `wal_bytes`.
    """
    rows = await _SQL.held_back.fetch(conn, before=before, age=age, wal_bytes=wal_bytes)
    return [HeldBack(*row) for row in rows]


async def data_directory(conn: Connection) -> tuple[str | None, bool]:
    """Where the server has its files (None = it does not tell this role), and whether it is on this host."""
    row = await _SQL.data_directory.row(conn)
    assert row is not None
    return row["path"], row["is_local"]
