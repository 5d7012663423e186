"""What is wrong or odd in rules that can be read: reported, never repaired."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from router.domain.budget import Budget, OverBudget
from router.domain.ruleset import Match, Rule, Ruleset
from router.domain.shadowing import Shadow, shadows
from router.domain.subsumption import nothing_left
from router.domain.worded import Worded, worded
from router.domain.working_hours import MINUTES_PER_DAY, WeekHours


class Level(StrEnum):
    """How sure it is that something is wrong: certainly, very likely, or worth a look."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


class Lint(StrEnum):
    """What was looked for."""

    NEVER_MATCHES = "never_matches"
    NEVER_ASSIGNS = "never_assigns"
    UNREACHABLE = "unreachable"
    BEHIND_WIDER = "behind_wider"
    ZERO_CAP = "zero_cap"
    NEVER_OPEN = "never_open"
    DATES_OVER = "dates_over"
    NOT_CHECKED = "not_checked"
    NO_CATCH_ALL = "no_catch_all"
    MINUTE_SHORT = "minute_short"
    SYNONYM = "synonym"
    OTHER_SPELLING = "other_spelling"
    OTHER_ZONE = "other_zone"
    DOUBTFUL_ZONE = "doubtful_zone"
    UNKNOWN_GROUP = "unknown_group"
    UNKNOWN_REP = "unknown_rep"
    EMPTY_GROUP = "empty_group"
    REPS_WITHOUT_LEADS = "reps_without_leads"
    UNNAMED_GROUP = "unnamed_group"
    GROUP_LIKE_REP = "group_like_rep"
    TWO_CALENDARS = "two_calendars"
    UNSEEN_VALUE = "unseen_value"
    UNKNOWN_ATTRIBUTE = "unknown_attribute"
    NOT_A_NUMBER = "not_a_number"
    NOTHING_SEEN = "nothing_seen"


