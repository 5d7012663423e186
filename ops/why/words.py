"""How people are told: conditions, reps, targets and reasons in words, times in the tenant's zone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from ops.why.story import Names
from router.domain.calendar import zone
from router.domain.explain_parts import (
    Candidate,
    Condition,
    LeftOut,
    Operator,
    OwnerStory,
    OwnerVerdict,
    RepState,
)
from router.domain.reason import Reason
from router.domain.roster import MILLI
from router.domain.targets import read_targets

VALUES_SHOWN = 6

REASONS: dict[Reason, str] = {
    Reason.NO_MATCHING_RULE: "no rule matches",
    Reason.GROUP_EMPTY: "nobody active is in the group",
    Reason.NOBODY_AVAILABLE: "nobody of the group is on duty",
    Reason.ALL_AT_DAILY_CAP: "everybody on duty has had all leads of the day",
    Reason.ALL_AT_OPEN_CAP: "everybody on duty has all the open leads that they may have",
    Reason.OUTSIDE_WINDOW: "the rule applies at other hours only",
    Reason.OWNER_UNAVAILABLE: "the customer's owner is not on duty",
    Reason.OWNER_AT_CAP: "the customer's owner is at the cap",
    Reason.LEAD_INVALID: "the lead is invalid",
    Reason.DATABASE_BUSY: "the database is busy",
    Reason.INTERNAL_ERROR: "deciding about it failed",
    Reason.PAUSED: "routing is paused",
    Reason.SCREENING: "it is being screened",
}

LEFT_OUT: dict[LeftOut, str] = {
    LeftOut.INACTIVE: "inactive",
    LeftOut.WEIGHT_ZERO: "weight 0",
    LeftOut.UNAVAILABLE: "unavailable",
    LeftOut.AVAILABILITY_UNKNOWN: "availability unknown",
    LeftOut.NOT_PRESENT: "not present",
    LeftOut.ON_LEAVE: "on leave",
    LeftOut.HOLIDAY: "public holiday",
    LeftOut.OFF_HOURS: "off hours",
    LeftOut.HAD_IT_BEFORE: "had this lead before",
    LeftOut.AT_DAILY_CAP: "at daily cap",
    LeftOut.AT_OPEN_CAP: "at open cap",
}

_BY_THE_CLOCK = (LeftOut.ON_LEAVE, LeftOut.HOLIDAY, LeftOut.OFF_HOURS)


def when(at: datetime, zone_name: str) -> str:
    """To the second, on the wall clock of the zone; in UTC where that is past the end of the calendar."""
    try:
        return f"{at.astimezone(zone(zone_name)):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def local_time(rep: RepState, now: datetime) -> str:
    """What the rep's wall clock said."""
    return f"{now.astimezone(zone(rep.time_zone)):%a %H:%M} in {rep.time_zone}"


def one_of(values: Sequence[str]) -> str:
    """Some of the values, and how many more there are."""
    shown = ", ".join(values[:VALUES_SHOWN])
    more = len(values) - VALUES_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown


def condition(told: Condition, zone_name: str) -> str:
    """What was wanted, and what the lead had where that is not it."""
    if told.field == "known_customer":
        wanted = "a known customer" if told.wanted == ("true",) else "a new customer"
        had = "somebody owns the customer" if told.had == "true" else "nobody owns the customer"
    elif told.field == "created":
        wanted = f"created {_day_or_age(told.wanted)}"
        had = f"created {when(datetime.fromisoformat(told.had or ''), zone_name)}"
    else:
        wanted = _fact(told)
        had = f"the lead has {told.had}" if told.had is not None else f"the lead has no {told.field}"
    return wanted if told.holds else f"wants {wanted}; {had}"


