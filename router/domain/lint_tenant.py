"""What rules show when compared with the roster and the leads of their tenant."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date

from router.domain.asked import ATTRIBUTES, number_of
from router.domain.calendars import calendars_by_number, differing
from router.domain.conditions import FactCondition, Listed, OneOf, Range
from router.domain.coverage import unnamed_groups
from router.domain.lint import LAST_MINUTE, Finding, Level, Lint, is_never, minute_short
from router.domain.phrases import count, listed, suggestion
from router.domain.roster import Rep, Roster, one_rep
from router.domain.ruleset import Rule, Ruleset
from router.domain.text import fold
from router.domain.zone_meant import doubt

DAYS_SEEN = 90
NAMED = 5
# Looking for near spellings takes milliseconds a value among so many.
_SPELLINGS = 5_000

Seen = Mapping[str, frozenset[str]]
"""Field to the values, folded, that recent leads had."""


def lint_groups(ruleset: Ruleset, roster: Roster) -> list[Finding]:
    """Groups that rules name and that nobody is in, or nobody who can get a lead. Each group is reported once."""
    found: list[Finding] = []
    numbers = {fold(name): number for number, name in roster.group_names.items()}
    seen: set[str] = set()
    for place, rule in enumerate(ruleset.rules):
        if rule.group is None or fold(rule.group) in seen:
            continue
        seen.add(fold(rule.group))
        if one_rep(fold(rule.group)) is not None and (members := roster.members.get(numbers.get(fold(rule.group), 0))):
            found.append(_like_rep(f"rules[{place}].assign_to", rule, len(members)))
        if rule.rep is not None:
            found += _rep(f"rules[{place}].assign_to", rule, rule.rep, ruleset, roster)
            continue
        number = numbers.get(fold(rule.group))
        found += _group(f"rules[{place}].assign_to", rule, number, ruleset, roster)
    return found


def _group(path: str, rule: Rule, number: int | None, ruleset: Ruleset, roster: Roster) -> Iterator[Finding]:
    reps = [roster.reps[position] for position in roster.members.get(number, ())] if number is not None else []
    active = [rep for rep in reps if rep.active]
    if number is None:
        used = [name for no, name in roster.group_names.items() if roster.members.get(no)]
        meant = suggestion(fold(rule.group or ""), used)
        hint = f'; did you mean "{meant}"?' if meant else ""
        message = f'group "{rule.group}" does not exist{hint}'
        yield Finding(Level.WARNING, Lint.UNKNOWN_GROUP, path, message, rule.name)
    elif not active:
        none = f"all {len(reps)} of its reps are inactive" if reps else "no rep is in it"
        yield Finding(Level.WARNING, Lint.EMPTY_GROUP, path, f"group {rule.group} is empty: {none}", rule.name)
    else:
        yield from _without_leads(path, rule, active, ruleset)


def lint_calendars(ruleset: Ruleset, roster: Roster) -> list[Finding]:
    """Calendars of groups that nobody has, and reps in groups whose calendars differ."""
    found: list[Finding] = []
    calendars = calendars_by_number(roster.group_names, ruleset)
    known = set(calendars.values())
    for one in ruleset.groups:
        if one not in known:
            used = [name for no, name in roster.group_names.items() if roster.members.get(no)]
            meant = suggestion(fold(one.group), used)
            hint = f'; did you mean "{meant}"?' if meant else ""
            message = f'group "{one.group}" does not exist{hint}'
            found.append(Finding(Level.WARNING, Lint.UNKNOWN_GROUP, f"groups.{one.group}", message))
    pairs: dict[tuple[str, str], list[str]] = {}
    for rep in roster.reps:
        for pair in differing(rep, calendars) if rep.active else ():
            pairs.setdefault(pair, []).append(rep.rep_id)
    for (first, second), reps in pairs.items():
        message = (
            f"{count(len(reps), 'rep')} ({listed(reps, NAMED)}) {'is' if len(reps) == 1 else 'are'} in {first} and in "
            f"{second}, which say different things: what {first} says counts, since it comes first"
        )
        found.append(Finding(Level.HINT, Lint.TWO_CALENDARS, f"groups.{second}", message))
    return found


def _like_rep(path: str, rule: Rule, members: int) -> Finding:
    message = (
        f'the roster has a group of the name "{rule.group}" ({count(members, "rep")}), which would get these leads: '
        "give that group another name in the roster"
    )
    return Finding(Level.ERROR, Lint.GROUP_LIKE_REP, path, message, rule.name)


def _rep(path: str, rule: Rule, rep_id: str, ruleset: Ruleset, roster: Roster) -> Iterator[Finding]:
    rep = next((rep for rep in roster.reps if rep.rep_id == rep_id), None)
    if rep is None:
        near = suggestion(rep_id, [rep.rep_id for rep in roster.reps if rep.active])
        message = f'rep "{rep_id}" does not exist' + (f'; did you mean "{near}"?' if near else "")
        yield Finding(Level.WARNING, Lint.UNKNOWN_REP, path, message, rule.name)
    elif why := "inactive" if not rep.active else _never(rep, ruleset):
        message = f"rep {rep_id} never gets a lead: {why}"
        yield Finding(Level.WARNING, Lint.REPS_WITHOUT_LEADS, path, message, rule.name)


def _without_leads(path: str, rule: Rule, reps: list[Rep], ruleset: Ruleset) -> Iterator[Finding]:
    why = {rep.rep_id: reason for rep in reps if (reason := _never(rep, ruleset))}
    if not why:
        return
    named = listed((f"{rep_id} ({reason})" for rep_id, reason in why.items()), NAMED)
    everybody = len(why) == len(reps)
    whom = "nobody in group" if everybody else f"{len(why):,} of {len(reps):,} reps in group"
    message = f"{whom} {rule.group} {'ever gets' if everybody else 'never get'} a lead: {named}"
    yield Finding(Level.WARNING if everybody else Level.HINT, Lint.REPS_WITHOUT_LEADS, path, message, rule.name)


def _never(rep: Rep, ruleset: Ruleset) -> str:
    """What keeps a rep from ever getting a lead of a group; empty = nothing."""
    if rep.weight == 0:
        return "weight 0"
    for name in ("max_open", "max_per_day"):
        own = getattr(rep, name)
        if (getattr(ruleset.defaults, name) if own is None else own) == 0:
            return f"{name} 0"
    hours = ruleset.calendar.working_hours if rep.working_hours is None else rep.working_hours
    return "hours that never open" if is_never(hours) else ""


def lint_unnamed(ruleset: Ruleset, roster: Roster) -> list[Finding]:
    """Groups that no rule names, with reps that no rule reaches."""
    names = roster.group_names
    known = set(map(fold, names.values()))
    reps = ((rep.rep_id, [names[no] for no in sorted(rep.groups)]) for rep in roster.reps if rep.active)
    # Where the rule has it misspelt, the group of the rule is reported already, with this one as what was meant.
    found = [one for one in unnamed_groups(ruleset, reps) if one.meant is None or fold(one.meant) in known]
    return [Finding(Level.WARNING, Lint.UNNAMED_GROUP, "rules", one.words) for one in found]


def lint_hours_of_reps(roster: Roster) -> list[Finding]:
    """Hours of reps that end a minute before the day does."""
    short = [rep.rep_id for rep in roster.reps if rep.active and minute_short(rep.working_hours)]
    if not short:
        return []
    message = f"working hours of {count(len(short), 'rep')} ({listed(short, NAMED)}) {LAST_MINUTE}"
    return [Finding(Level.HINT, Lint.MINUTE_SHORT, "roster", message)]


def lint_zones(tenant_zone: str, roster: Roster, ruleset: Ruleset) -> list[Finding]:
    """Zones of the tenant and of its reps that are probably not the ones that are meant."""
    why = doubt(tenant_zone)
    found = [Finding(Level.WARNING, Lint.DOUBTFUL_ZONE, "business_time_zone", f"of the tenant: {why}")] if why else []
    for one in ruleset.groups:
        if one.time_zone and (why := doubt(one.time_zone)):
            found.append(Finding(Level.WARNING, Lint.DOUBTFUL_ZONE, f"groups.{one.group}.time_zone", why))
    reps: dict[str, list[str]] = {}
    for rep in roster.reps:
        if rep.active and doubt(rep.time_zone):
            reps.setdefault(rep.time_zone, []).append(rep.rep_id)
    for zone, named in sorted(reps.items()):
        message = f"time zone of {count(len(named), 'rep')} ({listed(named, NAMED)}): {doubt(zone)}"
        found.append(Finding(Level.WARNING, Lint.DOUBTFUL_ZONE, "roster", message))
    return found


def lint_synonyms(ruleset: Ruleset) -> list[Finding]:
    """Values that also match another word, which the tenant's synonyms have for them."""
    words = {(field, value): word for field, value, word in ruleset.synonyms}
    found: list[Finding] = []
    for number, rule in enumerate(ruleset.rules):
        for condition in rule.match.facts:
            said = sorted(condition.as_written) if words and isinstance(condition, Listed) else []
            named = [(value, words[condition.field, value]) for value in said if (condition.field, value) in words]
            if named:
                also = listed((f'"{value}" also means "{word}"' for value, word in named), NAMED)
                message = f"{also}: the tenant's synonyms"
                path = f"rules[{number}].match.{condition.field}"
                found.append(Finding(Level.HINT, Lint.SYNONYM, path, message, rule.name))
    return found


