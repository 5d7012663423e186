"""Deciding a batch: pure, deterministic, in memory.

`decide` is a function of its arguments alone: no I/O, no clock, no randomness, no floats in what decides. A
`Batch` carries the working copies of loads and credits from one lead to the next, in the leads' order.
"""

import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from router.domain.engine import Engine, Moment, created_holds
from router.domain.lead import Facts, PoolLead
from router.domain.reason import Reason
from router.domain.ruleset import Rule
from router.domain.share import Contest
from router.domain.targets import group_target, join_targets, owner_target, read_targets, reason_for, window_target

Int64 = NDArray[np.int64]

ON_DUTY = 0
INACTIVE = 1


@dataclass(frozen=True, slots=True)
class Assigned:
    """The rep who gets the lead; `group_no` None = as owner of the customer."""

    rep_no: int
    rule_no: int
    group_no: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nobody can take the lead now. `targets` names what it waits for, `recheck_at` (UTC) covers time."""

    targets: str
    recheck_at: datetime


@dataclass(frozen=True, slots=True)
class Parked:
    """Retrying cannot help; a person must look."""

    reason: Reason
    detail: str


Decision = Assigned | Waiting | Parked


@dataclass(frozen=True)
class GroupCredits:
    """Credits (2^-32 leads) of every rep who is or was in a group. `reps` are numbers, ascending."""

    reps: Int64
    credits: Int64


@dataclass(frozen=True)
class Inputs:
    """All that the decisions of a batch rest on, beside the engine's versions.

    `codes` (Attendance), `opened` and `today` have one entry per rep in roster order; `owners` is the owning rep's
    number of each customer in the batch that has one. Every member of a group stands in its `credits`.
    """

    moment: Moment
    leads: Sequence[PoolLead]
    codes: NDArray[np.int8]
    opened: Int64
    today: Int64
    credits: Mapping[int, GroupCredits]
    owners: Mapping[int, int]


@dataclass
class Outcome:
    """The decisions, one per lead in the order of `Inputs.leads`, and the state after them.

    `credits` has the groups that gave leads; `owners` the customers whose owner was set or moved; `examined` the
    groups whose candidates were looked at and `asked` the owners (positions) who were.
    """

    decisions: list[Decision]
    opened: Int64
    today: Int64
    credits: dict[int, GroupCredits]
    owners: dict[int, int]
    examined: frozenset[int]
    asked: frozenset[int]


@dataclass(slots=True)
class _Group:
    """A group in this batch: its members, their places in the credit array, and the contest of who is free."""

    members: Int64
    slots: Int64
    credits: Int64
    contest: Contest | None = None
    contest_slots: Int64 | None = None
    gave: bool = False


@dataclass
class Batch:
    """The working state while a batch is decided."""

    engine: Engine
    inputs: Inputs
    opened: Int64 = field(init=False)
    today: Int64 = field(init=False)
    free: NDArray[np.bool_] = field(init=False)
    owners: dict[int, int] = field(init=False)
    moved: dict[int, int] = field(default_factory=dict)
    groups: dict[int, _Group] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        engine, inputs = self.engine, self.inputs
        self.opened = inputs.opened.copy()
        self.today = inputs.today.copy()
        self.free = (
            (inputs.codes == ON_DUTY) & (self.opened < engine.max_open) & (self.today < engine.max_per_day)
        )
        self.owners = dict(inputs.owners)

    def decide_lead(self, lead: PoolLead) -> Decision:
        """One lead; an error in deciding about it parks it and leaves everything else untouched."""
        try:
            return self._decide(lead)
        except Exception as error:  # one bad lead never fails a batch
            return Parked(Reason.INTERNAL_ERROR, fingerprint(error))

    def _decide(self, lead: PoolLead) -> Decision:
        engine = self.engine
        owner = None if lead.customer_id is None else self.owners.get(lead.customer_id)
        targets: list[str] = []
        recheck: datetime | None = None
        for rule_no in engine.matcher.rules_for(lead.facts):
            rule = engine.rules[rule_no]
            holds, changes = self.conditions(rule_no, rule, lead, owner)
            recheck = _earlier(recheck, changes)
            if not holds:
                continue
            window = self.inputs.moment.windows.get(rule_no)
            if window is not None:
                recheck = _earlier(recheck, window.until)
            if window is not None and not window.open:
                targets.append(window_target(rule_no))
                if rule.wait:
                    break
            elif rule.to_owner:
                rep_no, stops, changes = self._ask_owner(rule, lead, owner, targets)
                if rep_no is not None:
                    self._take(rep_no)
                    return Assigned(rep_no, rule_no, None)
                recheck = _earlier(recheck, changes)
                if stops:
                    break
            else:
                group_no = engine.group_of_rule[rule_no]
                assert group_no is not None
                rep_no = self._choose(group_no, lead)
                if rep_no is not None:
                    self._own(lead, rep_no)
                    return Assigned(rep_no, rule_no, group_no)
                targets.append(group_target(group_no))
                if rule.wait:
                    break
        return self._refuse(lead, targets, recheck)

    def conditions(
        self, rule_no: int, rule: Rule, lead: PoolLead, owner: int | None
    ) -> tuple[bool, datetime | None]:
        """Whether what the facts alone do not decide holds, and when time alone may change it."""
        match = rule.match
        if match.priority is not None and -lead.rank not in match.priority:
            return False, None
        if match.known_customer is not None and (owner is not None) != match.known_customer:
            return False, None
        if match.created is None:
            return True, None
        zone = self.engine.ruleset.business_time_zone
        return created_holds(match.created, lead.created_at, self.inputs.moment, zone)

    def _ask_owner(
        self, rule: Rule, lead: PoolLead, owner: int | None, targets: list[str]
    ) -> tuple[int | None, bool, datetime | None]:
        """(the owner, if free; whether the lead stops here to wait; until when). May add the owner to `targets`."""
        if owner is None or owner in lead.excluded:
            return None, False, None
        position = self.engine.roster.position.get(owner)
        if position is not None:
            self.asked.add(position)
        if position is None or self.inputs.codes[position] == INACTIVE:
            targets.append(owner_target(owner))
            return None, False, None
        if self.free[position]:
            return owner, True, None
        patience = rule.fall_back_after or timedelta(0)
        falls_back = lead.queued_at + patience
        if self.inputs.moment.now >= falls_back:
            return None, False, None
        targets.append(owner_target(owner))
        return None, True, falls_back

    def _refuse(self, lead: PoolLead, targets: list[str], recheck: datetime | None) -> Decision:
        ruleset = self.engine.ruleset
        expires = lead.queued_at + (ruleset.max_age if targets else ruleset.no_match_max_age)
        text = join_targets(targets, lead.excluded)
        if self.inputs.moment.now >= expires:
            waited = self.inputs.moment.now - lead.queued_at
            return Parked(self.reason(text), f"waited {_readable(waited)}, which is past the ruleset's max_age")
        return Waiting(text, min(expires, recheck) if recheck else expires)

    # Groups

    def group(self, group_no: int) -> _Group:
        """The group's working state; looking at it makes it part of the flight record."""
        found = self.groups.get(group_no)
        if found is None:
            members = self.engine.members_of(group_no)
            before = self.inputs.credits.get(group_no)
            if before is None or not len(members):
                found = _Group(members[:0], members[:0], np.zeros(0, dtype=np.int64))
            else:
                slots = np.searchsorted(before.reps, self.engine.rep_numbers[members])
                found = _Group(members, slots, before.credits.copy())
            self.groups[group_no] = found
        return found

    def _choose(self, group_no: int, lead: PoolLead) -> int | None:
        group = self.group(group_no)
        if lead.excluded:
            return self._choose_without(group, lead)
        contest = group.contest
        if contest is None:
            contest = self._open_contest(group, self.candidates(group, ()))
        if not len(contest.positions):
            return None
        return self._give(group, contest, lead.facts)

    def _choose_without(self, group: _Group, lead: PoolLead) -> int | None:
        """A lead that some reps must not get: a contest of its own among the others."""
        self._close_contest(group)
        contest = self._open_contest(group, self.candidates(group, lead.excluded))
        rep_no = self._give(group, contest, lead.facts) if len(contest.positions) else None
        self._close_contest(group)
        return rep_no

    def candidates(self, group: _Group, excluded: Iterable[int]) -> NDArray[np.bool_]:
        """Which members could take a lead now: on duty, under both caps, weight above 0, not excluded."""
        members = group.members
        able: NDArray[np.bool_] = self.free[members] & (self.engine.weigher.base[members] > 0)
        for rep_no in excluded:
            able = able & (self.engine.rep_numbers[members] != rep_no)
        return able

    def _open_contest(self, group: _Group, able: NDArray[np.bool_]) -> Contest:
        slots = group.slots[able]
        group.contest = Contest(group.members[able], group.credits[slots])
        group.contest_slots = slots
        return group.contest

    @staticmethod
    def _close_contest(group: _Group) -> None:
        if group.contest is not None:
            group.credits[group.contest_slots] = group.contest.credits
            group.contest = None

    def _give(self, group: _Group, contest: Contest, facts: Facts) -> int:
        weigher = self.engine.weigher
        kind = weigher.kind_of(facts)
        claim = contest.known_claim(kind) or contest.claim(kind, weigher.vector(kind)[contest.positions])
        position = int(contest.positions[contest.choose(claim)])
        group.gave = True
        return self._take_position(position)

    # Loads and owners

    def _take(self, rep_no: int) -> None:
        self._take_position(self.engine.roster.position[rep_no])

    def _take_position(self, position: int) -> int:
        """Adds one lead to a rep; a rep who is full leaves the contests of all groups."""
        self.opened[position] += 1
        self.today[position] += 1
        full = (
            self.opened[position] >= self.engine.max_open[position]
            or self.today[position] >= self.engine.max_per_day[position]
        )
        rep = self.engine.roster.reps[position]
        if full:
            self.free[position] = False
            for group_no in rep.groups:
                group = self.groups.get(group_no)
                if group is not None:
                    self._close_contest(group)
        return rep.no

    def _own(self, lead: PoolLead, rep_no: int) -> None:
        if lead.customer_id is not None and self.owners.get(lead.customer_id) != rep_no:
            self.owners[lead.customer_id] = self.moved[lead.customer_id] = rep_no

    # Reasons

    def reason(self, targets: str) -> Reason:
        """The reason to show for a wake key's text, judged by the batch's state at this point."""
        return reason_for(read_targets(targets), self.group_reason, self.owner_reason)

    def group_reason(self, group_no: int, excluded: frozenset[int]) -> Reason:
        """Why nobody in a group can take a lead."""
        members = self.engine.members_of(group_no)
        active = [p for p in members.tolist() if self.inputs.codes[p] != INACTIVE and self.engine.weigher.base[p] > 0]
        if not active:
            return Reason.GROUP_EMPTY
        rep_numbers = self.engine.rep_numbers
        on_duty = [p for p in active if self.inputs.codes[p] == ON_DUTY and int(rep_numbers[p]) not in excluded]
        if not on_duty:
            return Reason.NOBODY_AVAILABLE
        if all(self.today[p] >= self.engine.max_per_day[p] for p in on_duty):
            return Reason.ALL_AT_DAILY_CAP
        return Reason.ALL_AT_OPEN_CAP

    def owner_reason(self, rep_no: int) -> Reason | None:
        """Why an owner cannot take a lead; None = the owner is gone."""
        position = self.engine.roster.position.get(rep_no)
        if position is None or self.inputs.codes[position] == INACTIVE:
            return None
        return Reason.OWNER_AT_CAP if self.inputs.codes[position] == ON_DUTY else Reason.OWNER_UNAVAILABLE

    def outcome(self, decisions: list[Decision]) -> Outcome:
        """Closes the books."""
        for group in self.groups.values():
            self._close_contest(group)
        credits = {
            group_no: GroupCredits(self.inputs.credits[group_no].reps, group.credits)
            for group_no, group in self.groups.items()
            if group.gave
        }
        return Outcome(
            decisions, self.opened, self.today, credits, self.moved, frozenset(self.groups), frozenset(self.asked)
        )


def decide(engine: Engine, inputs: Inputs) -> Outcome:
    """Decides all leads in their order. Pure: equal arguments give an equal outcome in any process."""
    batch = Batch(engine, inputs)
    return batch.outcome([batch.decide_lead(lead) for lead in inputs.leads])


def fingerprint(error: BaseException) -> str:
    """Names an error the same way each time it happens at the same place: type, place, and a short hash of the stack."""
    frames = traceback.extract_tb(error.__traceback__)
    where = ";".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.name}" for frame in frames)
    digest = blake2b(f"{type(error).__name__}|{where}".encode(), digest_size=6).hexdigest()
    return f"{type(error).__name__} in {frames[-1].name if frames else '?'} ({digest}): {error}"[:500]


def _earlier(a: datetime | None, b: datetime | None) -> datetime | None:
    if a is None or b is None:
        return a or b
    return min(a, b)


def _readable(waited: timedelta) -> str:
    hours, rest = divmod(int(waited.total_seconds()), 3600)
    return f"{hours // 24} d {hours % 24} h" if hours >= 24 else f"{hours} h {rest // 60} min"


__all__ = [
    "Assigned", "Batch", "Decision", "GroupCredits", "Inputs", "Outcome", "Parked", "Waiting", "decide",
]
