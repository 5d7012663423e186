"""What rules show when compared with the roster and the leads of their tenant."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date

from router.domain.asked import ATTRIBUTES, number_of
from router.domain.calendars import calendars_by_number, differing
from router.domain.conditions import FactCondition, Listed, OneOf, Range
from router.domain.coverage import unnamed_groups
from router.domain.lint import LAST_MINUTE, Finding, Level, Lint, is_never, minute_short
from router.domain.near_spellings import STEPS, NearSpellings
from router.domain.phrases import suggestion
from router.domain.roster import Rep, Roster, one_rep
from router.domain.ruleset import Rule, Ruleset
from router.domain.text import fold
from router.domain.worded import Worded, worded, worded_count
from router.domain.worded_phrases import worded_list
from router.domain.zone_meant import doubt

DAYS_SEEN = 90
NAMED = 5

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
        message = _did_you_mean(
            worded('group "{group}" does not exist', group=rule.group), suggestion(fold(rule.group or ""), used)
        )
        yield Finding(Level.WARNING, Lint.UNKNOWN_GROUP, path, message, rule.name)
    elif not active:
        if reps:
            message = worded(
                "group {group} is empty: all {reps} of its reps are inactive", group=rule.group, reps=len(reps)
            )
        else:
            message = worded("group {group} is empty: no rep is in it", group=rule.group)
        yield Finding(Level.WARNING, Lint.EMPTY_GROUP, path, message, rule.name)
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
            message = _did_you_mean(
                worded('group "{group}" does not exist', group=one.group), suggestion(fold(one.group), used)
            )
            found.append(Finding(Level.WARNING, Lint.UNKNOWN_GROUP, f"groups.{one.group}", message))
    pairs: dict[tuple[str, str], list[str]] = {}
    for rep in roster.reps:
        for pair in differing(rep, calendars) if rep.active else ():
            pairs.setdefault(pair, []).append(rep.rep_id)
    for (first, second), reps in pairs.items():
        message = worded_count(
            "{count:,} rep ({reps}) is in {first} and in {second}, which say different things: what {first} says "
            "counts, since it comes first",
            "{count:,} reps ({reps}) are in {first} and in {second}, which say different things: what {first} says "
            "counts, since it comes first",
            len(reps),
            reps=worded_list(reps, NAMED),
            first=first,
            second=second,
        )
        found.append(Finding(Level.HINT, Lint.TWO_CALENDARS, f"groups.{second}", message))
    return found


def _like_rep(path: str, rule: Rule, members: int) -> Finding:
    message = worded_count(
        'the roster has a group of the name "{group}" ({count:,} rep), which would get these leads: give that group '
        "another name in the roster",
        'the roster has a group of the name "{group}" ({count:,} reps), which would get these leads: give that group '
        "another name in the roster",
        members,
        group=rule.group,
    )
    return Finding(Level.ERROR, Lint.GROUP_LIKE_REP, path, message, rule.name)


def _rep(path: str, rule: Rule, rep_id: str, ruleset: Ruleset, roster: Roster) -> Iterator[Finding]:
    rep = next((rep for rep in roster.reps if rep.rep_id == rep_id), None)
    if rep is None:
        near = suggestion(rep_id, [rep.rep_id for rep in roster.reps if rep.active])
        message = _did_you_mean(worded('rep "{rep}" does not exist', rep=rep_id), near)
        yield Finding(Level.WARNING, Lint.UNKNOWN_REP, path, message, rule.name)
    elif why := worded("inactive") if not rep.active else _never(rep, ruleset):
        message = worded("rep {rep} never gets a lead: {why}", rep=rep_id, why=why)
        yield Finding(Level.WARNING, Lint.REPS_WITHOUT_LEADS, path, message, rule.name)


def _without_leads(path: str, rule: Rule, reps: list[Rep], ruleset: Ruleset) -> Iterator[Finding]:
    why = {rep.rep_id: reason for rep in reps if (reason := _never(rep, ruleset))}
    if not why:
        return
    named = worded_list((worded("{rep} ({why})", rep=rep_id, why=reason) for rep_id, reason in why.items()), NAMED)
    everybody = len(why) == len(reps)
    if everybody:
        message = worded("nobody in group {group} ever gets a lead: {reps}", group=rule.group, reps=named)
    else:
        message = worded(
            "{some:,} of {all:,} reps in group {group} never get a lead: {reps}",
            some=len(why),
            all=len(reps),
            group=rule.group,
            reps=named,
        )
    yield Finding(Level.WARNING if everybody else Level.HINT, Lint.REPS_WITHOUT_LEADS, path, message, rule.name)


def _did_you_mean(said: Worded, meant: str | None) -> Worded:
    return said + worded('; did you mean "{meant}"?', meant=meant) if meant else said


def _never(rep: Rep, ruleset: Ruleset) -> str:
    """What keeps a rep from ever getting a lead of a group; empty = nothing."""
    if rep.weight == 0:
        return worded("weight 0")
    for name in ("max_open", "max_per_day"):
        own = getattr(rep, name)
        if (getattr(ruleset.defaults, name) if own is None else own) == 0:
            return f"{name} 0"  # the same in any language
    hours = ruleset.calendar.working_hours if rep.working_hours is None else rep.working_hours
    return worded("hours that never open") if is_never(hours) else ""


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
    message = worded_count(
        "working hours of {count:,} rep ({reps}) {end}",
        "working hours of {count:,} reps ({reps}) {end}",
        len(short),
        reps=worded_list(short, NAMED),
        end=LAST_MINUTE,
    )
    return [Finding(Level.HINT, Lint.MINUTE_SHORT, "roster", message)]


def lint_zones(tenant_zone: str, roster: Roster, ruleset: Ruleset) -> list[Finding]:
    """Zones of the tenant and of its reps that are probably not the ones that are meant."""
    why = doubt(tenant_zone)
    said = worded("of the tenant: {why}", why=why)
    found = [Finding(Level.WARNING, Lint.DOUBTFUL_ZONE, "business_time_zone", said)] if why else []
    for one in ruleset.groups:
        if one.time_zone and (why := doubt(one.time_zone)):
            found.append(Finding(Level.WARNING, Lint.DOUBTFUL_ZONE, f"groups.{one.group}.time_zone", why))
    reps: dict[str, list[str]] = {}
    for rep in roster.reps:
        if rep.active and doubt(rep.time_zone):
            reps.setdefault(rep.time_zone, []).append(rep.rep_id)
    for zone, named in sorted(reps.items()):
        message = worded_count(
            "time zone of {count:,} rep ({reps}): {why}",
            "time zone of {count:,} reps ({reps}): {why}",
            len(named),
            reps=worded_list(named, NAMED),
            why=doubt(zone),
        )
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
                also = (worded('"{value}" also means "{word}"', value=value, word=word) for value, word in named)
                message = worded("{also}: the tenant's synonyms", also=worded_list(also, NAMED))
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
            words = worded_list(
                (worded('"{value}" is "{word}" in the synonyms', value=value, word=word) for value, word in others),
                NAMED,
            )
            message = (
                worded("regions of reps that no lead has: {words}", words=words)
                if field == "region"
                else worded("industries of reps that no lead has: {words}", words=words)
            )
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
    said = worded_list((_synonym(*one) for one in changed), NAMED)
    if kept:
        message = worded(
            "the synonyms have changed since version {version} was applied: {words}; apply it again",
            version=version,
            words=said,
        )
    else:
        message = worded(
            "version {version} was applied without synonyms: {words}; apply it again to use them",
            version=version,
            words=said,
        )
    return [Finding(Level.WARNING, Lint.OTHER_SPELLING, "rules", message)]


def _synonym(field: str, value: str, word: str | None) -> Worded:
    if word:
        return worded('{field} "{value}" is "{word}"', field=field, value=value, word=word)
    return worded('{field} "{value}" is no synonym', field=field, value=value)


def lint_dates(ruleset: Ruleset, today: date) -> list[Finding]:
    """Rules whose last day is over."""
    found = []
    for place, rule in enumerate(ruleset.rules):
        last = rule.match.date.last if rule.match.date is not None else None
        if last is not None and last < today:
            message = worded("ended on {last}: the rule never matches again", last=last)
            found.append(Finding(Level.WARNING, Lint.DATES_OVER, f"rules[{place}].match.date", message, rule.name))
    return found


def lint_values(ruleset: Ruleset, seen: Seen | None, steps: int = STEPS) -> list[Finding]:
    """Values that no recent lead had, with the near spelling that leads did have. `seen` None = there was no lead.

    Near spellings are looked for in at most so many `steps`; from which rule on that was not enough is said.
    """
    if seen is None:
        message = worded(
            "no lead arrived in the last {days} days, so condition values could not be checked", days=DAYS_SEEN
        )
        named = any(rule.match.facts for rule in ruleset.rules)
        return [Finding(Level.HINT, Lint.NOTHING_SEEN, "rules", message)] if named else []
    found: list[Finding] = []
    other: dict[str, set[str]] = {}
    for field, value, _ in ruleset.synonyms:
        other.setdefault(field, set()).add(value)
    reported, near = set[str](), NearSpellings(steps)
    for number, rule in enumerate(ruleset.rules):
        was_stopped = near.stopped
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
                found += _unseen(path, rule, condition, had, frozenset(other.get(condition.field, ())), near)
        if near.stopped and not was_stopped:
            message = worded(
                "near spellings of values that no lead had were not looked for from this rule on, since it takes too "
                "long"
            )
            found.append(Finding(Level.HINT, Lint.NOT_CHECKED, f"rules[{number}]", message, rule.name))
    return found


def _unknown_attribute(path: str, rule: Rule, field: str, names: frozenset[str]) -> Finding:
    meant = suggestion(field.removeprefix(ATTRIBUTES), sorted(names))
    message = worded("no lead of the last {days} days had {field}", days=DAYS_SEEN, field=field)
    if meant:
        message = _did_you_mean(message, f"{ATTRIBUTES}{meant}")
    elif names:
        message += worded("; leads have {names}", names=worded_list(sorted(names), NAMED))
    return Finding(Level.WARNING, Lint.UNKNOWN_ATTRIBUTE, path, message, rule.name)


def _no_number(path: str, rule: Rule, condition: Range, had: frozenset[str]) -> Iterator[Finding]:
    others = sorted(value for value in had if number_of(value) is None)
    if len(others) == len(had):
        message = worded(
            "no lead of the last {days} days had a number as {field}, but {others}: numbers are written as 100000 or "
            "2.5; a mapping reads others, such as numbers: {mapping} for 100.000,00",
            days=DAYS_SEEN,
            field=condition.field,
            others=worded_list(others, NAMED),
            mapping=f"{{{_column(condition.field)}: comma}}",
        )
        yield Finding(Level.WARNING, Lint.NOT_A_NUMBER, path, message, rule.name)
    elif not any(map(condition.holds, had)):
        message = worded(
            "no lead of the last {days} days had {field} within these bounds", days=DAYS_SEEN, field=condition.field
        )
        yield Finding(Level.HINT, Lint.UNSEEN_VALUE, path, message, rule.name)
    elif others:
        message = worded(
            "some values of {field} are not numbers, and in no range: {others}",
            field=condition.field,
            others=worded_list(others, NAMED),
        )
        yield Finding(Level.HINT, Lint.NOT_A_NUMBER, path, message, rule.name)


def _column(field: str) -> str:
    """The attribute's name as a key in YAML."""
    name = field.removeprefix(ATTRIBUTES)
    return name if name.replace(" ", "").isalnum() else f'"{name}"'


