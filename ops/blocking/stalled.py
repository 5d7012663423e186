"""What the stall watch decides: which sessions have stood in the way for too long. Pure; it remembers what it saw."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ops.blocking.blockers import Deed
from router.settings.model import LockSettings
from router.store.blocking.judge import (
    ROW_MODES,
    STUCK_WAITS,
    WRITE_MODE,
    Blocker,
    Hindrance,
    Kind,
    Limits,
    Scene,
    Session,
    blockers,
)
from router.store.connections.connections import APPLICATION_NAME

Sighting = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done to whom, and why; `own` = it is a backend of ours."""

    deed: Deed
    blocker: Blocker
    own: bool
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One look: who is in the way of leads, those of them who are so for the first time, and what is to be done."""

    blocking: tuple[Blocker, ...]
    new: tuple[Blocker, ...]
    orders: tuple[Order, ...]


@dataclass(slots=True)
class Watched:
    """What was seen in the looks so far: since when (monotonic seconds), without a gap."""

    settings: LockSettings
    _since: dict[Sighting, float] = field(default_factory=dict)
    _told: set[Sighting] = field(default_factory=set)
    _cancelled: set[Sighting] = field(default_factory=set)

    def judge(self, scene: Scene, now_s: float) -> Verdict:
        """Judges a look at `now_s`. A session counts from when it was first seen in the way: when it took a lock,
        the server does not tell.
        """
        found = [one for one in blockers(scene, Limits(own_s=self.settings.own_stuck_after_s)) if one.holds_leads]
        stuck = list(_stuck(scene))
        seen = {_transaction(one.session): one for one in found}
        waits = {_wait(one): one for one in stuck}
        self._remember({*seen, *waits}, now_s)
        orders = [order for sighting, one in waits.items() if (order := self._own(one, now_s - self._since[sighting]))]
        orders += [
            order for sighting, one in seen.items() if (order := self._foreign(one, now_s - self._since[sighting]))
        ]
        # What is over within one look was nobody's trouble.
        lasting = {sighting: one for sighting, one in seen.items() if self._since[sighting] < now_s}
        new = tuple(one for sighting, one in lasting.items() if sighting not in self._told)
        self._told = set(lasting)
        self._cancelled = {one for one in self._cancelled if one[:3] in seen}
        return Verdict(tuple(lasting.values()), new, tuple(orders))

    def _remember(self, sightings: Iterable[Sighting], now_s: float) -> None:
        self._since = {one: self._since.get(one, now_s) for one in sightings}

    def _own(self, session: Session, seen_s: float) -> Order | None:
        """For how long it has been idle the server tells; for how long nobody has read what it writes, it does not."""
        for_s = session.state_s or 0.0 if session.idle else seen_s
        if for_s < self.settings.own_stuck_after_s:
            return None
        waits = session.wait.rpartition(":")[2] or session.state
        why = f"its process has not answered the server for {for_s:.1f} s while it holds a lane or rows ({waits})"
        return Order(Deed.TERMINATE, Blocker(session, (Hindrance(Kind.LANE, why, ("lane",)),)), True, why)

    def _foreign(self, blocker: Blocker, seen_s: float) -> Order | None:
        session, settings = blocker.session, self.settings
        if session.application.startswith(APPLICATION_NAME):
            return None
        why = f"in the way for {seen_s:.1f} s"
        terminate_s, cancel_s = settings.terminate_foreign_after_s, settings.cancel_foreign_after_s
        if terminate_s is not None and seen_s >= terminate_s:
            limit = f"{why}, longer than locks.terminate_foreign_after_s ({terminate_s:g})"
            return Order(Deed.TERMINATE, blocker, False, limit)
        once = (*_transaction(session), session.query_at)
        if cancel_s is not None and seen_s >= cancel_s and blocker.deed == Deed.CANCEL and once not in self._cancelled:
            self._cancelled.add(once)
            limit = f"{why}, longer than locks.cancel_foreign_after_s ({cancel_s:g})"
            return Order(Deed.CANCEL, blocker, False, limit)
        return None


def _stuck(scene: Scene) -> Iterable[Session]:
    """Backends of ours that hold a lane, or are about to, and wait for their router.

    And those that have written anything and wait in the middle of a statement: there the server's own limit on idle
    transactions does not count.
    """
    granted = [lock for lock in scene.table_locks if lock.granted]
    lanes = {lock.pid for lock in granted if lock.table == "lane" and lock.mode in ROW_MODES}
    writing = {lock.pid for lock in granted if lock.mode == WRITE_MODE}
    for session in scene.sessions:
        in_the_middle = not session.idle and session.wait.rpartition(":")[2] in STUCK_WAITS
        has_lane = session.pid in lanes and (session.idle or in_the_middle)
        if session.ours and (has_lane or (session.pid in writing and in_the_middle)):
            yield session


def _transaction(session: Session) -> Sighting:
    return (session.pid, session.started_at, session.since)


def _wait(session: Session) -> Sighting:
    return (session.pid, session.started_at, session.since, session.query_at, session.wait)
