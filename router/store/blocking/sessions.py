"""Looking for those who stand in our way: sessions, their locks on our tables, and the rows that they have locked.

Sessions and table locks are read without touching a table of ours. Rows are looked at only where a session has
something locked there, only so many, and only in tables that can be read without waiting.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache

import asyncpg

from router.store.blocking.judge import EXCLUSIVE, MODES, ROW_MODES, Limits, RowLocks, Scene, Session, TableLock
from router.store.connections.connections import APPLICATION_NAME
from router.store.migrate import SCHEMA, migrations_dir
from router.store.statements import Connection, Statement, load
from router.telemetry.masking import mask_statement

_SQL = load("blockers")

QUERY_SHOWN = 100
# How many ready and how many waiting leads are looked at: of one tenant that was asked for, and of all together.
ROWS_OF_ONE = 20_000
ROWS_OF_ALL = 50_000
TENANTS_MOST = 2_000
LANES_MOST = 10_000

_LOCK_TIMEOUT_MS = 200
_STATEMENT_TIMEOUT_MS = 3_000
# Masked before it is cut: half a password is one too.
_QUERY_READ = 4_000
_LOOKS: Mapping[str, Statement] = {
    "lane": _SQL.locked_in_lane,
    "lead_pool": _SQL.locked_in_pool,
    "rep_load": _SQL.locked_in_rep_load,
    "customer_owner": _SQL.locked_in_customer_owner,
}
_CREATES = re.compile(r"^create table (\w+)", re.MULTILINE)
# What the server says when a look takes too long; there is nothing more to see then.
_TOO_LONG = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)


@cache
def our_tables() -> tuple[str, ...]:
    """The tables that our migrations create."""
    found = {name for file in migrations_dir().glob("*.sql") for name in _CREATES.findall(file.read_text("utf-8"))}
    return tuple(sorted(found))


async def look(
    conn: Connection, tenant: str | None = None, *, rows: int = ROWS_OF_ALL, limits: Limits = Limits()
) -> Scene:
    """What is to be seen now; in a transaction of its own, and in seconds whatever is locked.

    `tenant` = look at the rows of this one only; `rows` = at how many of each table in all, 0 = at none. A tenant
    that is not there has no rows. Rows that our own sessions have locked for moments are not told.
    """
    async with conn.transaction():
        await _bound(conn)
        scene = await sessions_and_locks(conn)
    if rows:
        scene.row_locks = await _RowLook(conn, scene, tenant, rows, limits).all()
    return scene


async def sessions_and_locks(conn: Connection) -> Scene:
    """Sessions and table locks, in the caller's transaction."""
    modes = [*MODES, *ROW_MODES]
    sessions = [_session(row) for row in await _SQL.sessions.fetch(conn, shown=_QUERY_READ)]
    locks = await _SQL.table_locks.fetch(conn, schema=SCHEMA, tables=list(our_tables()), modes=modes)
    return Scene(sessions, [TableLock(*row) for row in locks])


Lockers = dict[str, tuple[Session, ...]]
"""Which sessions a row's locker (its xmax, as text) stands for: one, or the several that share the lock."""


async def lockers_of(conn: Connection, sessions: Sequence[Session], values: Sequence[str] = ()) -> Lockers:
    """What may stand in rows that these sessions have locked; locks that several share are found among `values`."""
    by_pid = {session.pid: session for session in sessions}
    rows = await _SQL.transactions.fetch(conn, pids=list(by_pid))
    known = {row["xid"]: (by_pid[row["pid"]],) for row in rows}
    others = sorted(set(values) - known.keys())
    shared: defaultdict[str, dict[int, Session]] = defaultdict(dict)
    if others and known:
        for row in await _SQL.members.fetch(conn, lockers=others, xids=list(known)):
            shared[row["locker"]] |= {session.pid: session for session in known[row["xid"]]}
    return known | {locker: tuple(sessions.values()) for locker, sessions in shared.items()}


