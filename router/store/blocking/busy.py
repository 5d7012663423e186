"""`database_busy`: leads that are ready, but whose rows, lane or tables somebody else has locked. Derived when asked.

A batch that was rolled back cannot write that it failed, so nothing of this is stored.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC

import asyncpg

from router.store.blocking import sessions as store
from router.store.blocking.judge import Limits, Scene, Session, in_words, table_lock_of_batches
from router.store.statements import Connection, load

_SQL = load("blockers")
_TOO_LONG = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)


@dataclass(frozen=True, slots=True)
class Culprit:
    """A session that keeps leads from being taken; `holds` is table, lane or rows, `leads` how many it keeps."""

    session: Session
    holds: str
    leads: int

    @property
    def words(self) -> str:
        """What the leads wait for."""
        has = {"table": "a table", "lane": "the lane", "rows": "their rows"}[self.holds]
        since = f" since {self.session.since.astimezone(UTC):%H:%M:%S} UTC" if self.session.since else ""
        return f"the end of {self.session.named()}, which has {has} locked{since}"


@dataclass(frozen=True, slots=True)
class Busy:
    """Who keeps batches from working: of all tenants, of some (by name), or only of rows (by what stands in them)."""

    everybody: Session | None = None
    lanes: Mapping[str, Session] = field(default_factory=dict)
    lockers: Mapping[str, Session] = field(default_factory=dict)

    def lane_of(self, tenant: str) -> tuple[Session, str] | None:
        """Who keeps all leads of the tenant, and whether by a table or by its lane."""
        if self.everybody is not None:
            return self.everybody, "table"
        holder = self.lanes.get(tenant)
        return None if holder is None else (holder, "lane")


NOT_BUSY = Busy()


async def busy_now(conn: Connection, tenant: str | None = None, limits: Limits = Limits()) -> Busy:
    """What is in the way of batches now; looks in transactions of its own, for seconds at the most."""
    scene = await store.look(conn, tenant, limits=limits)
    foreign = [session for session in scene.sessions if _in_the_way(session, limits)]
    pids = {session.pid: session for session in foreign}
    lanes = {lock.tenant: pids[lock.pid] for lock in scene.row_locks if lock.table == "lane" and lock.pid in pids}
    rows = {lock.locker: pids[lock.pid] for lock in scene.row_locks if lock.table == "lead_pool" and lock.pid in pids}
    if rows or _touch_the_pool(scene, pids):
        # Also rows that were not among those looked at.
        rows |= {locker: sessions[0] for locker, sessions in (await store.lockers_of(conn, foreign)).items()}
    by_table = table_lock_of_batches(scene)
    return Busy(by_table[0] if by_table else None, lanes, rows)


def _in_the_way(session: Session, limits: Limits) -> bool:
    """Our own routers lock rows and lanes all the time, for moments."""
    return not session.ours or (session.open_s or 0.0) >= limits.own_s


def _touch_the_pool(scene: Scene, pids: Mapping[int, Session]) -> bool:
    return any(lock.pid in pids and lock.table == "lead_pool" for lock in scene.table_locks)


async def locked_leads(conn: Connection, tenant_id: int, busy: Busy) -> dict[int, list[tuple[Session, int]]]:
    """By wake key: who has how many of the tenant's waiting leads locked. Reads its pool once, if anybody may."""
    found: defaultdict[int, list[tuple[Session, int]]] = defaultdict(list)
    if busy.lockers:
        rows = await _SQL.locked_by_key.fetch(conn, tenant_id=tenant_id, lockers=list(busy.lockers))
        for wake_key, locker, leads in rows:
            found[wake_key].append((busy.lockers[locker], leads))
    return found


async def who_blocks(conn: Connection) -> str:
    """For a message about a lock that was not to be had: who has or wants our tables, "" = nobody any more.

    May be called after any failed transaction; never raises what a lock may cause.
    """
    try:
        scene = await store.look(conn, rows=0)
    except (*_TOO_LONG, asyncpg.InterfaceError, OSError):
        return ""
    blocking = [lock for lock in scene.table_locks if lock.blocks]
    by_pid = {session.pid: session for session in scene.sessions}
    told = []
    for pid in dict.fromkeys(lock.pid for lock in sorted(blocking, key=lambda lock: not lock.granted)):
        if pid in by_pid:
            its = sorted((lock for lock in blocking if lock.pid == pid), key=lambda lock: not lock.granted)
            told.append(in_words(by_pid[pid], its))
    return "; ".join(told)


class LanesBlocked(Exception):
    """No batch can be written now; the message says who has which table locked."""


async def check_lanes(conn: Connection, within_s: float) -> None:
    """Whether batches could lock what they need. Raises LanesBlocked after at most half of `within_s`, and what the
    database raises when it cannot be written at all.
    """
    try:
        async with conn.transaction():
            await conn.execute(f"set local lock_timeout = {max(1, int(within_s * 500))}")
            await _SQL.try_tables.execute(conn)
    except asyncpg.LockNotAvailableError as error:
        raise LanesBlocked(await who_blocks(conn) or "a table of ours was locked, nobody has it any more") from error
