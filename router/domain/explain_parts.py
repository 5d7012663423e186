"""What an explanation is made of: values without words, for texts and for JSON alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from router.domain.attendance import Attendance
from router.domain.conditions import Operator
from router.domain.decide import Decision
from router.domain.engine import Moment, WindowState
from router.domain.lead import PoolLead
from router.domain.reason import Reason


class LeftOut(StrEnum):
    """Why a member of a group was no candidate for a lead."""

    INACTIVE = "inactive"
    WEIGHT_ZERO = "weight_zero"
    HAD_IT_BEFORE = "had_it_before"
    UNAVAILABLE = "unavailable"
    AVAILABILITY_UNKNOWN = "availability_unknown"
    NOT_PRESENT = "not_present"
    ON_LEAVE = "on_leave"
    HOLIDAY = "holiday"
    OFF_HOURS = "off_hours"
    AT_DAILY_CAP = "at_daily_cap"
    AT_OPEN_CAP = "at_open_cap"


class Verdict(StrEnum):
    """What became of the lead at one rule."""

    NOT_MATCHED = "not_matched"
    OUTSIDE_WINDOW = "outside_window"
    OWNER_SKIPPED = "owner_skipped"
    WAITS_FOR_OWNER = "waits_for_owner"
    NOBODY_FREE = "nobody_free"
    ASSIGNED = "assigned"
    FAILED = "failed"
    NOT_REACHED = "not_reached"


class OwnerVerdict(StrEnum):
    """What an owner rule found."""

    TAKES_IT = "takes_it"
    NO_OWNER = "no_owner"
    HAD_IT_BEFORE = "had_it_before"
    GONE = "gone"
    NO_ROOM = "no_room"
    WAITED_LONG_ENOUGH = "waited_long_enough"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule: the lead's `field` had to be one of `wanted`, and was `had` (None = nothing).

    Facts stand as they arrived, `wanted` folded. `created` has `had` in ISO 8601 UTC and wants a named day or
    `within` a number of seconds; `known_customer` wants and had `true` or `false`.
    Other operators: none of `wanted`; beginning with one of it; `true` or `false` for present or absent; the two
    bounds of a range, both included, empty where there is none (dates in ISO 8601: `had` is the business day of the
    decision); the names of the files that list the values.
    """

    field: str
    wanted: tuple[str, ...]
    had: str | None
    holds: bool
    operator: Operator = Operator.ONE_OF


@dataclass(frozen=True, slots=True)
class RepState:
    """A rep just before the lead was decided. Caps None = none; `position` is the place in the roster; `holidays` the
    country whose public holidays the rep has (None = none).
    """

    position: int
    rep_no: int
    rep_id: str
    name: str
    time_zone: str
    attendance: Attendance
    opened: int
    max_open: int | None
    today: int
    max_per_day: int | None
    holidays: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member of the group that a rule named.

    `left_out` is empty for those who could get the lead, else all that spoke against it, the first one first.
    `credit` in leads: deserved minus received. `weight` for this lead is `base` times `factors`, in thousandths.
    `place` counts from 1 among those who could get it, in the order of their turn; `due_in` is how many leads of
    this kind the group would have to get until the rep deserves a whole one; who is `ahead` of the share
    has no turn yet, whatever that says.
    """

    rep: RepState
    left_out: tuple[LeftOut, ...]
    credit: float
    base: int
    factors: Mapping[str, int]
    weight: int
    place: int | None = None
    due_in: float | None = None
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class GroupExplanation:
    """A group as a rule found it: those who could get the lead in the order of their turn, then the others."""

    group_no: int
    name: str
    candidates: tuple[Candidate, ...]

    @property
    def free(self) -> tuple[Candidate, ...]:
        return tuple(c for c in self.candidates if not c.left_out)


@dataclass(frozen=True, slots=True)
class OwnerExplanation:
    """What an owner rule found; `rep` None = nobody owns the customer, or the owner is in the roster no more.

    `falls_back_at` (UTC) is when the lead stops waiting for an owner without room; None where the rule does not wait.
    """

    verdict: OwnerVerdict
    rep_no: int | None
    rep: RepState | None
    left_out: tuple[LeftOut, ...] = ()
    falls_back_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """One rule: its conditions up to the first that did not hold, and what it found.

    `look_again` (UTC): when time alone may change whether the conditions hold, or whether the window is open.
    `stops` = the rule kept the lead from the rules after it. `owns` = the rep who gets it becomes the customer's
    owner. `error` names what went wrong (verdict FAILED).
    """

    rule_no: int
    name: str
    verdict: Verdict
    conditions: tuple[Condition, ...] = ()
    window: WindowState | None = None
    group: GroupExplanation | None = None
    owner: OwnerExplanation | None = None
    look_again: datetime | None = None
    stops: bool = False
    error: str = ""
    owns: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one lead got the decision that it got. `seq` is its place in the batch of `leads`, from 0.

    `reason` is set where nobody got the lead, as of just after the decision.
    """

    lead: PoolLead
    seq: int
    leads: int
    moment: Moment
    decision: Decision
    reason: Reason | None
    rules: tuple[RuleExplanation, ...]

    @property
    def deciding(self) -> RuleExplanation | None:
        """The rule that gave the lead away, or at which the search for somebody ended."""
        return next((r for r in self.rules if r.verdict in (Verdict.ASSIGNED, Verdict.FAILED) or r.stops), None)
