"""Whether one match takes every lead that another takes, as far as the rules alone show."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from router.domain.asked import number_text
from router.domain.budget import BOUNDLESS, Budget
from router.domain.conditions import FactCondition, Listed, NoneOf, OneOf, Prefix, Range
from router.domain.ruleset import Created, DateRange, Match, PriorityRange

# Ranges up to this width are compared number by number.
_COUNTED = 1_000
# Of values that are looked through until one does not fit, so many are paid for at a time.
_AT_ONCE = 64
# Looking up a value among others is so much less than asking a condition about it.
_LOOKED_UP = 16


@dataclass(frozen=True, slots=True)
class Left:
    """What a match leaves of one field: all values there are (None = endless), or what is known of them."""

    values: frozenset[str] | None
    conditions: tuple[FactCondition, ...]


def covers(wide: Match, narrow: Match, budget: Budget = BOUNDLESS, left: dict[str, Left] | None = None) -> bool:
    """Whether at any moment every lead that `narrow` takes is one that `wide` takes; False where that is not sure.

    `left` keeps what `narrow` leaves of its fields, for who compares it with many. Raises OverBudget.
    """
    budget.spend(8)
    if wide.known_customer is not None and wide.known_customer != narrow.known_customer:
        return False
    if not _covers_time(wide.created, narrow.created) or not _covers_date(wide.date, narrow.date):
        return False
    if not _covers_priority(wide.priority, narrow.priority):
        return False
    if not wide.facts:
        return True
    return _may_cover(wide, narrow, budget) and _covers_facts(wide, narrow, budget, {} if left is None else left)


def _covers_facts(wide: Match, narrow: Match, budget: Budget, left: dict[str, Left]) -> bool:
    fields = {condition.field for condition in narrow.facts}
    budget.spend(len(narrow.facts) + len(wide.facts))
    if any(condition.field not in fields for condition in wide.facts):
        return False
    for condition in wide.facts:
        known = left.get(condition.field)
        if known is None:
            known = left[condition.field] = left_of(narrow, condition.field, budget)
        if not _implied(condition, known, budget):
            return False
    return True


def _may_cover(wide: Match, narrow: Match, budget: Budget) -> bool:
    """A quick look, since thousands of rules are compared with each other: False = surely not."""
    budget.spend(sum(1 + len(condition.values) // _LOOKED_UP for condition in narrow.one_of))
    listed = {condition.field: condition.values for condition in narrow.one_of}
    for condition in wide.one_of:
        values = listed.get(condition.field)
        if values is None:
            return False
        if not values <= condition.values and all(other.field != condition.field for other in narrow.others):
            return False
    return True


def nothing_left(match: Match, budget: Budget = BOUNDLESS) -> Iterator[str]:
    """The fields whose conditions exclude each other, so that no lead can match. Raises OverBudget."""
    for field in dict.fromkeys(condition.field for condition in match.facts):
        if left_of(match, field, budget).values == frozenset():
            yield field
    if _priorities(match.priority) == frozenset():
        yield "priority"


def left_of(match: Match, field: str, budget: Budget = BOUNDLESS) -> Left:
    """What a match leaves of a field that it asks. Raises OverBudget."""
    budget.spend(4 + len(match.facts))
    conditions = tuple(condition for condition in match.facts if condition.field == field)
    listed = [condition.values for condition in conditions if isinstance(condition, OneOf)]
    # A range of one number is that number.
    ones = (c.least for c in conditions if isinstance(c, Range) and c.least == c.most and c.least is not None)
    listed += [frozenset((number_text(number),)) for number in ones]
    if not listed:
        return Left(None, conditions)
    if len(conditions) == 1:
        return Left(listed[0], conditions)
    budget.spend(len(listed[0]) * (1 + sum(map(_effort, conditions))))
    values = (value for value in listed[0] if all(c.holds(value) for c in conditions if c.reads == field))
    return Left(frozenset(values), conditions)


def _implied(wanted: FactCondition, left: Left, budget: Budget) -> bool:
    """Whether the condition holds for all that is left."""
    if left.values is not None and wanted.reads == wanted.field:
        if isinstance(wanted, OneOf):
            budget.spend(1 + len(left.values) // _LOOKED_UP)
            return left.values <= wanted.values
        return _holds_for_all(wanted, left.values, budget)
    budget.spend(sum(_steps(known, wanted) for known in left.conditions))
    return any(known.implies(wanted) for known in left.conditions)


def _holds_for_all(wanted: FactCondition, values: frozenset[str], budget: Budget) -> bool:
    each, rest = _effort(wanted), iter(values)
    while some := tuple(islice(rest, _AT_ONCE)):
        budget.spend(1 + len(some) * each)
        if not all(map(wanted.holds, some)):
            return False
    return True


def _effort(condition: FactCondition) -> int:
    """Steps to ask it about one value: beginnings are gone through one by one."""
    return 1 + len(condition.values) // _LOOKED_UP if isinstance(condition, Prefix) else 1


def _steps(known: FactCondition, wanted: FactCondition) -> int:
    """Steps to see whether one condition implies the other, at most."""
    if isinstance(known, NoneOf) and isinstance(wanted, NoneOf):
        return 1 + len(wanted.values) // _LOOKED_UP
    if isinstance(wanted, NoneOf):
        return 1 + len(wanted.values) * _effort(known)
    if isinstance(known, Prefix) and isinstance(wanted, Prefix):
        return 1 + len(known.values) * _effort(wanted)
    same = isinstance(known, Listed) and type(known) is type(wanted)
    return 1 + len(known.values) // _LOOKED_UP if same and isinstance(known, Listed) else 1


def _covers_time(wide: Created | timedelta | None, narrow: Created | timedelta | None) -> bool:
    if wide is None or wide == narrow:
        return True
    return isinstance(wide, timedelta) and isinstance(narrow, timedelta) and narrow <= wide


def _covers_date(wide: DateRange | None, narrow: DateRange | None) -> bool:
    if wide is None or wide == narrow:
        return True
    of = narrow or DateRange()
    since = wide.first is None or (of.first is not None and of.first >= wide.first)
    until = wide.last is None or (of.last is not None and of.last <= wide.last)
    return since and until


def _covers_priority(
    wide: frozenset[int] | PriorityRange | None, narrow: frozenset[int] | PriorityRange | None
) -> bool:
    if wide is None or wide == narrow:
        return True
    counted = _priorities(narrow)
    if counted is not None:
        return all(priority in wide for priority in counted)
    if not isinstance(wide, PriorityRange):
        return False
    of = narrow if isinstance(narrow, PriorityRange) else PriorityRange()
    below = wide.least is None or (of.least is not None and of.least >= wide.least)
    above = wide.most is None or (of.most is not None and of.most <= wide.most)
    return below and above and not any(priority in of for priority in wide.but)


def _priorities(wanted: frozenset[int] | PriorityRange | None) -> frozenset[int] | None:
    """All of them, where they are few enough to count."""
    if not isinstance(wanted, PriorityRange):
        return wanted
    if wanted.least is None or wanted.most is None or wanted.most - wanted.least > _COUNTED:
        return None
    return frozenset(priority for priority in range(wanted.least, wanted.most + 1) if priority in wanted)
