"""One change of the present state, and the state as it would be with it: what a lead is decided with again.

Pure. A change is a rep or a rule as it would be; what follows from it (who is on duty, caps, members, windows) is made
anew by the code that makes it for the router.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from router.domain.attendance import Attendance, attendance
from router.domain.calendars import calendars_by_number, in_calendar
from router.domain.decide import Decision, Inputs, decide
from router.domain.engine import Engine
from router.domain.lead import PoolLead
from router.domain.roster import Rep
from router.domain.ruleset import Rule
from router.domain.text import fold
from router.drain.lane_state import aligned_credits, moment_at


class Kind(StrEnum):
    """What is changed, the smallest change first."""

    AVAILABLE = "available"
    PRESENT = "present"
    MAX_PER_DAY = "max_per_day"
    MAX_OPEN = "max_open"
    WORKING_HOURS = "working_hours"
    GROUPS = "groups"
    CONDITION = "condition"
    WINDOW = "window"
    ON_NO_CANDIDATE = "on_no_candidate"
    FALL_BACK_AFTER = "fall_back_after"
    LEAVE = "leave"
    WEIGHT = "weight"
    ACTIVE = "active"


class Widening(StrEnum):
    """How a condition is widened by `Change.value`."""

    ADD = "add"
    EXCEPT_NOT = "except_not"
    FROM = "from"
    TO = "to"
    WITHIN = "within"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Change:
    """A rep, or rule number `rule_no`, as it would be. `step` is by how much: leads for a cap, minutes for hours.

    `value` is what the changed field, or the condition on `field`, gets. PRESENT changes no field of the rep.
    """

    kind: Kind
    value: str = ""
    step: int = 0
    rep: Rep | None = None
    rule_no: int | None = None
    rule: Rule | None = None
    field: str = ""
    widening: Widening | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """The present state, in which one lead is decided (the only one of `inputs`).

    `absent` are the reps (numbers) who must be present and are not; `presence_known` False = it is not known who is, so
    nobody is counted as absent.
    """

    engine: Engine
    inputs: Inputs
    absent: frozenset[int] = frozenset()
    presence_known: bool = True

    @property
    def lead(self) -> PoolLead:
        return self.inputs.leads[0]

    def decide(self) -> Decision:
        """What the router would decide about the lead."""
        return decide(self.engine, self.inputs).decisions[0]

    def attendance_of(self, rep: Rep) -> Attendance:
        """The rep's state now, were the rep like this."""
        engine, ruleset = self.engine, self.engine.ruleset
        calendars = calendars_by_number(engine.roster.group_names, ruleset)
        rep = in_calendar(rep, calendars, ruleset.business_time_zone)
        code, _ = attendance(rep, self.inputs.moment.now, engine.holidays, ruleset.calendar.working_hours)
        return Attendance.NOT_PRESENT if code is Attendance.ON_DUTY and self._is_absent(rep) else code

    def _is_absent(self, rep: Rep) -> bool:
        """A rep who would have to be present from now on has sent no heartbeat yet."""
        before = self.engine.roster.reps[self.engine.roster.position[rep.no]]
        newly = self.presence_known and must_be_present(rep, self.engine) and not must_be_present(before, self.engine)
        return newly or rep.no in self.absent


def must_be_present(rep: Rep, engine: Engine) -> bool:
    """Whether the rules ask for the rep's presence."""
    spec = engine.ruleset.presence
    if spec is None or not rep.active:
        return False
    wanted = {fold(name) for name in spec.groups}
    return any(fold(engine.roster.group_names[group_no]) in wanted for group_no in rep.groups)


def changed(now: Now, change: Change) -> Now:
    """The state with the change, and nothing else changed."""
    if change.kind is Kind.PRESENT:
        assert change.rep is not None
        now = replace(now, absent=now.absent - {change.rep.no})
    return _with_rep(now, change.rep) if change.rep is not None else _with_rule(now, change)


def _with_rep(now: Now, rep: Rep) -> Now:
    engine, inputs = now.engine, now.inputs
    roster = engine.given
    position = roster.position[rep.no]
    reps = (*roster.reps[:position], rep, *roster.reps[position + 1 :])
    new = Engine(replace(roster, reps=reps), engine.ruleset, engine.rates)
    state = inputs.attendance.copy()
    state[position] = now.attendance_of(rep)
    return replace(
        now,
        engine=new,
        inputs=replace(inputs, attendance=state.astype(np.int8), credits=aligned_credits(new, inputs.credits)),
    )


def _with_rule(now: Now, change: Change) -> Now:
    engine = now.engine
    assert change.rule_no is not None and change.rule is not None
    rules = (*engine.rules[: change.rule_no], change.rule, *engine.rules[change.rule_no + 1 :])
    new = Engine(engine.given, replace(engine.ruleset, rules=rules), engine.rates)
    return replace(now, engine=new, inputs=replace(now.inputs, moment=moment_at(new, now.inputs.moment.now)))
