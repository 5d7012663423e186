"""What a router remembers of a tenant between batches: loads, credits, wake keys, who is on duty.

Valid only while `lane.state_token` is the one that this router wrote last; otherwise it is read again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from router.domain.attendance import Attendance, Attendances, attend, open_hours
from router.domain.calendar import business_day, day_before
from router.domain.eligibility import INACTIVE, ON_DUTY, GroupCredits
from router.domain.engine import Engine, Moment, WindowState
from router.domain.targets import LAST_WAKE_KEY, WakeTargets, read_targets

if TYPE_CHECKING:
    from router.domain.decide import Outcome

Int64 = NDArray[np.int64]

# Room of a key whose refusals rest on what is no longer so: all under it is decided again, a share of each batch.
ENDLESS = 1 << 30


@dataclass(slots=True)
class WakeKey:
    """One interned wake key; `positions` are the members of its groups whose room counts (None = not looked up)."""

    ruleset: int
    targets: WakeTargets
    positions: Int64 | None = None


@dataclass
class LaneState:
    """A tenant's state in memory.

    `next_due` is not later than the earliest `recheck_at`; `quiet` = no key had room at the last look and nothing
    that could give room has changed since; `absent` = numbers of reps who must be present and are not;
    `maybe_empty` = keys under which nobody may wait any more.
    """

    engine: Engine
    token: int
    day: date
    open_counts: Int64
    today_counts: Int64
    credits: dict[int, GroupCredits]
    next_due: datetime | None = None
    keys: dict[int, WakeKey] = field(default_factory=dict)
    key_numbers: dict[tuple[int, str], int] = field(default_factory=dict)
    attendances: Attendances | None = None
    absent: frozenset[int] = frozenset()
    quiet: bool = False
    maybe_empty: set[int] = field(default_factory=set)

    def fold(self, open_counts: Mapping[int, int], today_counts: Mapping[tuple[int, date], int]) -> set[int]:
        """Applies the inbox, by rep number; returns the positions whose load changed."""
        position = self.engine.roster.position
        for rep_no, delta in open_counts.items():
            self.open_counts[position[rep_no]] += delta
        for (rep_no, day), delta in today_counts.items():
            if day == self.day:
                self.today_counts[position[rep_no]] += delta
        if open_counts or today_counts:
            self.quiet = False
        return {position[rep_no] for rep_no in [*open_counts, *(rep for rep, _ in today_counts)]}

    def loads_of(self, positions: Iterable[int]) -> list[tuple[int, int, int]]:
        """(rep number, open, today) of some reps, by number."""
        reps = self.engine.roster.reps
        return [(reps[p].no, int(self.open_counts[p]), int(self.today_counts[p])) for p in sorted(positions)]

    def turn_day(self, day: date) -> None:
        """A new business day: nobody has had a lead today."""
        if day != self.day:
            self.day = day
            self.today_counts = np.zeros_like(self.today_counts)
            self.quiet = False

    def use(self, engine: Engine) -> None:
        """New versions of roster, ruleset or rates: loads keep their reps, members get their places in the credits."""
        old = {
            no: (int(self.open_counts[i]), int(self.today_counts[i])) for no, i in self.engine.roster.position.items()
        }
        reps = engine.roster.reps
        self.open_counts = np.array([old.get(rep.no, (0, 0))[0] for rep in reps], dtype=np.int64)
        self.today_counts = np.array([old.get(rep.no, (0, 0))[1] for rep in reps], dtype=np.int64)
        self.engine = engine
        self.credits = aligned_credits(engine, self.credits)
        self.attendances = None
        self.quiet = False
        for key in self.keys.values():
            key.positions = None

    def on_duty(self, now: datetime) -> Attendances:
        """Who is on duty at `now` (UTC)."""
        known = self.attendances
        if known is None or now < known.at or (known.until is not None and now >= known.until):
            spec = self.engine.ruleset.calendar
            known = self._present(attend(self.engine.roster, now, self.engine.holidays, spec.working_hours))
            self.attendances = known
            self.quiet = False
        return known

    def leave_out(self, absent: frozenset[int]) -> None:
        """Reps (numbers) who must be present and are not, from now on."""
        if absent != self.absent:
            self.absent = absent
            self.attendances = None
            self.quiet = False

    def _present(self, attendances: Attendances) -> Attendances:
        if not self.absent:
            return attendances
        away = np.isin(self.engine.rep_numbers, list(self.absent)) & (attendances.attendance == ON_DUTY)
        attendance = np.where(away, np.int8(Attendance.NOT_PRESENT), attendances.attendance)
        attendance.flags.writeable = False
        return replace(attendances, attendance=attendance)

    def rooms(self, now: datetime) -> Int64:
        """How many leads each rep could take at `now`, in roster order."""
        engine, attendance = self.engine, self.on_duty(now).attendance
        room = np.minimum(engine.max_open - self.open_counts, engine.max_per_day - self.today_counts)
        return np.where(attendance == ON_DUTY, np.maximum(room, 0), 0)

    def keys_with_room(self, now: datetime) -> dict[int, int]:
        """Room of every key that has some: the sum over its targets' reps.

        Endless for an older ruleset's, and where the owner who was awaited has left.
        """
        # Whose hours have begun or ended is news, so this comes first.
        self.on_duty(now)
        if self.quiet or not self.keys:
            return {}
        rooms = self.rooms(now)
        by_share = np.where(self.engine.weigher.base > 0, rooms, 0)
        found = {}
        for number, key in self.keys.items():
            room = self._room(key, rooms, by_share, now)
            if room > 0:
                found[number] = min(room, ENDLESS)
        self.quiet = not found
        return found

    def _room(self, key: WakeKey, rooms: Int64, by_share: Int64, now: datetime) -> int:
        if key.ruleset != self.engine.ruleset.version:
            return ENDLESS
        if key.positions is None:
            key.positions = self._positions(key.targets)
        if any(self._left(no, now) for no in key.targets.awaited):
            return ENDLESS
        owners = [self.engine.roster.position.get(no) for no in key.targets.owners]
        room = int(by_share[key.positions].sum())
        # An owner keeps customers whatever the weight, so weight 0 does not close that door.
        return room + sum(int(rooms[p]) for p in owners if p is not None)

    def _left(self, rep_no: int, now: datetime) -> bool:
        """Whether a rep is not active any more: a fact on which refusals rest that wait for this rep alone."""
        position = self.engine.roster.position.get(rep_no)
        return position is None or self.on_duty(now).attendance[position] == INACTIVE

    def _positions(self, targets: WakeTargets) -> Int64:
        engine = self.engine
        parts = [engine.members_of(group_no) for group_no in targets.groups]
        if not parts:
            return np.empty(0, dtype=np.int64)
        members = parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts))
        gone = [engine.roster.position[no] for no in targets.excluded if no in engine.roster.position]
        return members[~np.isin(members, gone)]

    def free_key(self, after: int) -> int:
        """The first number from `after` on that no key has; numbers begin anew before they run out."""
        number = after if after <= LAST_WAKE_KEY else 1
        while number in self.keys:
            number = number + 1 if number < LAST_WAKE_KEY else 1
        return number

    def learn_key(self, number: int, ruleset: int, targets: str) -> None:
        self.keys[number] = WakeKey(ruleset, read_targets(targets))
        self.key_numbers[(ruleset, targets)] = number

    def forget_keys(self, numbers: Iterable[int]) -> None:
        gone = set(numbers)
        for number in gone:
            self.keys.pop(number, None)
        self.key_numbers = {text: number for text, number in self.key_numbers.items() if number not in gone}

    def adopt(self, outcome: "Outcome") -> set[int]:
        """Takes over a batch's loads and credits; returns the positions whose load changed."""
        changed = np.flatnonzero(
            (self.open_counts != outcome.open_counts) | (self.today_counts != outcome.today_counts)
        )
        self.open_counts, self.today_counts = outcome.open_counts, outcome.today_counts
        self.credits = {**self.credits, **outcome.credits}
        return set(changed.tolist())


