"""The smallest change of a rep or a rule that removes one obstacle of a lead: values in, changes out.

Whether the change is enough is not judged here: the lead is decided again with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import msgspec

from ops.why.change import Change, Kind, Widening
from router.domain.asked import number_of
from router.domain.availability import leave_text
from router.domain.calendar import zone
from router.domain.conditions import NoneOf, OneOf, Prefix, Range
from router.domain.engine import Moment
from router.domain.explain_parts import LeftOut, RepState
from router.domain.lead import PoolLead
from router.domain.matching import folded
from router.domain.roster import MILLI, Rep
from router.domain.ruleset import Match, PriorityRange, Rule
from router.domain.working_hours import ALWAYS, MINUTES_PER_DAY, Interval, WeekHours, format_week, week_of

_HOUR = 60

Synonyms = Sequence[tuple[str, str, str]]
"""(field, value, word): the values of conditions that leads have in another word."""


def change_against(
    why: LeftOut, rep: Rep, state: RepState, now: datetime, default_hours: WeekHours | None
) -> Change | None:
    """What ends this reason for leaving the rep out; None = no setting of the rep does."""
    if why is LeftOut.NOT_PRESENT:
        return Change(Kind.PRESENT, rep=rep)
    if why is LeftOut.AT_OPEN_CAP or why is LeftOut.AT_DAILY_CAP:
        return _higher_cap(why, rep, state)
    if why is LeftOut.ON_LEAVE:
        return _without_leave(rep, now)
    if why is LeftOut.OFF_HOURS:
        return _longer_hours(rep, now, default_hours)
    return _switched(why, rep)


def _switched(why: LeftOut, rep: Rep) -> Change | None:
    if why is LeftOut.UNAVAILABLE or why is LeftOut.AVAILABILITY_UNKNOWN:
        # As `reps set --available yes` does: a known word is held by nothing.
        like = msgspec.structs.replace(rep, available=True, availability_held_until=None)
        return Change(Kind.AVAILABLE, "yes", rep=like)
    if why is LeftOut.INACTIVE:
        return Change(Kind.ACTIVE, "yes", rep=msgspec.structs.replace(rep, active=True))
    if why is LeftOut.WEIGHT_ZERO:
        return Change(Kind.WEIGHT, "1", rep=msgspec.structs.replace(rep, weight=MILLI))
    return None


def _higher_cap(why: LeftOut, rep: Rep, state: RepState) -> Change | None:
    """The cap that leaves room for one more lead, by as much as it takes."""
    if why is LeftOut.AT_OPEN_CAP:
        kind, count, cap = Kind.MAX_OPEN, state.opened, state.max_open
    else:
        kind, count, cap = Kind.MAX_PER_DAY, state.today, state.max_per_day
    if cap is None:
        return None
    return Change(kind, str(count + 1), count + 1 - cap, rep=msgspec.structs.replace(rep, **{kind.value: count + 1}))


def _without_leave(rep: Rep, now: datetime) -> Change:
    today = now.astimezone(zone(rep.time_zone)).date()
    left = tuple(part for part in rep.leave if not part.first <= today <= part.last)
    return Change(Kind.LEAVE, leave_text(left), rep=msgspec.structs.replace(rep, leave=left))


def _longer_hours(rep: Rep, now: datetime, default_hours: WeekHours | None) -> Change:
    week, minutes = longer_week(rep.working_hours or default_hours or ALWAYS, now.astimezone(zone(rep.time_zone)))
    like = msgspec.structs.replace(rep, working_hours=week)
    return Change(Kind.WORKING_HOURS, format_week(week), minutes, rep=like)


def longer_week(week: WeekHours, wall: datetime) -> tuple[WeekHours, int]:
    """The hours, longer by whole hours so that the wall clock's minute is in them, and by how many minutes."""
    minute, day = wall.hour * _HOUR + wall.minute, week.days[wall.weekday()]
    longer, added = min(_longer_days(day, minute), key=lambda found: found[1])
    days = [*week.days[: wall.weekday()], longer, *week.days[wall.weekday() + 1 :]]
    return week_of(days), added


def _longer_days(day: tuple[Interval, ...], minute: int) -> Iterator[tuple[tuple[Interval, ...], int]]:
    """The day with the interval before the minute ending later, the one after it beginning earlier, or a new one."""
    floor = minute - minute % _HOUR
    ceiling = min(floor + _HOUR, MINUTES_PER_DAY)
    before = [interval for interval in day if interval[1] <= minute]
    after = [interval for interval in day if interval[0] > minute]
    if len(before) + len(after) < len(day):
        yield day, 0
        return
    latest = min(ceiling, after[0][0]) if after else ceiling
    earliest = max(floor, before[-1][1]) if before else floor
    if before:
        start, end = before[-1]
        yield (*before[:-1], (start, latest), *after), latest - end
    if after:
        start, end = after[0]
        yield (*before, (earliest, end), *after[1:]), start - earliest
    if not day:
        yield ((earliest, latest),), latest - earliest