@dataclass(frozen=True, slots=True)
class Finding:
    """One of them. `path` is the field, as `rules[0].match.region`; `rule` the rule's name, None for a setting.
    `message` may be worded.
    """

    level: Level
    lint: Lint
    path: str
    message: str
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """The fields of a file that could not be read, by their paths: what depends on them must not be reported."""

    paths: frozenset[str] = frozenset()
    _around: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        around = frozenset(outer for bad in self.paths for outer in _up_from(bad))
        object.__setattr__(self, "_around", around)

    def within(self, path: str) -> bool:
        """Whether the field, something in it, or what it is a part of could not be read."""
        return bool(self.paths) and (path in self._around or not self.paths.isdisjoint(_up_from(path)))

    def keep(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings whose field was read whole."""
        return [one for one in findings if not self.within(one.path)]


def _up_from(path: str) -> Iterator[str]:
    """The field, and all that it is a part of."""
    yield path
    for place, character in enumerate(path):
        if character in ".[":
            yield path[:place]


ALL_READ = Unread()


STEPS = 20_000_000
"""Ten thousand rules of usual kinds take a tenth of them; all of them take some seconds of a processor."""


def lint_rules(ruleset: Ruleset, unread: Unread = ALL_READ, steps: int = STEPS) -> list[Finding]:
    """What the rules alone show, in their order; settings first.

    Of a ruleset that could not be read whole, only what is certain whatever is in the fields that are `unread`. Rules
    are compared in at most so many `steps`; from which rule on that was not enough is said.
    """
    found = unread.keep(_settings(ruleset))
    # A rule that was read in part looks wider than it is.
    whole = [(number, rule) for number, rule in enumerate(ruleset.rules) if not unread.within(f"rules[{number}]")]
    budget = Budget(steps)
    rules = list(enumerate(ruleset.rules))
    exclusions = _affordable((number, tuple(nothing_left(rule.match, budget))) for number, rule in rules)
    shadowed = _affordable(shadows(whole, budget))
    unchecked = [number for number, _ in (*rules[len(exclusions) :][:1], *whole[len(shadowed) :][:1])]
    for number, rule in rules:
        path = f"rules[{number}]"
        found += unread.keep(_rule(path, rule, exclusions.get(number, ())))
        if (shadow := shadowed.get(number)) is not None:
            found.append(_shadowed(path, rule, shadow))
        if number == min(unchecked, default=None):
            found.append(Finding(Level.HINT, Lint.NOT_CHECKED, path, _NOT_CHECKED, rule.name))
    if unread.within("rules"):
        return found
    if not any(rule.match == Match() and rule.window is None and not rule.to_owner for rule in ruleset.rules):
        message = worded(
            "no rule matches every lead (match: {{}} to a group): leads that no rule matches wait, and are parked "
            "after no_match_max_age"
        )
        found.append(Finding(Level.HINT, Lint.NO_CATCH_ALL, "rules", message))
    return found


def is_never(hours: WeekHours | None) -> bool:
    """Whether these hours never open."""
    return hours is not None and not any(hours.days)


def minute_short(hours: WeekHours | None) -> bool:
    """Whether hours end at 23:59 although 24:00 was meant, most likely."""
    return hours is not None and any(end == MINUTES_PER_DAY - 1 for day in hours.days for _, end in day)


LAST_MINUTE = worded("end at 23:59, so the last minute of the day is outside; 24:00 is the end of the day")
_ENDS = worded("ends at 23:59, so the last minute of the day is outside; 24:00 is the end of the day")


_NOT_CHECKED = worded(
    "not checked from this rule on, since it takes too long: whether conditions exclude each other, and whether rules "
    "before take all of the leads; shorter lists and fewer combinations of conditions can be checked"
)
T = TypeVar("T")


def _affordable(found: Iterable[tuple[int, T]]) -> dict[int, T]:
    """What came before the budget was used up."""
    so_far: dict[int, T] = {}
    try:
        for number, one in found:
            so_far[number] = one
    except OverBudget:
        pass
    return so_far


def _settings(ruleset: Ruleset) -> Iterator[Finding]:
    for name in ("max_open", "max_per_day"):
        if getattr(ruleset.defaults, name) == 0:
            message = worded("is 0: reps who have no cap of their own never get a lead")
            yield Finding(Level.WARNING, Lint.ZERO_CAP, f"defaults.{name}", message)
    if is_never(ruleset.calendar.working_hours):
        message = worded("never open: reps who have no hours of their own never get a lead")
        yield Finding(Level.WARNING, Lint.NEVER_OPEN, "calendar.working_hours", message)
    for one in ruleset.groups:
        path = f"groups.{one.group}.calendar.working_hours"
        if is_never(one.working_hours):
            message = worded("never open: reps of the group who have no hours of their own never get a lead")
            yield Finding(Level.WARNING, Lint.NEVER_OPEN, path, message)
        if minute_short(one.working_hours):
            yield Finding(Level.HINT, Lint.MINUTE_SHORT, path, LAST_MINUTE)
    if minute_short(ruleset.calendar.working_hours):
        yield Finding(Level.HINT, Lint.MINUTE_SHORT, "calendar.working_hours", LAST_MINUTE)


def _rule(path: str, rule: Rule, exclude: Iterable[str]) -> Iterator[Finding]:
    """`exclude` = the fields whose conditions exclude each other."""
    for name in exclude:
        message = worded("the conditions on {field} exclude each other: no lead can match", field=name)
        yield Finding(Level.ERROR, Lint.NEVER_MATCHES, f"{path}.match.{name}", message, rule.name)
    if rule.to_owner and rule.match.known_customer is False:
        message = worded("matches only customers without an owner but assigns to the owner: it can never assign")
        yield Finding(Level.ERROR, Lint.NEVER_ASSIGNS, f"{path}.assign_to", message, rule.name)
    if is_never(rule.window):
        message = (
            worded("never opens: the rule never assigns, and its leads wait in vain")
            if rule.wait
            else worded("never opens: the rule never assigns")
        )
        yield Finding(Level.WARNING, Lint.NEVER_OPEN, f"{path}.window", message, rule.name)
    if minute_short(rule.window):
        yield Finding(Level.HINT, Lint.MINUTE_SHORT, f"{path}.window", _ENDS, rule.name)


def _shadowed(path: str, rule: Rule, shadow: Shadow) -> Finding:
    other = shadow.other
    if not shadow.ends:
        return Finding(Level.HINT, Lint.BEHIND_WIDER, path, _behind(other), rule.name)
    if other.wait:
        message = worded(
            'is never reached: "{other}" before it matches all of its leads and has on_no_candidate: wait',
            other=other.name,
        )
    elif rule.rep:
        message = worded('never assigns: "{other}" before it gives all of its leads to the same rep', other=other.name)
    else:
        message = worded(
            'never assigns: "{other}" before it gives all of its leads to the same group', other=other.name
        )
    return Finding(Level.WARNING, Lint.UNREACHABLE, path, message, rule.name)


def _behind(other: Rule) -> Worded:
    if other.rep:
        return worded(
            'gets leads only while rep {rep} is not available: "{other}" before it is wider; should the narrower rule '
            "come first?",
            rep=other.rep,
            other=other.name,
        )
    return worded(
        'gets leads only while nobody in group {group} is available: "{other}" before it is wider; should the narrower '
        "rule come first?",
        group=other.group,
        other=other.name,
    )