def aligned_credits(engine: Engine, credits: Mapping[int, GroupCredits]) -> dict[int, GroupCredits]:
    """Credits in which every member of every group has a place; who is new starts at 0, who left keeps the credit."""
    aligned = dict(credits)
    for group_no in engine.roster.members:
        members = engine.rep_numbers[engine.members_of(group_no)]
        before = credits.get(group_no)
        if before is None:
            aligned[group_no] = GroupCredits(members, np.zeros(len(members), dtype=np.int64))
            continue
        missing = np.setdiff1d(members, before.reps)
        if len(missing):
            reps = np.concatenate([before.reps, missing])
            order = np.argsort(reps)
            padded = np.concatenate([before.credits, np.zeros(len(missing), dtype=np.int64)])
            aligned[group_no] = GroupCredits(reps[order], padded[order])
    return aligned


def moment_at(engine: Engine, now: datetime) -> Moment:
    """The business day and the rules' windows at `now` (UTC)."""
    zone = engine.ruleset.business_time_zone
    day = business_day(now, zone)
    windows = {}
    for rule_no, rule in enumerate(engine.rules):
        if rule.window is not None:
            windows[rule_no] = WindowState(*open_hours(rule.window, zone, now))
    return Moment(now, day, day_before(day, zone).start, windows)


def rep_loads(engine: Engine, rows: Iterable[tuple[int, int, date, int]], day: date) -> tuple[Int64, Int64]:
    """(open, today) in roster order from rows of (rep_no, open, day, today); another day's count is 0."""
    open_counts: Int64 = np.zeros(len(engine.roster.reps), dtype=np.int64)
    today_counts: Int64 = np.zeros(len(engine.roster.reps), dtype=np.int64)
    for rep_no, is_open, of_day, count in rows:
        position = engine.roster.position[rep_no]
        open_counts[position] = is_open
        today_counts[position] = count if of_day == day else 0
    return open_counts, today_counts