def _fact(told: Condition) -> str:
    """What a condition asks of a fact or of the priority."""
    match told.operator:
        case Operator.NOT:
            return f"{told.field} other than {one_of(told.wanted)}"
        case Operator.PREFIX:
            return f"{told.field} beginning with {one_of(told.wanted)}"
        case Operator.PRESENT:
            return f"{told.field} given" if told.wanted == ("true",) else f"no {told.field}"
        case Operator.IN_FILE:
            return f"{told.field} listed in {one_of(told.wanted)}"
        case Operator.RANGE:
            least, most = told.wanted
            bounds = ((f"from {least}" if least else ""), (f"to {most}" if most else ""))
            return " ".join([told.field, *filter(None, bounds)])
    return f"{told.field} {one_of(told.wanted)}"


def _day_or_age(wanted: Sequence[str]) -> str:
    if len(wanted) == 1:
        return wanted[0]
    minutes = int(wanted[1]) // 60
    return f"within {minutes // 60} h" if minutes % 60 == 0 else f"within {minutes} min"


def against(why: LeftOut, rep: RepState, now: datetime) -> str:
    """Why a rep was left out, with the numbers of that moment."""
    words = LEFT_OUT[why]
    if why is LeftOut.AT_DAILY_CAP:
        return f"{words} {rep.today}/{rep.max_per_day}"
    if why is LeftOut.AT_OPEN_CAP:
        return f"{words} {rep.opened}/{rep.max_open}"
    if why in _BY_THE_CLOCK:
        return f"{words} ({local_time(rep, now)})"
    return words


def load(count: int, cap: int | None) -> str:
    return f"{count}/{cap}" if cap is not None else f"{count}, no cap"


def weight(told: Candidate) -> str:
    """`2`, or `1 × region_match 2 = 2` where factors apply."""
    applied = [f"{name} {_milli(factor)}" for name, factor in told.factors.items() if factor != MILLI]
    if not applied:
        return _milli(told.weight)
    return f"{_milli(told.base)} × {' × '.join(applied)} = {_milli(told.weight)}"


def _milli(thousandths: int) -> str:
    return f"{thousandths / MILLI:g}"


def targets(
    text: str, names: Names, ruleset: int | None, reasons: Mapping[tuple[str, int], Reason] = MappingProxyType({})
) -> str:
    """What a lead waits for, each with the reason why that cannot be now, where it is known."""
    read = read_targets(text)
    words = {
        "g": lambda number: f"somebody of group {names.group(number)}",
        "o": lambda number: f"the customer's owner {names.rep(number)}",
        "w": lambda number: f"the hours of rule {names.rule(number, ruleset)}",
    }
    found = []
    for target in dict.fromkeys(read.order):
        reason = reasons.get(target)
        found.append(words[target[0]](target[1]) + (f" ({REASONS[reason]})" if reason else ""))
    waits = " or ".join(found) or "a rule that matches"
    return waits + (f", but not {people(sorted(read.excluded), names)}" if read.excluded else "")


def people(rep_nos: Iterable[int], names: Names) -> str:
    return " nor ".join(names.rep(rep_no) for rep_no in rep_nos)


def owner(told: OwnerStory, names: Names, now: datetime, zone_name: str) -> str:
    """What an owner rule found."""
    if told.rep_no is None:
        return "nobody owns the customer"
    who = f"the owner is {names.rep(told.rep_no)}"
    kept = ", ".join(against(why, told.rep, now) for why in told.left_out) if told.rep else "no longer in the roster"
    fall_back = f" {when(told.falls_back_at, zone_name)}" if told.falls_back_at else ""
    return {
        OwnerVerdict.TAKES_IT: who,
        OwnerVerdict.NO_OWNER: who,
        OwnerVerdict.HAD_IT_BEFORE: f"{who}, who had this lead before",
        OwnerVerdict.GONE: f"{who}: {kept}",
        OwnerVerdict.NO_ROOM: f"{who}: {kept}; the lead waits until{fall_back}",
        OwnerVerdict.WAITED_LONG_ENOUGH: f"{who}: {kept}; the lead waited until{fall_back}, long enough",
    }[told.verdict]
