"""What the server says of other sessions: what they do, their locks on our tables, and the rows that they have locked.

Sessions and table locks are read without touching a table of ours. Rows are looked at only where a session has
something locked there, only so many, and only in tables that can be read without waiting.
"""

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import TypeVar

from router.domain.worded import worded
from router.store.blocking.elsewhere import waits_elsewhere
from router.store.blocking.judge import EXCLUSIVE, MODES, ROW_MODES, Activity, Limits, RowLocks, Session, TableLock
from router.store.connections.connect import APPLICATION_NAME
from router.store.errors import LOCK_TIMEOUTS
from router.store.migrate import migrations_dir
from router.store.statements import Connection, Row, is_distributed, load
from router.store.tenants import all_tenants
from router.telemetry.masking import mask_statement

T = TypeVar("T")

_SQL = load("blocking")
ON_COORDINATOR = worded(
    "the tables are distributed (Citus): sessions and locks are those of the coordinator alone, and no rows were "
    "looked at"
)
ON_WORKERS = ON_COORDINATOR + worded("; `lead-router blockers` also shows who waits for whom on the other servers")
NO_ROWS = worded(
    "the tables are distributed (Citus): of other servers only who waits for whom is seen, and no rows were looked at"
)
NOT_SEEN = worded("who waits for whom on other servers could not be read")

QUERY_SHOWN = 100
# How many ready and how many waiting leads are looked at: of one tenant that was asked for, and of all together.
ROWS_OF_ONE = 20_000
ROWS_OF_ALL = 50_000
TENANTS_LIMIT = 2_000
LANES_LIMIT = 10_000

# Masked before it is cut: half a password is one too.
_QUERY_READ = 4_000
_LOOKS = {
    "lane": _SQL.locked_in_lane,
    "lead_pool": _SQL.locked_in_pool,
    "rep_load": _SQL.locked_in_rep_load,
    "customer_owner": _SQL.locked_in_customer_owner,
}
_CREATES = re.compile(r"^create table (\w+) \(", re.MULTILINE)


@cache
def our_tables() -> tuple[str, ...]:
    """The tables that our migrations create; locks of their partitions count as theirs."""
    found = {name for file in migrations_dir().glob("*.sql") for name in _CREATES.findall(file.read_text("utf-8"))}
    return tuple(sorted(found))