def wider_rules(rule_no: int, rule: Rule, lead: PoolLead, moment: Moment, synonyms: Synonyms = ()) -> Iterator[Change]:
    """The rule with one condition widened so that it holds for the lead: one change for each that does not hold.

    `synonyms` are those of its ruleset.
    """
    match = rule.match
    known = folded(lead.facts)
    for condition in match.facts:
        value = known.value_of(condition.reads)
        if condition.holds(value):
            continue
        wider: object | None
        if isinstance(condition, NoneOf) and value is not None:
            wider, removed = _without(condition, value, synonyms)
            widening, said = (Widening.EXCEPT_NOT, ", ".join(removed)) if wider else (Widening.DROP, value)
        else:
            (wider, widening), said = _wider_condition(condition, value), value or ""
        yield _of_rule(rule_no, rule, _with_fact(match, condition, wider), condition.field, widening, said)
    yield from _wider_priority(rule_no, rule, -lead.rank)
    if match.known_customer is not None:
        yield _of_rule(rule_no, rule, replace(match, known_customer=None), "known_customer", Widening.DROP)
    yield from _wider_date(rule_no, rule, moment.day.date)
    yield from _wider_created(rule_no, rule, lead, moment.now)


def _without(condition: NoneOf, value: str, synonyms: Synonyms) -> tuple[NoneOf | None, list[str]]:
    """The condition without the written values that mean `value`, and these; None = no other was written."""
    words = {written: word for field, written, word in synonyms if field == condition.field}
    removed = {one for one in condition.as_written if value in (one, words.get(one))}
    left = condition.as_written - removed
    values = left | {words[one] for one in left if one in words}
    return (replace(condition, values=values, said=left) if left else None), sorted(removed)


def _wider_condition(condition: object, value: str | None) -> tuple[object | None, Widening]:
    """The condition that also holds for the value; None = it must go."""
    if isinstance(condition, OneOf | Prefix) and value is not None:
        return replace(condition, values=condition.values | {value}), Widening.ADD
    number = number_of(value) if isinstance(condition, Range) else None
    if isinstance(condition, Range) and number is not None:
        if condition.least is not None and number < condition.least:
            return replace(condition, least=number), Widening.FROM
        return replace(condition, most=number), Widening.TO
    return None, Widening.DROP


def _with_fact(match: Match, old: object, new: object | None) -> Match:
    """The match with one of its conditions on facts replaced, or left out."""
    one_of = tuple(c for c in (new if c is old else c for c in match.one_of) if c is not None)
    others = tuple(c for c in (new if c is old else c for c in match.others) if c is not None)
    return replace(match, one_of=one_of, others=others)  # type: ignore[arg-type]


def _wider_priority(rule_no: int, rule: Rule, had: int) -> Iterator[Change]:
    wanted, match = rule.match.priority, rule.match
    if wanted is None or had in wanted:
        return
    if isinstance(wanted, frozenset):
        wider: frozenset[int] | PriorityRange | None = wanted | {had}
        widening = Widening.ADD
    elif had in wanted.but:
        wider, widening = replace(wanted, but=wanted.but - {had}), Widening.EXCEPT_NOT
        if wider == PriorityRange():
            wider, widening = None, Widening.DROP
    elif wanted.least is not None and had < wanted.least:
        wider, widening = replace(wanted, least=had), Widening.FROM
    else:
        wider, widening = replace(wanted, most=had), Widening.TO
    yield _of_rule(rule_no, rule, replace(match, priority=wider), "priority", widening, str(had))


def _wider_date(rule_no: int, rule: Rule, day: date) -> Iterator[Change]:
    asked = rule.match.date
    if asked is None or day in asked:
        return
    early = asked.first is not None and day < asked.first
    wider, widening = (replace(asked, first=day), Widening.FROM) if early else (replace(asked, last=day), Widening.TO)
    yield _of_rule(rule_no, rule, replace(rule.match, date=wider), "date", widening, day.isoformat())


def _wider_created(rule_no: int, rule: Rule, lead: PoolLead, now: datetime) -> Iterator[Change]:
    asked = rule.match.created
    if isinstance(asked, timedelta):
        age = now - lead.created_at
        if age >= asked:
            hours = age // timedelta(hours=1) + 1
            longer = replace(rule.match, created=timedelta(hours=hours))
            yield _of_rule(rule_no, rule, longer, "created", Widening.WITHIN, f"{hours}h")
    elif asked is not None:
        yield _of_rule(rule_no, rule, replace(rule.match, created=None), "created", Widening.DROP)


def _of_rule(rule_no: int, rule: Rule, match: Match, field: str, widening: Widening, value: str = "") -> Change:
    return Change(
        Kind.CONDITION,
        value,
        # To leave a condition out is more than to widen it.
        step=int(widening is Widening.DROP),
        rule_no=rule_no,
        rule=replace(rule, match=match),
        field=field,
        widening=widening,
    )


def longer_window(rule_no: int, rule: Rule, now: datetime, zone_name: str) -> Change:
    """The rule with hours that hold now."""
    assert rule.window is not None
    week, minutes = longer_week(rule.window, now.astimezone(zone(zone_name)))
    return Change(
        Kind.WINDOW, format_week(week), minutes, rule_no=rule_no, rule=replace(rule, window=week), field="window"
    )


def going_on(rule_no: int, rule: Rule) -> Change:
    """The rule lets the lead go on to the later rules at once."""
    if rule.to_owner:
        like = replace(rule, fall_back_after=None)
        return Change(Kind.FALL_BACK_AFTER, rule_no=rule_no, rule=like, field="fall_back_after")
    like = replace(rule, wait=False)
    return Change(Kind.ON_NO_CANDIDATE, "next", rule_no=rule_no, rule=like, field="on_no_candidate")
