"""How people are told: conditions, reps, targets and reasons in words, times in the tenant's zone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from ops.text.translation import ENGLISH, Say, locale_of
from ops.why.codes import (
    DAYS,
    FACTORS,
    FIELDS,
    LEFT_OUT,
    ONLY_THOSE_WHO_HAD_IT,
    OPERATORS,
    REASONS,
    WEEKDAYS,
)
from ops.why.description import Names
from router.domain.asked import comparable, number_of
from router.domain.calendar import zone
from router.domain.conditions import Operator
from router.domain.explain_parts import Candidate, Condition, LeftOut, OwnerExplanation, OwnerVerdict, RepState
from router.domain.holidays import holiday_name
from router.domain.reason import Reason
from router.domain.roster import MILLI, one_rep
from router.domain.targets import read_targets
from router.domain.written_time import names_the_day, on_wall_clock

VALUES_SHOWN = 6

# As the decision words it; records keep the words.
_TOO_OLD = re.compile(
    r"waited (?:(\d+) d (\d+) h|(\d+) h (\d+) min), longer than the ruleset's (?P<limit>\w+)", re.ASCII
)
_BY_THE_CLOCK = (LeftOut.ON_LEAVE, LeftOut.HOLIDAY, LeftOut.OFF_HOURS)


def when(at: datetime, zone_name: str, say: Say) -> str:
    """To the second, on the wall clock of the zone; in UTC where that is past the end of the calendar."""
    wall, name = on_wall_clock(at, zone_name)
    time = say.gettext("{at:%Y-%m-%d %H:%M:%S}").format(at=wall)
    return time if name == zone_name else say.gettext("{time} UTC").format(time=time)


def soon(at: datetime, now: datetime, zone_name: str, say: Say) -> str:
    """A time to come with its weekday and zone; with the date, too, from a week on."""
    wall, name = on_wall_clock(at, zone_name)
    template = (
        say.gettext("{weekday} {at:%H:%M} {zone}")
        if names_the_day(at, now)
        else say.gettext("{weekday} {at:%Y-%m-%d %H:%M} {zone}")
    )
    return template.format(weekday=say.gettext(WEEKDAYS[wall.weekday()]), at=wall, zone=name)


def duration(time: timedelta, say: Say) -> str:
    """To the minute, from a day on to the hour."""
    minutes = int(time.total_seconds()) // 60
    if minutes >= 24 * 60:
        return say.gettext("{days} d {hours} h").format(days=minutes // (24 * 60), hours=minutes // 60 % 24)
    if minutes < 60:
        return say.gettext("{minutes} min").format(minutes=minutes)
    return say.gettext("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)


def named_by_source(source: str, external_id: str) -> str:
    """A lead as its source calls it; not every lead has a source."""
    return f"{source}/{external_id}" if source else external_id


def detail(text: str, say: Say) -> str:
    """What a parked lead's row says beside the reason: an age in the words of the language, else as it is."""
    found = _TOO_OLD.fullmatch(text)
    if found is None:
        return text
    days, of_day, hours, minutes = (int(number or 0) for number in found.groups()[:4])
    waited = timedelta(days=days, hours=of_day + hours, minutes=minutes)
    return say.gettext("waited {waited}, longer than the ruleset's {limit}").format(
        waited=duration(waited, say), limit=found["limit"]
    )


def aside(words: str, more: str, say: Say) -> str:
    """The words, with more in parentheses where there is more."""
    return say.gettext("{words} ({aside})").format(words=words, aside=more) if more else words


def local_time(rep: RepState, now: datetime, say: Say) -> str:
    """What the rep's wall clock said."""
    there = now.astimezone(zone(rep.time_zone))
    return say.gettext("{weekday} {time} in {zone}").format(
        weekday=say.gettext(WEEKDAYS[there.weekday()]), time=f"{there:%H:%M}", zone=rep.time_zone
    )


def one_of(values: Sequence[str], say: Say) -> str:
    """Some of the values, and how many more there are."""
    shown = say.gettext(", ").join(values[:VALUES_SHOWN])
    more = len(values) - VALUES_SHOWN
    return say.gettext("{shown} and {more:,} more").format(shown=shown, more=more) if more > 0 else shown


