"""Rules, and what differs between two versions of them, in words for people. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ops.text.translation import N_, Say
from ops.why.phrases import duration, wanted_words
from router.domain.conditions import Operator
from router.domain.explain_parts import Condition
from router.domain.phrases import listed
from router.domain.ruleset import Created, DateRange, Match, PriorityRange, Rule, Ruleset
from router.domain.ruleset_diff import Kind, Value, rule_fields, settings
from router.domain.working_hours import format_week

LEVELS: Mapping[str, str] = {"error": N_("error"), "warning": N_("warning"), "hint": N_("hint")}
PILLS: Mapping[str, str] = {"error": "critical", "warning": "warning", "hint": "info"}
KINDS: Mapping[str, str] = {
    Kind.ADDED: N_("added"),
    Kind.REMOVED: N_("deleted"),
    Kind.RENAMED: N_("renamed"),
    Kind.MOVED: N_("moved"),
    Kind.CHANGED: N_("changed"),
}
REPLAY_CHANGES: Mapping[str, str] = {
    "other rep": N_("another rep"),
    "other rule": N_("the same rep by another rule"),
    "earlier": N_("the same rep, earlier"),
    "later": N_("the same rep, later"),
    "no longer assigned": N_("not assigned any more"),
    "newly assigned": N_("assigned only now"),
    "parked": N_("parked"),
    "waits instead of being parked": N_("waits instead of being parked"),
}
TABLE_COLUMNS = ("number", "rule", "match", "assign_to", "on_no_candidate", "fall_back_after", "window", "owns")
CHANGE_COLUMNS = ("kind", "rule", "field", "before", "after", "text")
VALUES_SHOWN = 12

_EVERY_LEAD = N_("every lead")
_AT_ONCE = N_("the next rules, at once")
_NEXT = N_("the next rules")
_WAITS = N_("the lead waits")
_WAITS_FOR_OWNER = N_("the lead waits {span} for the owner, then the next rules")
_FIRST = N_("as the first rule")
_AFTER = N_("after {rule}")


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule: for which leads, to whom (`kind` is owner, group or rep, `target` the name), and what happens where
    nobody can take the lead. `window` as the file has it, empty = always. `owns`: the rep becomes the customer's owner.
    """

    number: int
    name: str
    leads: str
    kind: str
    target: str
    otherwise: str
    window: str
    owns: bool


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One difference: what happened to which rule (empty = a setting) or field, and how it was and is."""

    kind: str
    rule: str
    field: str
    before: str
    after: str


def rule_rows(ruleset: Ruleset, say: Say) -> list[RuleRow]:
    """In their order."""
    return [_row(number, rule, say) for number, rule in enumerate(ruleset.rules, start=1)]


def _row(number: int, rule: Rule, say: Say) -> RuleRow:
    kind, target = ("owner", "") if rule.to_owner else ("rep", rule.rep) if rule.rep else ("group", rule.group or "")
    return RuleRow(
        number,
        rule.name,
        say.gettext(", ").join(wanted_words(one, say) for one in asked_by(rule.match)) or say.gettext(_EVERY_LEAD),
        kind,
        target,
        _otherwise(rule, say),
        "" if rule.window is None else format_week(rule.window),
        rule.owns,
    )


def _otherwise(rule: Rule, say: Say) -> str:
    if not rule.to_owner:
        return say.gettext(_WAITS if rule.wait else _NEXT)
    if rule.fall_back_after is None:
        return say.gettext(_AT_ONCE)
    return say.gettext(_WAITS_FOR_OWNER).format(span=duration(rule.fall_back_after, say))


def asked_by(match: Match) -> Iterator[Condition]:
    """What a rule asks for, as explanations have it, in their order."""
    for fact in match.facts:
        operator, wanted = fact.asked()
        yield Condition(fact.field, wanted, None, True, operator)
    yield from _of_priority(match.priority)
    if match.known_customer is not None:
        yield Condition("known_customer", ("true" if match.known_customer else "false",), None, True)
    if match.date is not None:
        yield Condition("date", _days(match.date), None, True, Operator.RANGE)
    if match.created is not None:
        yield Condition("created", _created(match.created), None, True)


def _created(wanted: Created | timedelta) -> tuple[str, ...]:
    return ("within", f"{wanted.total_seconds():.0f}") if isinstance(wanted, timedelta) else (str(wanted),)


def _of_priority(wanted: frozenset[int] | PriorityRange | None) -> Iterator[Condition]:
    if isinstance(wanted, frozenset):
        yield Condition("priority", tuple(map(str, sorted(wanted))), None, True)
    elif wanted is not None:
        bounds = tuple("" if bound is None else str(bound) for bound in (wanted.least, wanted.most))
        if any(bounds):
            yield Condition("priority", bounds, None, True, Operator.RANGE)
        if wanted.but:
            yield Condition("priority", tuple(map(str, sorted(wanted.but))), None, True, Operator.NOT)


def _days(days: DateRange) -> tuple[str, str]:
    first, last = (day.isoformat() if day else "" for day in (days.first, days.last))
    return first, last


def setting_rows(ruleset: Ruleset) -> list[tuple[str, str]]:
    """What is set beside the rules, by its name in the file."""
    of = settings(ruleset)
    # The time zone is the tenant's, and is on the page; factors of 1 change nothing.
    left_out = {"business_time_zone"} | {name for name in of if name.endswith("_match") and of[name] == "1"}
    return [(name, _text(value)) for name, value in of.items() if value is not None and name not in left_out]


def table_cells(ruleset: Ruleset) -> Iterator[Sequence[object]]:
    """The rules as cells of TABLE_COLUMNS, in the words of the rules file."""
    for number, rule in enumerate(ruleset.rules, start=1):
        fields = rule_fields(rule)
        match = "; ".join(
            f"{name.removeprefix('match.')} {_text(value, None)}"
            for name, value in fields.items()
            if name.startswith("match.")
        )
        rest = (fields.get(name) or "" for name in TABLE_COLUMNS[3:])
        yield (number, rule.name, match, *(_text(value, None) for value in rest))


def change_rows(changes: Sequence[Mapping[str, Any]], say: Say) -> list[ChangeRow]:
    """Differences, as the API has them."""
    return [_change(one, say) for one in changes]


def _change(change: Mapping[str, Any], say: Say) -> ChangeRow:
    kind, rule, field = str(change["kind"]), change["rule"] or "", change["field"] or ""
    before, after = change["before"], change["after"]
    words = say.gettext(KINDS.get(kind, kind))
    if kind == Kind.MOVED:
        return ChangeRow(words, rule, "", _place(before, say), _place(after, say))
    if kind in (Kind.ADDED, Kind.REMOVED):
        where = " · ".join(filter(None, (_place(change["behind"], say), _text(before), _text(after))))
        return ChangeRow(words, rule, "", where if kind == Kind.REMOVED else "", where if kind == Kind.ADDED else "")
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        gone, come = sorted({*before} - {*after}), sorted({*after} - {*before})
        return ChangeRow(words, rule, field, _signed("−", gone), _signed("+", come))
    return ChangeRow(words, rule, field, _text(before), _text(after))


def _signed(sign: str, values: Sequence[str]) -> str:
    return f"{sign} {listed(values, VALUES_SHOWN)}" if values else ""


def _place(rule: str | None, say: Say) -> str:
    return say.gettext(_FIRST) if rule is None else say.gettext(_AFTER).format(rule=rule)


def _text(value: Value, limit: int | None = VALUES_SHOWN) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return ", ".join(value) if limit is None else listed(value, limit)