def lint_words_of_reps(ruleset: Ruleset, roster: Roster, spelled: Callable[[str, str], str]) -> list[Finding]:
    """Regions and industries of reps that no lead has, since the synonyms (`spelled`) have another word for them."""
    found = []
    for field, plural in (("region", "regions"), ("industry", "industries")):
        if getattr(ruleset.weights, f"{field}_match") == 1000:
            continue
        said = {value for rep in roster.reps if rep.active for value in getattr(rep, plural)}
        others = [(value, word) for value in sorted(said) if fold(word := spelled(field, value)) != value]
        if others:
            words = listed((f'"{value}" is "{word}" in the synonyms' for value, word in others), NAMED)
            message = f"{plural} of reps that no lead has: {words}"
            found.append(Finding(Level.WARNING, Lint.OTHER_SPELLING, f"weights.{field}_match", message))
    return found


def lint_words_changed(
    version: int, kept: Sequence[tuple[str, str, str]], changed: Sequence[tuple[str, str, str]]
) -> list[Finding]:
    """Rules in force whose values have other words in the synonyms than when they were applied.

    Without `kept`, the synonyms of the version, nothing is known of a change: it may have been applied before synonyms
    counted in rules.
    """
    if not changed:
        return []
    words = (f'{field} "{value}" is ' + (f'"{word}"' if word else "no synonym") for field, value, word in changed)
    said = listed(words, NAMED)
    message = (
        f"the synonyms have changed since version {version} was applied: {said}; apply it again"
        if kept
        else f"version {version} was applied without synonyms: {said}; apply it again to use them"
    )
    return [Finding(Level.WARNING, Lint.OTHER_SPELLING, "rules", message)]