class _RowLook:
    """One look at the rows that sessions have locked. Tables that somebody keeps from us are noted and left out."""

    def __init__(self, conn: Connection, scene: Scene, tenant: str | None, rows: int, limits: Limits) -> None:
        self._conn = conn
        self._scene = scene
        self._tenant = tenant
        self._rows = rows
        self._limits = limits
        self._shut = {lock.table for lock in scene.table_locks if lock.mode == EXCLUSIVE}

    async def all(self) -> list[RowLocks]:
        holding = {lock.pid for lock in self._scene.table_locks if lock.granted and lock.mode in ROW_MODES}
        suspects = [session for session in self._scene.sessions if session.pid in holding and self._lasts(session)]
        if not suspects:
            return []
        tenants = await self._tenants()
        found: list[RowLocks] = []
        for table, statement in _LOOKS.items():
            of_table = {lock.pid for lock in self._scene.table_locks if lock.table == table and lock.granted}
            if tenants and any(session.pid in of_table for session in suspects):
                found += await self._of_table(table, statement, suspects, tenants)
        return found

    def _lasts(self, session: Session) -> bool:
        return not session.ours or (session.open_s or 0.0) >= self._limits.own_s

    async def _tenants(self) -> dict[int, str]:
        if "tenant" in self._shut:
            self._scene.notes.append("no rows were looked at: table tenant is locked")
            return {}
        try:
            async with self._conn.transaction():
                await _bound(self._conn)
                rows = await load("tenants").all.fetch(self._conn)
        except _TOO_LONG:
            self._scene.notes.append("no rows were looked at: the tenants could not be read in time")
            return {}
        named = {row["tenant_id"]: row["name"] for row in rows if self._tenant in (None, row["name"])}
        if len(named) > TENANTS_MOST:
            self._scene.notes.append(f"rows of {TENANTS_MOST:,} of {len(named):,} tenants were looked at")
        return dict(list(named.items())[:TENANTS_MOST])

    def _most(self, table: str, tenants: int) -> int:
        if table == "lane":
            return LANES_MOST
        return max(20, min(ROWS_OF_ONE, self._rows // max(tenants, 1)))

    async def _of_table(
        self, table: str, statement: Statement, suspects: Sequence[Session], tenants: Mapping[int, str]
    ) -> list[RowLocks]:
        if table in self._shut:
            self._scene.notes.append(f"rows of {table} were not looked at: it is locked")
            return []
        try:
            async with self._conn.transaction():
                await _bound(self._conn)
                rows = await statement.fetch(self._conn, tenant_ids=list(tenants), most=self._most(table, len(tenants)))
                lockers = await lockers_of(self._conn, suspects, [row["locker"] for row in rows])
        except _TOO_LONG:
            self._scene.notes.append(f"rows of {table} could not be looked at in time")
            return []
        return [
            RowLocks(session.pid, table, tenants[row["tenant_id"]], row["rows"], row["locker"])
            for row in rows
            for session in lockers.get(row["locker"], ())
        ]


async def _bound(conn: Connection) -> None:
    await _SQL.bounded.row(conn, lock_timeout=f"{_LOCK_TIMEOUT_MS}ms", statement_timeout=f"{_STATEMENT_TIMEOUT_MS}ms")


def _session(row: asyncpg.Record) -> Session:
    application = row["application"] or ""
    wait = ":".join(filter(None, (row["wait_event_type"], row["wait_event"])))
    query = " ".join(mask_statement(row["query"] or "").split()) if row["visible"] else ""
    return Session(
        pid=row["pid"],
        application=application,
        role=row["role"] or "",
        client=row["client"] or "",
        backend=row["backend_type"] or "",
        state=row["state"] or "",
        wait=wait,
        query=query if len(query) <= QUERY_SHOWN else query[: QUERY_SHOWN - 1] + "…",
        ours=application.startswith(APPLICATION_NAME) and bool(row["same_role"]),
        visible=row["visible"],
        open_s=row["open_s"],
        state_s=row["state_s"],
        snapshot_age=row["snapshot_age"],
        waits_for=tuple(sorted({pid for pid in row["waits_for"] or () if pid})),
        started_at=row["backend_start"],
        since=row["xact_start"],
        query_at=row["query_start"],
    )
