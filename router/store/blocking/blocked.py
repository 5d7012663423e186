"""`database_busy`: leads that are ready, but whose rows, lane or tables others have locked. Derived when asked.

A batch that was rolled back cannot write that it failed, so nothing of this is stored.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from router.domain.written_time import written
from router.store.blocking.activity import lockers_of, look, sessions_and_locks
from router.store.blocking.judge import TABLE_LOCKS, Limits, Session, blocker_of_batches, blockers, open_time
from router.store.errors import TRANSIENT_ERRORS, LockNotAvailable
from router.store.statements import Connection, load

_SQL = load("blocking")


@dataclass(frozen=True, slots=True)
class BlockedLeads:
    """How many leads a session keeps from being taken; `holds` is table, lane or rows."""

    session: Session
    holds: str
    leads: int

    @property
    def words(self) -> str:
        """What the leads wait for."""
        what = {"table": "its table lock", "lane": "the tenant's lane", "rows": "its row locks"}[self.holds]
        since = f", held since {written(self.session.since, seconds=True)}" if self.session.since else ""
        return f"{self.session.named()} to release {what}{since}"


@dataclass(frozen=True, slots=True)
class Blocked:
    """Which sessions keep batches from working: of all tenants, of some (by name), or only of rows (by their xmax)."""

    everything: Session | None = None
    lanes: Mapping[str, Session] = field(default_factory=dict)
    rows: Mapping[str, Session] = field(default_factory=dict)

    def lane_of(self, tenant: str) -> tuple[Session, str] | None:
        """Which session keeps all leads of the tenant, and whether by a table or by its lane."""
        if self.everything is not None:
            return self.everything, "table"
        holder = self.lanes.get(tenant)
        return None if holder is None else (holder, "lane")


NOT_BLOCKED = Blocked()


async def blocked_now(conn: Connection, tenant: str | None = None, limits: Limits = Limits()) -> Blocked:
    """What blocks batches now; looks in transactions of its own, for seconds at the most."""
    seen = await look(conn, tenant, limits=limits)
    pids = {session.pid: session for session in seen.sessions if not session.at_work(limits)}
    lanes = {lock.tenant: pids[lock.pid] for lock in seen.row_locks if lock.table == "lane" and lock.pid in pids}
    rows = {lock.locker: pids[lock.pid] for lock in seen.row_locks if lock.table == "lead_pool" and lock.pid in pids}
    if rows or any(lock.pid in pids and lock.table == "lead_pool" for lock in seen.table_locks):
        # Also rows that were not among those looked at.
        rows |= {locker: sessions[0] for locker, sessions in (await lockers_of(conn, list(pids.values()))).items()}
    return Blocked(blocker_of_batches(seen), lanes, rows)


async def locked_leads(conn: Connection, tenant_id: int, blocked: Blocked) -> dict[int, list[tuple[Session, int]]]:
    """By wake key: who has how many of the tenant's waiting leads locked. Reads its pool once, if anybody may."""
    found: defaultdict[int, list[tuple[Session, int]]] = defaultdict(list)
    if blocked.rows:
        rows = await _SQL.locked_by_key.fetch(conn, tenant_id=tenant_id, lockers=list(blocked.rows))
        for wake_key, locker, leads in rows:
            found[wake_key].append((blocked.rows[locker], leads))
    return found


async def holders_of(conn: Connection, tenant_id: int, lead_id: int, lane_locker: str) -> dict[str, Session | None]:
    """Who has the lane, the row of a waiting lead, and a table that batches write, locked just now."""
    seen = await sessions_and_locks(conn)
    row_locker = await _SQL.of_lead.value(conn, tenant_id=tenant_id, lead_id=lead_id) or "0"
    lockers = await lockers_of(conn, seen.sessions, [lane_locker, row_locker])
    lane, row = (next(iter(lockers.get(locker, ())), None) for locker in (lane_locker, row_locker))
    return {"lane": lane, "row": row, "table": blocker_of_batches(seen)}


async def who_blocks(conn: Connection) -> str:
    """For a message about a lock that was not to be had: who has or wants our tables, "" = nobody any more.

    May be called after any failed transaction; never raises what a lock or a lost connection may cause.
    """
    try:
        found = blockers(await look(conn, rows=0), Limits())
    except TRANSIENT_ERRORS:
        return ""
    with_tables = [one for one in found if one.blocks[0].kind in TABLE_LOCKS]
    return "; ".join(f"{one.session.named()} {one.blocks[0].does} {open_time(one.session)}" for one in with_tables)


class LanesBlocked(Exception):
    """No batch can be written now; the message says who has which table locked."""


class ReadOnly(Exception):
    """The database can be read and not written, so nothing can be routed; the message says what to do."""


_STANDBY = "the database is a standby, which cannot be written: point LEAD_ROUTER_DATABASE_URL at the primary server"
_READ_ONLY = "transactions are read-only by default: see default_transaction_read_only of the server, database and role"


async def check_lanes(conn: Connection, within_s: float) -> None:
    """Whether batches could lock what they need. Raises LanesBlocked after at most half of `within_s`, ReadOnly, and
    what the database raises when it cannot be asked.
    """
    try:
        async with conn.transaction():
            await conn.execute(f"set local lock_timeout = {max(1, int(within_s * 500))}")
            if (only := await _SQL.read_only.row(conn)) is not None and (only["standby"] or only["read_only"]):
                raise ReadOnly(_STANDBY if only["standby"] else _READ_ONLY)
            await _SQL.try_tables.execute(conn)
    except LockNotAvailable as error:
        raise LanesBlocked(await who_blocks(conn) or "a table of ours was locked, but no longer is") from error