async def look(
    conn: Connection,
    tenant: str | None = None,
    *,
    rows: int = ROWS_OF_ALL,
    limits: Limits = Limits(),
    elsewhere: bool = False,
) -> Activity:
    """What is to be seen now; in transactions of its own, and in seconds whatever is locked.

    `tenant` = look at the rows of this one only; `rows` = at how many of each table in all, 0 = at none. A tenant
    that does not exist has no rows. Rows that our own sessions have locked for moments are left out. `elsewhere` =
    where tables are distributed, ask the other servers, too.
    """
    async with conn.transaction():
        await _bound(conn)
        seen = await sessions_and_locks(conn)
    if is_distributed(conn):
        if not elsewhere:
            seen.notes.append(ON_WORKERS)
            return seen
        waits, problem = await waits_elsewhere(conn)
        seen.elsewhere += waits
        seen.notes += (
            [NO_ROWS]
            if problem is None
            else [ON_COORDINATOR, worded("{place}: {problem}", place=NOT_SEEN, problem=problem)]
        )
        return seen
    holding = {lock.pid for lock in seen.table_locks if lock.granted and lock.mode in ROW_MODES}
    holders = [one for one in seen.sessions if one.pid in holding and not one.at_work(limits)]
    if rows and holders:
        tenants = await _tenants(conn, tenant, seen)
        share = max(20, min(ROWS_OF_ONE, rows // max(len(tenants), 1)))
        for table in _LOOKS:
            seen.row_locks += await _row_locks(conn, seen, table, share, holders, tenants)
    return seen


async def sessions_and_locks(conn: Connection) -> Activity:
    """Sessions and table locks, in the caller's transaction."""
    sessions = await _SQL.sessions.fetch(conn, shown=_QUERY_READ, application=APPLICATION_NAME)
    modes = [*MODES, *ROW_MODES]
    locks = await _SQL.table_locks.fetch(conn, tables=list(our_tables()), modes=modes)
    return Activity([_session(row) for row in sessions], [TableLock(*row) for row in locks])


def _session(row: Row) -> Session:
    statement = row["query"] if row["visible"] else ""
    query = " ".join(mask_statement(statement).split())
    shown = query if len(query) <= QUERY_SHOWN else query[: QUERY_SHOWN - 1] + "…"
    waits_for = tuple(sorted({pid for pid in row["waits_for"] or () if pid}))
    return Session(**dict(row) | {"query": shown, "statement": statement, "waits_for": waits_for})


Lockers = dict[str, tuple[Session, ...]]
"""Which sessions a row's locker (its xmax, as text) is: one, or the several that share the lock."""


async def lockers_of(conn: Connection, sessions: Sequence[Session], values: Sequence[str] = ()) -> Lockers:
    """The xmax of rows that these sessions have locked; locks that several share are found among `values`.

    None of distributed tables: an xmax is a number of the server that has the row, and here somebody else's.
    """
    if is_distributed(conn):
        return {}
    by_pid = {session.pid: session for session in sessions}
    rows = await _SQL.transactions.fetch(conn, pids=list(by_pid))
    known = {row["xid"]: (by_pid[row["pid"]],) for row in rows}
    others = sorted(set(values) - known.keys())
    shared: defaultdict[str, dict[int, Session]] = defaultdict(dict)
    if others and known:
        for row in await _SQL.members.fetch(conn, lockers=others, xids=list(known)):
            shared[row["locker"]] |= {session.pid: session for session in known[row["xid"]]}
    return known | {locker: tuple(sessions.values()) for locker, sessions in shared.items()}


async def _tenants(conn: Connection, tenant: str | None, seen: Activity) -> dict[int, str]:
    """Whose rows are looked at, by number."""
    tenants = await _read(conn, "tenant", seen, all_tenants)
    named = {one.tenant_id: one.name for one in tenants if tenant in (None, one.name)}
    if len(named) > TENANTS_LIMIT:
        seen.notes.append(
            worded("rows of {some:,} of {all:,} tenants were looked at", some=TENANTS_LIMIT, all=len(named))
        )
    return dict(list(named.items())[:TENANTS_LIMIT])


async def _row_locks(
    conn: Connection, seen: Activity, table: str, share: int, holders: Sequence[Session], tenants: Mapping[int, str]
) -> list[RowLocks]:
    async def read(conn: Connection) -> list[RowLocks]:
        limit = LANES_LIMIT if table == "lane" else share
        rows = await _LOOKS[table].fetch(conn, tenant_ids=list(tenants), limit=limit)
        lockers = await lockers_of(conn, holders, [row["locker"] for row in rows])
        return [
            RowLocks(session.pid, table, tenants[row["tenant_id"]], row["rows"], row["locker"])
            for row in rows
            for session in lockers.get(row["locker"], ())
        ]

    of_table = {lock.pid for lock in seen.table_locks if lock.table == table and lock.granted}
    worth_it = tenants and any(session.pid in of_table for session in holders)
    return await _read(conn, table, seen, read) if worth_it else []


async def _read(
    conn: Connection, table: str, seen: Activity, read: Callable[[Connection], Awaitable[list[T]]]
) -> list[T]:
    """What is read of a table of ours; where that cannot be done in time, nothing, with a note."""
    why = worded("it is locked")
    if not any(lock.table == table and lock.mode == EXCLUSIVE for lock in seen.table_locks):
        try:
            async with conn.transaction():
                await _bound(conn)
                return await read(conn)
        except LOCK_TIMEOUTS:
            why = worded("it could not be read in time")
    seen.notes.append(worded("no rows of {table} were looked at: {why}", table=table, why=why))
    return []


async def _bound(conn: Connection) -> None:
    await _SQL.bounded.execute(conn)
