"""How people are told: conditions, reps, targets and reasons in words, times in the tenant's zone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from ops.why.chinese import CHINESE
from ops.why.english import ENGLISH
from ops.why.languages import Counted, Words
from ops.why.story import Names
from router.domain.calendar import zone
from router.domain.conditions import Operator
from router.domain.explain_parts import Candidate, Condition, LeftOut, OwnerStory, OwnerVerdict, RepState
from router.domain.reason import Reason
from router.domain.roster import MILLI
from router.domain.targets import read_targets

LANGUAGES: Mapping[str, Words] = MappingProxyType({"en": ENGLISH, "zh": CHINESE})
VALUES_SHOWN = 6
REASONS = ENGLISH.reasons

# As the decision words it; records keep the words.
_TOO_OLD = re.compile(
    r"waited (?:(\d+) d (\d+) h|(\d+) h (\d+) min), longer than the ruleset's (?P<limit>\w+)", re.ASCII
)
_BY_THE_CLOCK = (LeftOut.ON_LEAVE, LeftOut.HOLIDAY, LeftOut.OFF_HOURS)


def when(at: datetime, zone_name: str, say: Words) -> str:
    """To the second, on the wall clock of the zone; in UTC where that is past the end of the calendar."""
    try:
        return say.date_time.format(at=at.astimezone(zone(zone_name)))
    except OverflowError:
        return say.in_utc.format(time=say.date_time.format(at=at.astimezone(UTC)))


def duration(time: timedelta, say: Words) -> str:
    """To the minute, from a day on to the hour."""
    minutes = int(time.total_seconds()) // 60
    if minutes >= 24 * 60:
        return say.days_hours.format(days=minutes // (24 * 60), hours=minutes // 60 % 24)
    return say.hours_minutes.format(hours=minutes // 60, minutes=minutes % 60)


def counted(words: Counted, count: int) -> str:
    return words[count != 1].format(count=count)


def named_by_source(source: str, external_id: str) -> str:
    """A lead as its source calls it; not every lead has a source."""
    return f"{source}/{external_id}" if source else external_id


def detail(text: str, say: Words) -> str:
    """What a parked lead's row says beside the reason: an age in the words of the language, else as it is."""
    told = _TOO_OLD.fullmatch(text)
    if told is None:
        return text
    days, of_day, hours, minutes = (int(number or 0) for number in told.groups()[:4])
    waited = timedelta(days=days, hours=of_day + hours, minutes=minutes)
    return say.too_old.format(waited=duration(waited, say), limit=told["limit"])


def aside(words: str, more: str, say: Words) -> str:
    """The words, with more in parentheses where there is more."""
    return say.aside.format(words=words, aside=more) if more else words


def local_time(rep: RepState, now: datetime, say: Words) -> str:
    """What the rep's wall clock said."""
    there = now.astimezone(zone(rep.time_zone))
    return say.local_time.format(weekday=say.weekdays[there.weekday()], time=f"{there:%H:%M}", zone=rep.time_zone)


def one_of(values: Sequence[str], say: Words) -> str:
    """Some of the values, and how many more there are."""
    shown = say.comma.join(values[:VALUES_SHOWN])
    more = len(values) - VALUES_SHOWN
    return say.and_more.format(shown=shown, more=more) if more > 0 else shown


def condition(told: Condition, zone_name: str, say: Words) -> str:
    """What was wanted, and what the lead had where that is not it."""
    if told.field == "known_customer":
        wanted = say.known_customer if told.wanted == ("true",) else say.new_customer
        had = say.somebody_owns if told.had == "true" else say.nobody_owns
    elif told.field == "created":
        wanted = say.wants_created.format(when=_day_or_age(told.wanted, say))
        had = say.was_created.format(at=when(datetime.fromisoformat(told.had or ""), zone_name, say))
    else:
        wanted = _fact(told, say)
        field = say.fields.get(told.field, told.field)
        had = say.lead_has.format(had=told.had) if told.had is not None else say.lead_has_no.format(field=field)
    return wanted if told.holds else say.wants.format(wanted=wanted, had=had)


def _fact(told: Condition, say: Words) -> str:
    """What a condition asks of a fact or of the priority."""
    field = say.fields.get(told.field, told.field)
    if told.operator is Operator.RANGE:
        least, most = told.wanted
        template = say.range_both if least and most else say.range_least if least else say.range_most
        return template.format(field=field, least=least, most=most)
    absent = told.operator is Operator.PRESENT and told.wanted == ("false",)
    template = say.operators["absent" if absent else told.operator]
    return template.format(field=field, values=one_of(told.wanted, say))