def lint_dates(ruleset: Ruleset, today: date) -> list[Finding]:
    """Rules whose last day is over."""
    found = []
    for place, rule in enumerate(ruleset.rules):
        last = rule.match.date.last if rule.match.date is not None else None
        if last is not None and last < today:
            message = f"ended on {last}: the rule never matches again"
            found.append(Finding(Level.WARNING, Lint.DATES_OVER, f"rules[{place}].match.date", message, rule.name))
    return found


def lint_values(ruleset: Ruleset, seen: Seen | None) -> list[Finding]:
    """Values that no recent lead had, with the near spelling that leads did have. `seen` None = there was no lead."""
    if seen is None:
        message = f"no lead arrived in the last {DAYS_SEEN} days, so condition values could not be checked"
        named = any(rule.match.facts for rule in ruleset.rules)
        return [Finding(Level.HINT, Lint.NOTHING_SEEN, "rules", message)] if named else []
    found: list[Finding] = []
    other: dict[str, set[str]] = {}
    for field, value, _ in ruleset.synonyms:
        other.setdefault(field, set()).add(value)
    reported = set[str]()
    for number, rule in enumerate(ruleset.rules):
        for condition in rule.match.facts:
            path = f"rules[{number}].match.{condition.field}"
            had = seen.get(condition.reads, frozenset())
            if condition.field.startswith(ATTRIBUTES) and not had:
                # Once, however many rules ask for it.
                if condition.field not in reported:
                    found.append(_unknown_attribute(path, rule, condition.field, seen.get(ATTRIBUTES, frozenset())))
                reported.add(condition.field)
            elif isinstance(condition, Range):
                found += _no_number(path, rule, condition, had)
            else:
                found += _unseen(path, rule, condition, had, frozenset(other.get(condition.field, ())))
    return found