def _unseen(
    path: str,
    rule: Rule,
    condition: FactCondition,
    had: frozenset[str],
    synonyms: frozenset[str],
    near: NearSpellings,
) -> Iterator[Finding]:
    """`synonyms` come as their words, which the condition has, too."""
    asked = {"days": str(DAYS_SEEN), "field": condition.field}
    if isinstance(condition, OneOf) and condition.in_file:
        if not condition.values & had:
            files = ", ".join(condition.in_file)
            message = worded_count(
                "no lead of the last {days} days had {field} listed in {files} ({count:,} value)",
                "no lead of the last {days} days had {field} listed in {files} ({count:,} values)",
                len(condition.values),
                files=files,
                **asked,
            )
            yield Finding(Level.WARNING, Lint.UNSEEN_VALUE, f"{path}.in_file", message, rule.name)
        return
    if not isinstance(condition, Listed):
        return
    unseen = sorted(set(condition.unseen(had)) - synonyms)
    if condition.fits:
        for value in unseen:
            message = worded(
                'no lead of the last {days} days had {field} {fits} "{value}"',
                fits=condition.fits,
                value=value,
                **asked,
            )
            yield Finding(Level.HINT, Lint.UNSEEN_VALUE, f"{path}.{condition.key}", message, rule.name)
        return
    others = sorted(had - condition.values) if unseen else []
    for value in unseen[:NAMED]:
        meant = near.of(value, others)
        level = Level.WARNING if meant else Level.HINT
        said = worded('no lead of the last {days} days had {field} "{value}"', value=value, **asked)
        yield Finding(level, Lint.UNSEEN_VALUE, path, _did_you_mean(said, meant), rule.name)
    if len(unseen) > NAMED:
        message = worded(
            "no lead of the last {days} days had {more:,} more of these values of {field}",
            more=len(unseen) - NAMED,
            **asked,
        )
        yield Finding(Level.HINT, Lint.UNSEEN_VALUE, path, message, rule.name)
