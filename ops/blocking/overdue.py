"""What the blocking watch decides: which sessions have blocked us for too long. Pure; it remembers what it saw."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from router.settings.model import LockSettings
from router.store.blocking.action import Action
from router.store.blocking.judge import (
    ROW_MODES,
    WRITE_MODE,
    Activity,
    Blocker,
    Blocking,
    Kind,
    Limits,
    Session,
    blockers,
)
from router.store.connections.connections import APPLICATION_NAME

Sighting = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One look: which sessions hold up leads, those of them that do so for the first time, those that did in the look
    before and do no more, and what is to be done.
    """

    blocking: tuple[Blocker, ...]
    new: tuple[Blocker, ...]
    gone: tuple[Blocker, ...]
    actions: tuple[Action, ...]


@dataclass(slots=True)
class Watched:
    """What was seen in the looks so far: since when (monotonic seconds), without a gap."""

    settings: LockSettings
    _since: dict[Sighting, float] = field(default_factory=dict)
    _reported: dict[Sighting, Blocker] = field(default_factory=dict)
    _cancelled: set[Sighting] = field(default_factory=set)

    def judge(self, activity: Activity, now_s: float) -> Verdict:
        """Judges a look at `now_s`. A session counts from when it was first seen to block: when it took a lock, the
        server does not say.
        """
        found = [one for one in blockers(activity, Limits(own_s=self.settings.own_stuck_after_s)) if one.holds_leads]
        seen = {_transaction(one.session): one for one in found}
        stuck = {_wait(one): one for one in _stuck(activity)}
        self._since = {one: self._since.get(one, now_s) for one in (*seen, *stuck)}
        age = {one: now_s - since for one, since in self._since.items()}
        actions = [self._own(one, age[sighting]) for sighting, one in stuck.items()]
        actions += [self._foreign(one, age[sighting]) for sighting, one in seen.items()]
        # What is over within one look was nobody's trouble.
        lasting = {sighting: one for sighting, one in seen.items() if age[sighting] > 0}
        new = tuple(one for sighting, one in lasting.items() if sighting not in self._reported)
        gone = tuple(one for sighting, one in self._reported.items() if sighting not in lasting)
        self._reported = lasting
        self._cancelled = {one for one in self._cancelled if one[:3] in seen}
        return Verdict(tuple(lasting.values()), new, gone, tuple(action for action in actions if action))

    def _own(self, session: Session, seen_s: float) -> Action | None:
        """For how long it has been idle the server says; for how long nobody has read what it writes, it does not."""
        for_s = session.state_s or 0.0 if session.idle else seen_s
        if for_s < self.settings.own_stuck_after_s:
            return None
        waits = session.wait.rpartition(":")[2] or session.state
        why = f"its process has not answered the server for {for_s:.1f} s while it holds a lane or rows ({waits})"
        return Action("terminate", Blocker(session, (Blocking(Kind.LANE, why, tables=("lane",)),)), why, own=True)

    def _foreign(self, blocker: Blocker, seen_s: float) -> Action | None:
        session, settings = blocker.session, self.settings
        if session.application.startswith(APPLICATION_NAME):
            return None
        once = (*_transaction(session), session.query_at)
        can_cancel = blocker.remedy == "cancel" and once not in self._cancelled
        limits = {"terminate": settings.terminate_foreign_after_s}
        limits |= {"cancel": settings.cancel_foreign_after_s} if can_cancel else {}
        for name, limit_s in limits.items():
            if limit_s is not None and seen_s >= limit_s:
                self._cancelled |= {once} if name == "cancel" else set()
                why = f"has blocked for {seen_s:.1f} s, longer than locks.{name}_foreign_after_s ({limit_s:g})"
                return Action(name, blocker, why)
        return None


def _stuck(activity: Activity) -> Iterable[Session]:
    """Backends of ours that hold a lane, or are about to, and wait for their router.

    And those that have written anything and wait in the middle of a statement: there the server's own limit on idle
    transactions does not count.
    """
    granted = [lock for lock in activity.table_locks if lock.granted]
    lanes = {lock.pid for lock in granted if lock.table == "lane" and lock.mode in ROW_MODES}
    writing = {lock.pid for lock in granted if lock.mode == WRITE_MODE}
    for session in activity.sessions:
        has_lane = session.pid in lanes and (session.idle or session.stuck)
        if session.ours and (has_lane or (session.pid in writing and session.stuck)):
            yield session


def _transaction(session: Session) -> Sighting:
    return (session.pid, session.started_at, session.since)


def _wait(session: Session) -> Sighting:
    return (session.pid, session.started_at, session.since, session.query_at, session.wait)