def _day_or_age(wanted: Sequence[str], say: Words) -> str:
    if len(wanted) == 1:
        return say.days.get(wanted[0], wanted[0])
    minutes = int(wanted[1]) // 60
    if minutes % 60 == 0:
        return say.within_hours.format(hours=minutes // 60)
    return say.within_minutes.format(minutes=minutes)


def numbers_against(why: LeftOut, rep: RepState, now: datetime, say: Words) -> str:
    """The numbers of that moment behind a reason; empty where there are none."""
    if why is LeftOut.AT_DAILY_CAP:
        return f"{rep.today}/{rep.max_per_day}"
    if why is LeftOut.AT_OPEN_CAP:
        return f"{rep.opened}/{rep.max_open}"
    return local_time(rep, now, say) if why in _BY_THE_CLOCK else ""


def against(why: LeftOut, rep: RepState, now: datetime, say: Words) -> str:
    """Why a rep was left out, with the numbers of that moment."""
    words, numbers = say.left_out[why], numbers_against(why, rep, now, say)
    return aside(words, numbers, say) if why in _BY_THE_CLOCK else f"{words} {numbers}".strip()


def load(count: int, cap: int | None, say: Words) -> str:
    return f"{count}/{cap}" if cap is not None else say.no_cap.format(count=count)


def weight(told: Candidate, say: Words) -> str:
    """`2`, or `1 × region_match 2 = 2` where factors apply."""
    applied = [
        f"{say.factors.get(name, name)} {_milli(factor)}" for name, factor in told.factors.items() if factor != MILLI
    ]
    if not applied:
        return _milli(told.weight)
    return f"{_milli(told.base)} × {' × '.join(applied)} = {_milli(told.weight)}"


def _milli(thousandths: int) -> str:
    return f"{thousandths / MILLI:g}"


def rule_name(names: Names, rule_no: int, ruleset: int | None, say: Words) -> str:
    """The rule's name; of another ruleset only its number, from 1 as people count."""
    if ruleset == names.ruleset and rule_no < len(names.rules):
        return names.rules[rule_no]
    return say.rule_number.format(number=rule_no + 1, ruleset=ruleset)


def targets(
    text: str,
    names: Names,
    ruleset: int | None,
    say: Words = ENGLISH,
    reasons: Mapping[tuple[str, int], Reason] = MappingProxyType({}),
) -> str:
    """What a lead waits for, each with the reason why that cannot be now, where it is known."""
    read = read_targets(text)
    found = []
    for target in dict.fromkeys(read.order):
        kind, number = target
        if kind == "g":
            words = say.for_group.format(group=names.group(number))
        elif kind == "o":
            words = say.for_owner.format(rep=names.rep(number))
        else:
            words = say.for_window.format(rule=rule_name(names, number, ruleset, say))
        reason = reasons.get(target)
        found.append(aside(words, say.reasons[reason] if reason else "", say))
    waits = say.either.join(found) or say.for_any
    if not read.excluded:
        return waits
    return say.but_not.format(waits=waits, people=people(sorted(read.excluded), names, say))


def people(rep_nos: Iterable[int], names: Names, say: Words) -> str:
    return say.neither.join(names.rep(rep_no) for rep_no in rep_nos)


def owner(told: OwnerStory, names: Names, now: datetime, zone_name: str, say: Words) -> str:
    """What an owner rule found."""
    if told.rep_no is None:
        return say.nobody_owns
    kept = say.comma.join(against(why, told.rep, now, say) for why in told.left_out) if told.rep else say.owner_gone
    until = when(told.falls_back_at, zone_name, say) if told.falls_back_at else ""
    template = {
        OwnerVerdict.TAKES_IT: say.owner_is,
        OwnerVerdict.NO_OWNER: say.owner_is,
        OwnerVerdict.HAD_IT_BEFORE: say.owner_had_it,
        OwnerVerdict.GONE: say.owner_kept,
        OwnerVerdict.NO_ROOM: say.owner_waits if until else say.owner_kept,
        OwnerVerdict.WAITED_LONG_ENOUGH: say.owner_waited if until else say.owner_kept,
    }[told.verdict]
    return template.format(rep=names.rep(told.rep_no), kept=kept, until=until)
