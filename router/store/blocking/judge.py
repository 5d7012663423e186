"""Which sessions block us, and how badly: judged from what the server says of sessions, their locks and their age."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import reduce

from router.domain.worded import Worded, worded, worded_count
from router.domain.worded_phrases import placed, worded_duration, worded_list
from router.store.blocking.elsewhere import Wait

STUCK_WAITS = frozenset({"ClientWrite", "ClientRead"})
# Locks that keep us from writing a table; the last one keeps us from reading it too.
MODES = {
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}
EXCLUSIVE = "AccessExclusiveLock"
# Who locks or changes rows has one of these on the table.
WRITE_MODE = "RowExclusiveLock"
ROW_MODES = frozenset({"RowShareLock", WRITE_MODE})
# A batch writes these; of the others it reads some.
_WRITTEN_BY_BATCHES = frozenset({"lane", "lead_pool", "wake_key", "parked", "assignment", "rep_load"}) | frozenset(
    {"group_share", "lane_inbox", "flight", "customer_owner", "event"}
)


class Kind(StrEnum):
    """How a session blocks us, the worst first; the last two keep no leads from being assigned, they only cost."""

    TABLE_LOCK = "table_lock"
    TABLE_LOCK_WANTED = "table_lock_wanted"
    LANE = "lane"
    AWAITED = "awaited"
    ROWS = "row_locks"
    OLD_SNAPSHOT = "old_snapshot"
    IDLE = "idle_in_transaction"


TABLE_LOCKS = frozenset({Kind.TABLE_LOCK, Kind.TABLE_LOCK_WANTED})
HOLDS_LEADS = frozenset(Kind) - {Kind.OLD_SNAPSHOT, Kind.IDLE}


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on (seconds) a session blocks us by its age: our own ones with a lane after `own_s` without a new
    statement or after `old_s` in any case (the longer of the two), any that is idle in a transaction or has an old
    snapshot after `old_s`.
    """

    own_s: float = 5.0
    old_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the server. Durations are seconds, None = unknown; `visible` False = most of it is hidden from us.

    `ours` = of lead-router, under our role; `open_s` since its transaction began, `state_s` since it is in its
    `state`; `snapshot_age` in transactions; `waits_for` the pids that it waits for. `writes` = its transaction has
    changed or locked rows; `query` is as it may be shown, `statement` as much of it as was read, with its lines.
    """

    pid: int
    application: str = ""
    role: str = ""
    client: str = ""
    backend: str = "client backend"
    state: str = ""
    wait: str = ""
    query: str = ""
    ours: bool = False
    visible: bool = True
    open_s: float | None = None
    state_s: float | None = None
    snapshot_age: int | None = None
    waits_for: tuple[int, ...] = ()
    started_at: datetime | None = None
    since: datetime | None = None
    query_at: datetime | None = None
    writes: bool = False
    statement: str = field(default="", repr=False)

    @property
    def idle(self) -> bool:
        """In a transaction, but waiting for its client."""
        return self.state.startswith("idle in transaction")

    @property
    def stuck(self) -> bool:
        """Waiting for its client in the middle of a statement."""
        return not self.idle and self.wait.rpartition(":")[2] in STUCK_WAITS

    def open_for(self, seconds: float) -> bool:
        """Whether its transaction has been open for that long."""
        return (self.open_s or 0.0) >= seconds

    def at_work(self, limits: Limits) -> bool:
        """Our own routers lock rows and lanes all the time, for moments.

        Where processors are short a batch takes longer, and still begins one statement after the other; a router that
        is frozen or cut off does not.
        """
        if not self.ours or self.open_for(max(limits.own_s, limits.old_s)):
            return False
        goes_on = not self.stuck and self.state_s is not None and self.state_s < limits.own_s
        return goes_on or not self.open_for(limits.own_s)

    def named(self) -> Worded:
        """Who it is, in words."""
        who = {"who": self.application or worded("a session without a name"), "pid": str(self.pid)}
        role = self.role or "?"
        if not self.client:
            return worded("{who} (process {pid}, {role})", role=role, **who)
        return worded("{who} (process {pid}, {role} from {client})", role=role, client=self.client, **who)


@dataclass(frozen=True, slots=True)
class TableLock:
    """A lock on one of our tables; `granted` False = it is waited for, and others queue behind it."""

    pid: int
    table: str
    mode: str
    granted: bool

    @property
    def holds_batches(self) -> bool:
        """Whether no batch can be written as long as it lasts."""
        return self.mode == EXCLUSIVE or (self.mode in MODES and self.table in _WRITTEN_BY_BATCHES)


@dataclass(frozen=True, slots=True)
class RowLocks:
    """Rows of a table that a session has locked, of those that were looked at; `locker` is their xmax."""

    pid: int
    table: str
    tenant: str
    rows: int
    locker: str = ""


@dataclass(slots=True)
class Activity:
    """Everything that was seen at one moment. `notes` say what could not be looked at; `elsewhere` = waits on whichever
    server of a distributed database.
    """

    sessions: Sequence[Session] = ()
    table_locks: Sequence[TableLock] = ()
    row_locks: list[RowLocks] = field(default_factory=list)
    elsewhere: list[Wait] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Blocking:
    """One way in which a session blocks us: what it does, and the `effect` of that, worded."""

    kind: Kind
    does: str
    effect: str = ""
    tables: tuple[str, ...] = ()
    mode: str = ""
    rows: int = 0
    tenants: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        return placed(self.does, self.effect) if self.effect else self.does

    @property
    def badness(self) -> tuple[int, bool, int]:
        """Sorts the worst first."""
        return (list(Kind).index(self.kind), self.mode != MODES[EXCLUSIVE], -self.rows)


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session with all the ways in which it blocks us, the worst first."""

    session: Session
    blocks: tuple[Blocking, ...]

    @property
    def holds_leads(self) -> bool:
        """Whether leads or commands wait for it; else it only costs."""
        return any(one.kind in HOLDS_LEADS for one in self.blocks)

    @property
    def remedy(self) -> str:
        """What ends it: cancel its statement, where it runs one that can be cancelled, else terminate it."""
        frozen = self.session.ours or self.session.wait.endswith("ClientWrite")
        return "cancel" if self.session.state == "active" and not frozen else "terminate"