def condition(asked: Condition, zone_name: str, say: Say) -> str:
    """What was wanted, and what the lead had where that is not it."""
    wanted = wanted_words(asked, say)
    if asked.holds:
        return wanted
    return say.gettext("requires {wanted}; {had}").format(wanted=wanted, had=_had_instead(asked, zone_name, say))


def wanted_words(asked: Condition, say: Say) -> str:
    """What a rule asks for, whatever a lead has."""
    if asked.field == "known_customer":
        return say.gettext("a known customer") if asked.wanted == ("true",) else say.gettext("a new customer")
    if asked.field == "created":
        return say.gettext("created {when}").format(when=_day_or_age(asked.wanted, say))
    return _days(asked.wanted, say) if asked.field == "date" else _fact(asked, say)


def _had_instead(asked: Condition, zone_name: str, say: Say) -> str:
    if asked.field == "known_customer":
        known = asked.had == "true"
        return say.gettext("the customer has an owner") if known else say.gettext("the customer has no owner")
    if asked.field == "created":
        return say.gettext("created {at}").format(at=when(datetime.fromisoformat(asked.had or ""), zone_name, say))
    if asked.field == "date":
        return say.gettext("it was {day}").format(day=asked.had)
    if asked.had is not None:
        return _had(asked, asked.had, say)
    return say.gettext("the lead has no {field}").format(field=say.gettext(FIELDS.get(asked.field, asked.field)))


def _had(asked: Condition, had: str, say: Say) -> str:
    """What the lead has, and what is wrong with it where a number is asked for."""
    number = asked.operator is not Operator.RANGE or asked.field == "priority"
    if number or number_of(comparable(asked.field, had)) is not None:
        return say.gettext("the lead has {had}").format(had=had)
    return say.gettext("the lead has {had}, which is not a number").format(had=had)


def _fact(asked: Condition, say: Say) -> str:
    """What a condition asks of a fact or of the priority."""
    field = say.gettext(FIELDS.get(asked.field, asked.field))
    if asked.operator is Operator.RANGE:
        low, high = asked.wanted
        if not low:
            return say.gettext("{field} to {most}").format(field=field, most=high)
        if not high:
            return say.gettext("{field} from {least}").format(field=field, least=low)
        return say.gettext("{field} from {least} to {most}").format(field=field, least=low, most=high)
    absent = asked.operator is Operator.PRESENT and asked.wanted == ("false",)
    template = say.gettext(OPERATORS["absent" if absent else asked.operator])
    return template.format(field=field, values=one_of(asked.wanted, say))


def _days(wanted: Sequence[str], say: Say) -> str:
    first, last = wanted
    if not first:
        return say.gettext("a day to {last}").format(last=last)
    if not last:
        return say.gettext("a day from {first}").format(first=first)
    return say.gettext("a day from {first} to {last}").format(first=first, last=last)


