"""Where every rep stands while a batch is decided: loads, who is free, and the credits of each group."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from router.domain.attendance import Attendance
from router.domain.engine import Engine
from router.domain.lead import Facts
from router.domain.reason import Reason
from router.domain.share import Contest

Int64 = NDArray[np.int64]

# As plain numbers: enum look-ups cost more than the comparisons they are for.
ON_DUTY = int(Attendance.ON_DUTY)
INACTIVE = int(Attendance.INACTIVE)


@dataclass(frozen=True)
class GroupCredits:
    """Credits (2^-32 leads) of every rep who is or was in a group. `reps` are numbers, ascending."""

    reps: Int64
    credits: Int64


@dataclass(slots=True)
class Group:
    """A group in this batch: its members, their places in the credit array, and the contest of who is free."""

    members: Int64
    slots: Int64
    credits: Int64
    contest: Contest | None = None
    contest_slots: Int64 | None = None
    gave: bool = False


@dataclass
class Eligibility:
    """Working copies of loads and credits.

    `attendance`, `open_counts` and `today_counts` have one entry per rep in roster order.
    """

    engine: Engine
    attendance: NDArray[np.int8]
    open_counts: Int64
    today_counts: Int64
    credits: Mapping[int, GroupCredits]
    free: NDArray[np.bool_] = field(init=False)
    groups: dict[int, Group] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        engine = self.engine
        self.open_counts = self.open_counts.copy()
        self.today_counts = self.today_counts.copy()
        under_caps = (self.open_counts < engine.max_open) & (self.today_counts < engine.max_per_day)
        self.free = (self.attendance == ON_DUTY) & under_caps

    def group(self, group_no: int) -> Group:
        """The group's working state; looking at it makes it part of the flight record."""
        found = self.groups.get(group_no)
        if found is None:
            members = self.engine.members_of(group_no)
            before = self.credits.get(group_no)
            if before is None or not len(members):
                found = Group(members[:0], members[:0], np.zeros(0, dtype=np.int64))
            else:
                slots = np.searchsorted(before.reps, self.engine.rep_numbers[members])
                found = Group(members, slots, before.credits.copy())
            self.groups[group_no] = found
        return found

    def choose(self, group_no: int, facts: Facts, excluded: tuple[int, ...]) -> int | None:
        """Gives a lead to the candidate of the group whose turn it is; None when there is no candidate."""
        group = self.group(group_no)
        if excluded:
            # A lead that some reps must not get: a contest of its own among the others.
            self._close(group)
            contest = self._open(group, self.candidates(group, excluded))
            rep_no = self._give(group, contest, facts) if len(contest.positions) else None
            self._close(group)
            return rep_no
        contest = group.contest or self._open(group, self.candidates(group))
        return self._give(group, contest, facts) if len(contest.positions) else None

    def candidates(self, group: Group, excluded: Iterable[int] = ()) -> NDArray[np.bool_]:
        """Which members could take a lead now: on duty, under both caps, weight above 0, not excluded."""
        members = group.members
        able: NDArray[np.bool_] = self.free[members] & (self.engine.weigher.base[members] > 0)
        for rep_no in excluded:
            able = able & (self.engine.rep_numbers[members] != rep_no)
        return able

    def entrants(self, group_no: int, excluded: tuple[int, ...]) -> Contest:
        """The contest that a lead would meet now, on credits of its own: choosing in it changes nothing here."""
        group = self.group(group_no)
        self._close(group)
        able = self.candidates(group, excluded)
        return self._contest(group.members[able], group.credits[group.slots[able]])

    def take(self, position: int) -> int:
        """Adds one lead to a rep; one who is full leaves the contests of all groups. Returns the rep's number."""
        self.open_counts[position] += 1
        self.today_counts[position] += 1
        rep = self.engine.roster.reps[position]
        at_open_cap = self.open_counts[position] >= self.engine.max_open[position]
        if at_open_cap or self.today_counts[position] >= self.engine.max_per_day[position]:
            self.free[position] = False
            for group_no in rep.groups:
                group = self.groups.get(group_no)
                if group is not None:
                    self._close(group)
        return rep.no

    def group_reason(self, group_no: int, excluded: frozenset[int]) -> Reason:
        """Why nobody in a group can take a lead."""
        members = self.engine.members_of(group_no)
        active = members[(self.attendance[members] != INACTIVE) & (self.engine.weigher.base[members] > 0)]
        if not len(active):
            return Reason.GROUP_EMPTY
        on_duty = active[self.attendance[active] == ON_DUTY]
        if excluded:
            on_duty = on_duty[~np.isin(self.engine.rep_numbers[on_duty], list(excluded))]
        if not len(on_duty):
            return Reason.NOBODY_AVAILABLE
        at_daily_cap = self.today_counts[on_duty] >= self.engine.max_per_day[on_duty]
        return Reason.ALL_AT_DAILY_CAP if at_daily_cap.all() else Reason.ALL_AT_OPEN_CAP

    def owner_reason(self, rep_no: int) -> Reason | None:
        """Why an owner cannot take a lead; None = the owner is gone."""
        position = self.engine.roster.position.get(rep_no)
        if position is None or self.attendance[position] == INACTIVE:
            return None
        return Reason.OWNER_AT_CAP if self.attendance[position] == ON_DUTY else Reason.OWNER_UNAVAILABLE

    def final_credits(self) -> dict[int, GroupCredits]:
        """The credits of the groups that gave leads, after them."""
        for group in self.groups.values():
            self._close(group)
        return {
            group_no: GroupCredits(self.credits[group_no].reps, group.credits)
            for group_no, group in self.groups.items()
            if group.gave
        }

    def _open(self, group: Group, able: NDArray[np.bool_]) -> Contest:
        slots = group.slots[able]
        group.contest = self._contest(group.members[able], group.credits[slots])
        group.contest_slots = slots
        return group.contest

    def _contest(self, positions: Int64, credits: Int64) -> Contest:
        return Contest(positions, credits, self.engine.weigher.stakes_of(positions))

    @staticmethod
    def _close(group: Group) -> None:
        if group.contest is not None:
            group.credits[group.contest_slots] = group.contest.credits
            group.contest = None

    def _give(self, group: Group, contest: Contest, facts: Facts) -> int:
        group.gave = True
        return self.take(int(contest.positions[contest.choose(self.engine.weigher.kind_of(facts))]))