def blockers(activity: Activity, limits: Limits) -> list[Blocker]:
    """The sessions that block us, the worst first."""
    sessions = {session.pid: session for session in activity.sessions}
    found: defaultdict[int, list[Blocking]] = defaultdict(list)
    for pid, session in sessions.items():
        locks = [lock for lock in activity.table_locks if lock.pid == pid]
        found[pid] += [*_table_locks(session, locks), *_ages(session, limits)]
        if not session.at_work(limits):
            rows = [lock for lock in activity.row_locks if lock.pid == pid]
            found[pid] += [*_lanes(session, rows), *_rows(session, rows, locks, limits)]
    for pid, waiting in _awaited(sessions, found).items():
        if not sessions[pid].at_work(limits):
            found[pid].append(_awaited_by(waiting))
    worst_first = {pid: tuple(sorted(all_, key=lambda one: one.badness)) for pid, all_ in found.items() if all_}
    made = [Blocker(sessions[pid], all_) for pid, all_ in worst_first.items()]
    return sorted(made, key=lambda one: (one.blocks[0].badness, -(one.session.open_s or 0.0), one.session.pid))


def _table_locks(session: Session, locks: Sequence[TableLock]) -> Iterable[Blocking]:
    by_mode: defaultdict[tuple[bool, str], list[str]] = defaultdict(list)
    for lock in locks:
        if lock.mode in MODES:
            by_mode[lock.granted, lock.mode].append(lock.table)
    for (granted, mode), found in by_mode.items():
        tables, name = tuple(sorted(found)), MODES[mode]
        what = {"tables": ", ".join(tables), "mode": name}
        if granted:
            effect = worded("nobody can write there")
            if mode == EXCLUSIVE:
                effect = worded("nobody can read or write there")
            yield Blocking(Kind.TABLE_LOCK, worded("has {tables} locked ({mode})", **what), effect, tables, name)
        else:
            effect = worded("everybody queues behind it")
            if session.waits_for:
                effect += worded("; it waits for process {pids} itself", pids=worded_list(session.waits_for))
            does = worded("waits to have {tables} locked ({mode})", **what)
            yield Blocking(Kind.TABLE_LOCK_WANTED, does, effect, tables, name)