def _day_or_age(wanted: Sequence[str], say: Say) -> str:
    if len(wanted) == 1:
        return say.gettext(DAYS.get(wanted[0], wanted[0]))
    minutes = int(wanted[1]) // 60
    if minutes % 60 == 0:
        return say.gettext("within {hours} h").format(hours=minutes // 60)
    return say.gettext("within {minutes} min").format(minutes=minutes)


def numbers_against(why: LeftOut, rep: RepState, now: datetime, say: Say) -> str:
    """The numbers of that moment behind a reason; empty where there are none."""
    if why is LeftOut.AT_DAILY_CAP:
        return f"{rep.today}/{rep.max_per_day}"
    if why is LeftOut.AT_OPEN_CAP:
        return f"{rep.opened}/{rep.max_open}"
    there = local_time(rep, now, say) if why in _BY_THE_CLOCK else ""
    return _holiday(rep, now, there, say) if why is LeftOut.HOLIDAY else there


def _holiday(rep: RepState, now: datetime, there: str, say: Say) -> str:
    """Where it is a holiday, and which: by the data of this release, so that it may be another, or none, by now."""
    if rep.holidays is None:
        return there
    day, country = now.astimezone(zone(rep.time_zone)).date(), rep.holidays
    holiday = holiday_name(country, day, locale_of(say))
    if not holiday:
        return say.gettext("in {country}, {there}").format(country=country, there=there)
    return say.gettext("in {country}: {holiday}, {there}").format(country=country, holiday=holiday, there=there)


def against(why: LeftOut, rep: RepState, now: datetime, say: Say) -> str:
    """Why a rep was left out, with the numbers of that moment."""
    words, numbers = say.gettext(LEFT_OUT[why]), numbers_against(why, rep, now, say)
    return aside(words, numbers, say) if why in _BY_THE_CLOCK else f"{words} {numbers}".strip()


def load(count: int, cap: int | None, say: Say) -> str:
    return f"{count}/{cap}" if cap is not None else say.gettext("{count}, no cap").format(count=count)


def weight(candidate: Candidate, say: Say) -> str:
    """`2`, or `1 × region_match 2 = 2` where factors apply."""
    applied = [
        f"{say.gettext(FACTORS.get(name, name))} {_milli(factor)}"
        for name, factor in candidate.factors.items()
        if factor != MILLI
    ]
    if not applied:
        return _milli(candidate.weight)
    return f"{_milli(candidate.base)} × {' × '.join(applied)} = {_milli(candidate.weight)}"


def _milli(thousandths: int) -> str:
    return f"{thousandths / MILLI:g}"


def rule_name(names: Names, rule_no: int, ruleset: int | None, say: Say) -> str:
    """The rule's name; of another ruleset only its number, from 1 as people count."""
    if ruleset == names.ruleset and rule_no < len(names.rules):
        return names.rules[rule_no]
    return say.gettext("number {number} of ruleset {ruleset}").format(number=rule_no + 1, ruleset=ruleset)


def targets(
    text: str,
    names: Names,
    ruleset: int | None,
    say: Say = ENGLISH,
    reasons: Mapping[tuple[str, int], Reason] = MappingProxyType({}),
    had_it: frozenset[int] = frozenset(),
) -> str:
    """What a lead waits for, each with the reason why that cannot be now, where it is known.

    `had_it` = the groups of which only such reps are on duty as have had it before.
    """
    read = read_targets(text)
    found = []
    for target in dict.fromkeys(read.order):
        kind, number = target
        if kind == "g" and (rep_id := one_rep(names.group(number))) is not None:
            words = say.gettext("rep {rep}").format(rep=rep_id)
        elif kind == "g":
            words = say.gettext("someone in group {group}").format(group=names.group(number))
        elif kind == "o":
            words = say.gettext("the customer's owner {rep}").format(rep=names.rep(number))
        else:
            words = say.gettext("the hours of rule {rule}").format(rule=rule_name(names, number, ruleset, say))
        reason = reasons.get(target)
        why = ONLY_THOSE_WHO_HAD_IT if kind == "g" and number in had_it else REASONS[reason] if reason else ""
        found.append(aside(words, say.gettext(why) if why else "", say))
    waits = say.gettext(" or ").join(found) or say.gettext("a rule that matches")
    if not read.excluded:
        return waits
    return say.gettext("{waits}, but not {people}").format(
        waits=waits, people=people(sorted(read.excluded), names, say)
    )


def people(rep_nos: Iterable[int], names: Names, say: Say) -> str:
    return say.gettext(" nor ").join(names.rep(rep_no) for rep_no in rep_nos)


def owner(judged: OwnerExplanation, names: Names, now: datetime, zone_name: str, say: Say) -> str:
    """What an owner rule found."""
    if judged.rep_no is None:
        return say.gettext("the customer has no owner")
    kept = (
        say.gettext(", ").join(against(why, judged.rep, now, say) for why in judged.left_out)
        if judged.rep
        else say.gettext("no longer in the roster")
    )
    until = when(judged.falls_back_at, zone_name, say) if judged.falls_back_at else ""
    template = {
        OwnerVerdict.TAKES_IT: say.gettext("the owner is {rep}"),
        OwnerVerdict.NO_OWNER: say.gettext("the owner is {rep}"),
        OwnerVerdict.HAD_IT_BEFORE: say.gettext("the owner is {rep}, who had this lead and returned it"),
        OwnerVerdict.GONE: say.gettext("the owner is {rep}: {kept}"),
        OwnerVerdict.NO_ROOM: say.gettext("the owner is {rep}: {kept}; the lead waits until {until}")
        if until
        else say.gettext("the owner is {rep}: {kept}"),
        OwnerVerdict.WAITED_LONG_ENOUGH: say.gettext(
            "the owner is {rep}: {kept}; the lead waited until {until}, the longest allowed"
        )
        if until
        else say.gettext("the owner is {rep}: {kept}"),
    }[judged.verdict]
    return template.format(rep=names.rep(judged.rep_no), kept=kept, until=until)
