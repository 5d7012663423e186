"""Who stands in our way, and how badly: judged from what the server says of sessions, their locks and their age."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

STUCK_WAITS = frozenset({"ClientWrite", "ClientRead"})
# Locks that keep us from writing a table; the last one keeps us from reading it too.
MODES = {
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "ExclusiveLock": "EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}
EXCLUSIVE = "AccessExclusiveLock"
# Whoever locks or changes rows has one of these on the table.
WRITE_MODE = "RowExclusiveLock"
ROW_MODES = frozenset({"RowShareLock", WRITE_MODE})
# A batch writes these; of the others it reads some.
WRITTEN_BY_BATCHES = frozenset(
    (
        "lane",
        "lead_pool",
        "wake_key",
        "parked",
        "assignment",
        "rep_load",
        "group_share",
        "lane_inbox",
        "flight",
        "customer_owner",
    )
)


class Kind(StrEnum):
    """How somebody stands in the way, the worst first."""

    TABLE_LOCK = "table_lock"
    TABLE_LOCK_WANTED = "table_lock_wanted"
    LANE = "lane"
    AWAITED = "awaited"
    ROWS = "row_locks"
    OLD_SNAPSHOT = "old_snapshot"
    IDLE = "idle_in_transaction"


_RANK = {kind: rank for rank, kind in enumerate(Kind)}
# These keep leads from being routed; the others only cost.
HOLDS_LEADS = frozenset({Kind.TABLE_LOCK, Kind.TABLE_LOCK_WANTED, Kind.LANE, Kind.AWAITED, Kind.ROWS})


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the server. Durations are seconds, None = not told; `visible` False = we may not see most of it.

    `ours` = of lead-router, under our role; `open_s` since its transaction began, `state_s` since it is in its
    `state`; `snapshot_age` in transactions; `waits_for` the pids that it waits for.
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

    @property
    def idle(self) -> bool:
        """In a transaction, but waiting for its client."""
        return self.state.startswith("idle in transaction")

    def named(self) -> str:
        """Who it is, in words."""
        where = f" from {self.client}" if self.client else ""
        return f"{self.application or 'a session without a name'} (process {self.pid}, {self.role or '?'}{where})"


@dataclass(frozen=True, slots=True)
class TableLock:
    """A lock on one of our tables; `granted` False = it is waited for, and others queue behind it."""

    pid: int
    table: str
    mode: str
    granted: bool

    @property
    def blocks(self) -> bool:
        return self.mode in MODES

    @property
    def holds_batches(self) -> bool:
        """Whether no batch can be written as long as it lasts."""
        return self.blocks and (self.mode == EXCLUSIVE or self.table in WRITTEN_BY_BATCHES)


@dataclass(frozen=True, slots=True)
class RowLocks:
    """Rows of a table that a session has locked, of those that were looked at; `locker` is what stands in them."""

    pid: int
    table: str
    tenant: str
    rows: int
    locker: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on (seconds) a session counts as a hindrance by its age: our own ones with a lane, and anybody idle in
    a transaction or with an old snapshot.
    """

    own_s: float = 5.0
    old_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Hindrance:
    """One way in which a session is in the way; `words` say what that does to us."""

    kind: Kind
    words: str
    tables: tuple[str, ...] = ()
    mode: str = ""
    rows: int = 0
    tenants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session with all its hindrances, the worst first."""

    session: Session
    hindrances: tuple[Hindrance, ...]

    @property
    def holds_leads(self) -> bool:
        """Whether leads or commands wait for it; else it only costs."""
        return any(hindrance.kind in HOLDS_LEADS for hindrance in self.hindrances)

    @property
    def deed(self) -> str:
        """What ends it: cancel its statement, where it runs one that can be cancelled, else terminate it."""
        session = self.session
        frozen = session.ours or session.wait.endswith("ClientWrite")
        return "cancel" if session.state == "active" and not frozen else "terminate"


@dataclass(slots=True)
class Scene:
    """Everything that was seen at one moment. `notes` say what could not be looked at."""

    sessions: Sequence[Session] = ()
    table_locks: Sequence[TableLock] = ()
    row_locks: Sequence[RowLocks] = ()
    notes: list[str] = field(default_factory=list)


def blockers(scene: Scene, limits: Limits) -> list[Blocker]:
    """Who is in our way, the worst first."""
    sessions = {session.pid: session for session in scene.sessions}
    found: defaultdict[int, list[Hindrance]] = defaultdict(list)
    for pid, session in sessions.items():
        locks = [lock for lock in scene.table_locks if lock.pid == pid]
        rows = [lock for lock in scene.row_locks if lock.pid == pid]
        found[pid] += [*_table_locks(session, locks), *_lanes(session, rows, limits)]
        found[pid] += [*_rows(session, rows, locks, limits), *_ages(session, limits)]
    for pid, waiting in _awaited(sessions, found).items():
        quick = sessions[pid].ours and (sessions[pid].open_s or 0.0) < limits.own_s
        if not quick:
            found[pid].append(_awaited_by(waiting))
    made = [Blocker(sessions[pid], tuple(sorted(all_, key=_badness))) for pid, all_ in found.items() if all_]
    return sorted(made, key=lambda one: (_badness(one.hindrances[0]), -(one.session.open_s or 0.0), one.session.pid))


def _badness(hindrance: Hindrance) -> tuple[int, bool, int]:
    return (_RANK[hindrance.kind], hindrance.mode != MODES[EXCLUSIVE], -hindrance.rows)


def _table_locks(session: Session, locks: Sequence[TableLock]) -> Iterable[Hindrance]:
    by_mode: defaultdict[tuple[bool, str], list[str]] = defaultdict(list)
    for lock in locks:
        if lock.blocks:
            by_mode[lock.granted, lock.mode].append(lock.table)
    for (granted, mode), tables in by_mode.items():
        names, told = ", ".join(sorted(tables)), MODES[mode]
        if granted:
            does = "nobody can read or write there" if mode == EXCLUSIVE else "nobody can write there"
            words = f"has {names} locked ({told}): {does}"
            yield Hindrance(Kind.TABLE_LOCK, words, tuple(sorted(tables)), told)
        else:
            waits = f"; it waits for process {_listed(session.waits_for)} itself" if session.waits_for else ""
            words = f"wants to lock {names} ({told}), and everybody queues behind it{waits}"
            yield Hindrance(Kind.TABLE_LOCK_WANTED, words, tuple(sorted(tables)), told)


def _lanes(session: Session, rows: Sequence[RowLocks], limits: Limits) -> Iterable[Hindrance]:
    """Our own routers hold lanes all the time; they are in the way once they do so for too long."""
    tenants = tuple(sorted({lock.tenant for lock in rows if lock.table == "lane"}))
    if not tenants or (session.ours and (session.open_s or 0.0) < limits.own_s):
        return
    does = "none of their leads is routed"
    if session.ours and (session.idle or session.wait.split(":")[-1] in STUCK_WAITS):
        does += "; the router does not answer the server (frozen, or its wire is cut)"
    yield Hindrance(Kind.LANE, f"holds the lane of {_listed(tenants)}: {does}", ("lane",), "", len(tenants), tenants)


def _rows(
    session: Session, rows: Sequence[RowLocks], locks: Sequence[TableLock], limits: Limits
) -> Iterable[Hindrance]:
    if session.ours and (session.open_s or 0.0) < limits.own_s:
        return
    counts: Counter[str] = Counter()
    tenants: defaultdict[str, set[str]] = defaultdict(set)
    for lock in rows:
        if lock.table != "lane":
            counts[lock.table] += lock.rows
            tenants[lock.table].add(lock.tenant)
    for table, count in counts.items():
        whose = tuple(sorted(tenants[table]))
        does = "these leads are passed over" if table == "lead_pool" else "batches that need them wait and fail"
        words = f"has {count:,} row{'s'[: count != 1]} of {table} locked, of {_listed(whose)}: {does}"
        yield Hindrance(Kind.ROWS, words, (table,), "", count, whose)
    touched = any(lock.table == "lead_pool" and lock.mode in ROW_MODES and lock.granted for lock in locks)
    if touched and not counts and not session.ours and (session.open_s or 0.0) >= limits.old_s:
        words = "changes or locks rows of lead_pool, none of those that were looked at"
        yield Hindrance(Kind.ROWS, words, ("lead_pool",))


def _ages(session: Session, limits: Limits) -> Iterable[Hindrance]:
    if session.idle and (session.state_s or 0.0) >= limits.old_s:
        words = "is idle in a transaction: keeps its locks, and keeps vacuum from cleaning up"
        yield Hindrance(Kind.IDLE, words)
    old = (session.open_s or 0.0) >= limits.old_s and session.backend != "autovacuum worker"
    if session.snapshot_age and old:
        words = (
            f"has an old snapshot, {session.snapshot_age:,} transactions ago: vacuum cannot clean lead_pool, and "
            "claims walk over what was deleted since"
        )
        yield Hindrance(Kind.OLD_SNAPSHOT, words)


def _awaited(
    sessions: Mapping[int, Session], found: Mapping[int, Sequence[Hindrance]]
) -> dict[int, tuple[Session, ...]]:
    """Who is waited for by a session of ours, or by one that we wait for, however long the line."""
    in_the_way = {pid for pid, all_ in found.items() if any(one.kind in HOLDS_LEADS for one in all_)}
    waiting = [one for one in sessions.values() if one.waits_for and (one.ours or one.pid in in_the_way)]
    awaited: defaultdict[int, list[Session]] = defaultdict(list)
    seen: set[int] = set()
    while waiting:
        session = waiting.pop()
        if session.pid in seen:
            continue
        seen.add(session.pid)
        for pid in session.waits_for:
            if pid in sessions:
                awaited[pid].append(session)
                waiting += [sessions[pid]] if sessions[pid].waits_for else []
    return {pid: tuple(all_) for pid, all_ in awaited.items()}


def _awaited_by(waiting: Sequence[Session]) -> Hindrance:
    ours = [session.pid for session in waiting if session.ours]
    others = [session.pid for session in waiting if not session.ours]
    parts = [f"our process {_listed(ours)}"] if ours else []
    parts += [f"process {_listed(others)}, behind which we queue,"] if others else []
    wait = "waits" if len(waiting) == 1 else "wait"
    return Hindrance(Kind.AWAITED, f"{' and '.join(parts)} {wait} for it", rows=len(waiting))


def _listed(items: Iterable[object], most: int = 5) -> str:
    words = [str(item) for item in items]
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def table_lock_of_batches(scene: Scene) -> tuple[Session, tuple[TableLock, ...]] | None:
    """Who keeps every batch from being written by a lock on a table, or by waiting for one, with these locks."""
    sessions = {session.pid: session for session in scene.sessions}
    locks = [lock for lock in scene.table_locks if lock.holds_batches and lock.pid in sessions]
    if not locks:
        return None
    # Who has it before who wants it, and the oldest of these.
    first = min(locks, key=lambda lock: (not lock.granted, -(sessions[lock.pid].open_s or 0.0), lock.pid))
    its = sorted((lock for lock in locks if lock.pid == first.pid), key=lambda lock: (not lock.granted, lock.table))
    return sessions[first.pid], tuple(its)


def in_words(session: Session, locks: Sequence[TableLock]) -> str:
    """Who has or wants which tables locked, and for how long."""
    granted = locks[0].granted
    tables = ", ".join(sorted({lock.table for lock in locks if lock.granted == granted}))
    does = f"has {tables} locked ({MODES[locks[0].mode]})" if granted else f"waits to lock {tables}, and we behind it"
    return f"{session.named()} {does} {ago(session.open_s)}"


def ago(seconds: float | None) -> str:
    """How long something lasts, in the unit that matters."""
    if seconds is None:
        return "for a time that we may not see"
    if seconds < 120:
        return f"for {max(seconds, 0):.0f} s"
    return f"for {seconds / 60:.0f} min" if seconds < 7200 else f"for {seconds / 3600:.1f} h"