def _unknown_attribute(path: str, rule: Rule, field: str, names: frozenset[str]) -> Finding:
    meant = suggestion(field.removeprefix(ATTRIBUTES), sorted(names))
    near = f'; did you mean "{ATTRIBUTES}{meant}"?' if meant else ""
    known = f"; leads have {listed(sorted(names), NAMED)}" if names and not meant else near
    message = f"no lead of the last {DAYS_SEEN} days had {field}{known}"
    return Finding(Level.WARNING, Lint.UNKNOWN_ATTRIBUTE, path, message, rule.name)


def _no_number(path: str, rule: Rule, condition: Range, had: frozenset[str]) -> Iterator[Finding]:
    others = sorted(value for value in had if number_of(value) is None)
    if len(others) == len(had):
        message = (
            f"no lead of the last {DAYS_SEEN} days had a number as {condition.field}, but "
            f"{listed(others, NAMED)}: numbers are written as 100000 or 2.5; a mapping reads others, "
            f"such as numbers: {{{_column(condition.field)}: comma}} for 100.000,00"
        )
        yield Finding(Level.WARNING, Lint.NOT_A_NUMBER, path, message, rule.name)
    elif not any(map(condition.holds, had)):
        message = f"no lead of the last {DAYS_SEEN} days had {condition.field} within these bounds"
        yield Finding(Level.HINT, Lint.UNSEEN_VALUE, path, message, rule.name)
    elif others:
        message = f"some values of {condition.field} are not numbers, and in no range: {listed(others, NAMED)}"
        yield Finding(Level.HINT, Lint.NOT_A_NUMBER, path, message, rule.name)


def _column(field: str) -> str:
    """The attribute's name as a key in YAML."""
    name = field.removeprefix(ATTRIBUTES)
    return name if name.replace(" ", "").isalnum() else f'"{name}"'


def _unseen(
    path: str, rule: Rule, condition: FactCondition, had: frozenset[str], synonyms: frozenset[str]
) -> Iterator[Finding]:
    """`synonyms` come as their words, which the condition has, too."""
    nobody = f"no lead of the last {DAYS_SEEN} days had"
    if isinstance(condition, OneOf) and condition.in_file:
        if not condition.values & had:
            files = ", ".join(condition.in_file)
            message = f"{nobody} {condition.field} listed in {files} ({count(len(condition.values), 'value')})"
            yield Finding(Level.WARNING, Lint.UNSEEN_VALUE, f"{path}.in_file", message, rule.name)
        return
    if not isinstance(condition, Listed):
        return
    unseen = sorted(set(condition.unseen(had)) - synonyms)
    if condition.fits:
        for value in unseen:
            message = f'{nobody} {condition.field} {condition.fits} "{value}"'
            yield Finding(Level.HINT, Lint.UNSEEN_VALUE, f"{path}.{condition.key}", message, rule.name)
        return
    others = sorted(had - condition.values) if unseen else []
    for value in unseen[:NAMED]:
        meant = suggestion(value, others, cutoff=0.75) if len(others) <= _SPELLINGS else None
        hint = f'; did you mean "{meant}"?' if meant else ""
        level = Level.WARNING if meant else Level.HINT
        yield Finding(level, Lint.UNSEEN_VALUE, path, f'{nobody} {condition.field} "{value}"{hint}', rule.name)
    if len(unseen) > NAMED:
        message = f"{nobody} {len(unseen) - NAMED:,} more of these values of {condition.field}"
        yield Finding(Level.HINT, Lint.UNSEEN_VALUE, path, message, rule.name)