def _lanes(session: Session, rows: Sequence[RowLocks]) -> Iterable[Blocking]:
    tenants = tuple(sorted({lock.tenant for lock in rows if lock.table == "lane"}))
    if tenants:
        effect = worded("none of their leads is routed")
        if session.ours and (session.idle or session.stuck):
            effect += worded("; the router does not answer the server (frozen, or its connection is cut)")
        does = worded("holds the lane of {tenants}", tenants=worded_list(tenants))
        yield Blocking(Kind.LANE, does, effect, ("lane",), "", len(tenants), tenants)


def _rows(session: Session, rows: Sequence[RowLocks], locks: Sequence[TableLock], limits: Limits) -> Iterable[Blocking]:
    tables = dict.fromkeys(lock.table for lock in rows if lock.table != "lane")
    for table in tables:
        number = sum(lock.rows for lock in rows if lock.table == table)
        tenants = tuple(sorted({lock.tenant for lock in rows if lock.table == table}))
        does = worded_count(
            "has {count:,} row of {table} locked, of {tenants}",
            "has {count:,} rows of {table} locked, of {tenants}",
            number,
            table=table,
            tenants=worded_list(tenants),
        )
        effect = worded("batches that need them wait and fail")
        if table == "lead_pool":
            effect = worded("these leads are skipped")
        yield Blocking(Kind.ROWS, does, effect, (table,), "", number, tenants)
    touched = any(lock.table == "lead_pool" and lock.mode in ROW_MODES and lock.granted for lock in locks)
    if touched and not tables and not session.ours and session.open_for(limits.old_s):
        does = worded("changes or locks rows of lead_pool, none of those that were looked at")
        yield Blocking(Kind.ROWS, does, tables=("lead_pool",))


def _ages(session: Session, limits: Limits) -> Iterable[Blocking]:
    if session.idle and (session.state_s or 0.0) >= limits.old_s:
        effect = worded("keeps its locks, and keeps vacuum from cleaning up")
        yield Blocking(Kind.IDLE, worded("is idle in a transaction"), effect)
    if session.snapshot_age and session.open_for(limits.old_s) and session.backend != "autovacuum worker":
        does = worded("has an old snapshot, {age:,} transactions ago", age=session.snapshot_age)
        effect = worded("vacuum cannot clean lead_pool, and claims read what was deleted since")
        yield Blocking(Kind.OLD_SNAPSHOT, does, effect)


def _awaited(sessions: Mapping[int, Session], found: Mapping[int, Sequence[Blocking]]) -> dict[int, list[Session]]:
    """Who is waited for by a session of ours, or by one that we wait for, however long the line."""
    blocking = {pid for pid, all_ in found.items() if any(one.kind in HOLDS_LEADS for one in all_)}
    waiting = [one for one in sessions.values() if one.waits_for and (one.ours or one.pid in blocking)]
    awaited: defaultdict[int, list[Session]] = defaultdict(list)
    seen: set[int] = set()
    while waiting:
        session = waiting.pop()
        if session.pid not in seen:
            seen.add(session.pid)
            for awaited_one in (sessions[pid] for pid in session.waits_for if pid in sessions):
                awaited[awaited_one.pid].append(session)
                waiting.append(awaited_one)
    return awaited


def _awaited_by(waiting: Sequence[Session]) -> Blocking:
    ours = [session.pid for session in waiting if session.ours]
    others = [session.pid for session in waiting if not session.ours]
    parts = [worded("our process {pids}", pids=worded_list(ours))] if ours else []
    parts += [worded("process {pids}, behind which we queue,", pids=worded_list(others))] if others else []
    who = reduce(lambda before, part: worded("{parts} and {part}", parts=before, part=part), parts)
    does = worded_count("{who} waits for it", "{who} wait for it", len(waiting), who=who)
    return Blocking(Kind.AWAITED, does, rows=len(waiting))


def blocker_of_batches(activity: Activity) -> Session | None:
    """Who keeps every batch from being written by a lock on a table: who has it before who waits for it, and of these
    the oldest.
    """
    sessions = {session.pid: session for session in activity.sessions}
    locks = [lock for lock in activity.table_locks if lock.holds_batches and lock.pid in sessions]
    keyed = [(not lock.granted, -(sessions[lock.pid].open_s or 0.0), lock.pid) for lock in locks]
    return sessions[min(keyed)[2]] if keyed else None


def open_time(session: Session) -> Worded:
    """For how long its transaction has been open, in words."""
    if session.open_s is None:
        return worded("for an unknown time")
    return worded("for {lasts}", lasts=worded_duration(session.open_s))
