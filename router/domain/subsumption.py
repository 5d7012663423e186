"""Whether one match takes every lead that another takes, as far as the rules alone show."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from router.domain.asked import number_text
from router.domain.conditions import FactCondition, OneOf, Range
from router.domain.ruleset import Created, DateRange, Match, PriorityRange

# Ranges up to this width are compared number by number.
_COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class Left:
    """What a match leaves of one field: all values there are (None = endless), or what is known of them."""

    values: frozenset[str] | None
    conditions: tuple[FactCondition, ...]


def covers(wide: Match, narrow: Match) -> bool:
    """Whether at any moment every lead that `narrow` takes is one that `wide` takes; False where that is not sure."""
    if wide.known_customer is not None and wide.known_customer != narrow.known_customer:
        return False
    if not _covers_time(wide.created, narrow.created) or not _covers_date(wide.date, narrow.date):
        return False
    if not _covers_priority(wide.priority, narrow.priority):
        return False
    return not wide.facts or (_may_cover(wide, narrow) and _covers_facts(wide, narrow))


def _covers_facts(wide: Match, narrow: Match) -> bool:
    fields = {condition.field for condition in narrow.facts}
    if any(condition.field not in fields for condition in wide.facts):
        return False
    left = {field: left_of(narrow, field) for field in {condition.field for condition in wide.facts}}
    return all(_implied(condition, left[condition.field]) for condition in wide.facts)


def _may_cover(wide: Match, narrow: Match) -> bool:
    """A quick look, since thousands of rules are compared with each other: False = surely not."""
    listed = {condition.field: condition.values for condition in narrow.one_of}
    for condition in wide.one_of:
        values = listed.get(condition.field)
        if values is None:
            return False
        if not values <= condition.values and all(other.field != condition.field for other in narrow.others):
            return False
    return True


def nothing_left(match: Match) -> Iterator[str]:
    """The fields whose conditions exclude each other, so that no lead can match."""
    for field in dict.fromkeys(condition.field for condition in match.facts):
        if left_of(match, field).values == frozenset():
            yield field
    if _priorities(match.priority) == frozenset():
        yield "priority"


def left_of(match: Match, field: str) -> Left:
    """What a match leaves of a field that it asks."""
    conditions = tuple(condition for condition in match.facts if condition.field == field)
    listed = [condition.values for condition in conditions if isinstance(condition, OneOf)]
    # A range of one number is that number.
    ones = (c.least for c in conditions if isinstance(c, Range) and c.least == c.most and c.least is not None)
    listed += [frozenset((number_text(number),)) for number in ones]
    if not listed:
        return Left(None, conditions)
    if len(conditions) == 1:
        return Left(listed[0], conditions)
    values = (value for value in listed[0] if all(c.holds(value) for c in conditions if c.reads == field))
    return Left(frozenset(values), conditions)


def _implied(wanted: FactCondition, left: Left) -> bool:
    """Whether the condition holds for all that is left."""
    if left.values is not None and wanted.reads == wanted.field:
        if isinstance(wanted, OneOf):
            return left.values <= wanted.values
        return all(wanted.holds(value) for value in left.values)
    return any(known.implies(wanted) for known in left.conditions)


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
