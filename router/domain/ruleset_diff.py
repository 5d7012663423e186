"""What differs between two rulesets, in the words of the rules file."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from router.domain.phrases import listed
from router.domain.ruleset import GroupCalendar, Match, PriorityRange, Rule, Ruleset, Weights
from router.domain.working_hours import WeekHours, format_week

VALUES_SHOWN = 5
MEMBERS_SHOWN = 20

Value = str | tuple[str, ...] | None
"""A field's value as text; a tuple where the order of its parts means nothing; None where it is not set."""


class Kind(StrEnum):
    """What happened to a rule, or to a field of a rule or of the ruleset."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    MOVED = "moved"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `rule` is the rule's name in the old ruleset, or in the new one if it was added.

    For a changed `field` (such as `match.region`) `before` and `after` are its values; for a renamed rule its names;
    for a moved one the rules before it (None = it is the first); for an added or removed one its fields,
    and `behind` is the rule before it.
    """

    kind: Kind
    rule: str | None = None
    field: str | None = None
    before: Value = None
    after: Value = None
    behind: str | None = None

    def __str__(self) -> str:
        subject = f'rule "{self.rule}"'
        match self.kind:
            case Kind.ADDED:
                return f"{subject} added {_place(self.behind)}: {_text(self.after)}"
            case Kind.REMOVED:
                return f"{subject} removed: {_text(self.before)}"
            case Kind.RENAMED:
                return f'{subject} renamed to "{self.after}"'
            case Kind.MOVED:
                return f"{subject} moved: now {_place(self.after)}, was {_place(self.before)}"
        field = f"{subject}: {self.field}" if self.rule is not None else self.field
        if isinstance(self.before, tuple) and isinstance(self.after, tuple):
            return f"{field}: {_members(self.before, self.after)}"
        return f"{field}: {_text(self.before)} → {_text(self.after)}"


def diff_rulesets(old: Ruleset, new: Ruleset) -> list[Change]:
    """All differences: settings, then rules in the new order, then the removed ones. Versions are not compared."""
    pairs = _paired(old.rules, new.rules)
    stayed = _longest_rise([pairs[rule.name] for rule in new.rules if rule.name in pairs])
    changes = list(_fields(None, settings(old), settings(new)))
    for place, rule in enumerate(new.rules):
        if rule.name in pairs:
            changes += _same_rule(old.rules, pairs[rule.name], new.rules, place, stayed)
        else:
            front = _before(new.rules, place)
            changes.append(Change(Kind.ADDED, rule.name, after=_summary(rule), behind=front))
    kept = set(pairs.values())
    for place, rule in enumerate(old.rules):
        if place not in kept:
            front = _before(old.rules, place)
            changes.append(Change(Kind.REMOVED, rule.name, before=_summary(rule), behind=front))
    return changes


def settings(ruleset: Ruleset) -> dict[str, Value]:
    """Every field that is not a rule, by its path in the rules file."""
    return {
        "business_time_zone": ruleset.business_time_zone,
        "default_phone_region": ruleset.default_phone_region,
        "calendar.country": ruleset.calendar.country,
        "calendar.working_hours": _hours(ruleset.calendar.working_hours),
        "defaults.max_open": _number(ruleset.defaults.max_open),
        "defaults.max_per_day": _number(ruleset.defaults.max_per_day),
        **_weights(ruleset.weights),
        "presence.groups": None if ruleset.presence is None else ruleset.presence.groups,
        "presence.ttl": None if ruleset.presence is None else _span(ruleset.presence.ttl),
        **_group_calendars(ruleset.groups),
        "max_age": _span(ruleset.max_age),
        "no_match_max_age": _span(ruleset.no_match_max_age),
        **_synonyms(ruleset),
    }


def rule_fields(rule: Rule) -> dict[str, Value]:
    """The fields of a rule, but its name, by their paths in the rule; what is not set is left out."""
    match = rule.match
    created = _span(match.created) if isinstance(match.created, timedelta) else match.created
    fields = dict(_fact_fields(match)) | dict(_priority_fields(match.priority))
    if match.known_customer is not None:
        fields["match.known_customer"] = "true" if match.known_customer else "false"
    fields["match.created"] = f"within {created}" if isinstance(match.created, timedelta) else created
    if match.date is not None:
        fields["match.date.from"] = match.date.first.isoformat() if match.date.first else None
        fields["match.date.to"] = match.date.last.isoformat() if match.date.last else None
    fields["assign_to"] = f"rep:{rule.rep}" if rule.rep else "owner" if rule.to_owner else f"group:{rule.group}"
    fields["owns"] = None if rule.owns else "no"
    fields["fall_back_after"] = _span(rule.fall_back_after)
    fields["on_no_candidate"] = "wait" if rule.wait else None
    fields["window"] = _hours(rule.window)
    return {name: value for name, value in fields.items() if value is not None}


def _fact_fields(match: Match) -> Iterator[tuple[str, Value]]:
    for condition in match.facts:
        for key, value in condition.written().items():
            yield ".".join(filter(None, ("match", condition.field, key))), value


def _priority_fields(wanted: frozenset[int] | PriorityRange | None) -> Iterator[tuple[str, Value]]:
    if isinstance(wanted, PriorityRange):
        yield "match.priority.from", _number(wanted.least)
        yield "match.priority.to", _number(wanted.most)
        yield "match.priority.not", tuple(map(str, sorted(wanted.but))) or None
    elif wanted is not None:
        yield "match.priority", tuple(map(str, sorted(wanted)))


def _same_rule(old: Sequence[Rule], was: int, new: Sequence[Rule], now: int, stayed: set[int]) -> Iterator[Change]:
    before, after = old[was], new[now]
    if before.name != after.name:
        yield Change(Kind.RENAMED, before.name, before=before.name, after=after.name)
    if was not in stayed:
        yield Change(Kind.MOVED, before.name, before=_before(old, was), after=_before(new, now))
    yield from _fields(before.name, rule_fields(before), rule_fields(after))


def _fields(rule: str | None, old: Mapping[str, Value], new: Mapping[str, Value]) -> Iterator[Change]:
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name), new.get(name)
        if before != after:
            yield Change(Kind.CHANGED, rule, name, before, after)


def _paired(old: Sequence[Rule], new: Sequence[Rule]) -> dict[str, int]:
    """Name in the new rules to place in the old ones: by name, or else by being equal in all but the name."""
    places = {rule.name: place for place, rule in enumerate(old)}
    pairs = {rule.name: places.pop(rule.name) for rule in new if rule.name in places}
    nameless: dict[Rule, list[int]] = {}
    for place in places.values():
        nameless.setdefault(replace(old[place], name=""), []).append(place)
    for rule in new:
        same = nameless.get(replace(rule, name="")) if rule.name not in pairs else None
        if same:
            pairs[rule.name] = same.pop(0)
    return pairs


def _longest_rise(places: Sequence[int]) -> set[int]:
    """The members of a longest rising subsequence: the rules that count as not moved."""
    ends: list[int] = []
    tops: list[int] = []
    previous: dict[int, int | None] = {}
    for place in places:
        at = bisect_left(tops, place)
        previous[place] = ends[at - 1] if at else None
        tops[at : at + 1] = [place]
        ends[at : at + 1] = [place]
    found: set[int] = set()
    last = ends[-1] if ends else None
    while last is not None:
        found.add(last)
        last = previous[last]
    return found


def _summary(rule: Rule) -> str:
    return "; ".join(f"{name} {_shortened(value)}" for name, value in rule_fields(rule).items())


def _shortened(value: Value, limit: int = VALUES_SHOWN) -> str:
    return listed(value, limit) if isinstance(value, tuple) else _text(value)


def _before(rules: Sequence[Rule], place: int) -> str | None:
    return rules[place - 1].name if place else None


def _place(rule: Value) -> str:
    return "as first rule" if rule is None else f'after "{rule}"'


def _members(before: tuple[str, ...], after: tuple[str, ...]) -> str:
    came, went = sorted(set(after) - set(before)), sorted(set(before) - set(after))
    changed = (("added", came), ("removed", went))
    return "; ".join(f"{word} {_shortened(tuple(values), MEMBERS_SHOWN)}" for word, values in changed if values)


def _text(value: Value) -> str:
    return "none" if value is None else value if isinstance(value, str) else ", ".join(value)


def _weights(weights: Weights) -> dict[str, Value]:
    rate, sold = weights.close_rate, weights.sold_product
    return {
        "weights.region_match": _thousandths(weights.region_match),
        "weights.industry_match": _thousandths(weights.industry_match),
        "weights.close_rate.lookback_days": _number(rate.lookback.days) if rate else None,
        "weights.close_rate.prior_leads": _number(rate.prior_leads) if rate else None,
        "weights.close_rate.segment": rate.segment if rate else None,
        "weights.sold_product.lookback_days": _number(sold.lookback.days) if sold else None,
        "weights.sold_product.factor": _thousandths(sold.factor) if sold else None,
    }


def _synonyms(ruleset: Ruleset) -> dict[str, Value]:
    """The words that values also match, by field."""
    fields = sorted({field for field, _, _ in ruleset.synonyms})
    return {
        f"synonyms.{field}": tuple(f"{value} = {word}" for of, value, word in ruleset.synonyms if of == field)
        for field in fields
    }


def _group_calendars(groups: Sequence[GroupCalendar]) -> dict[str, Value]:
    fields: dict[str, Value] = {}
    for one in groups:
        fields[f"groups.{one.group}.time_zone"] = one.time_zone
        fields[f"groups.{one.group}.calendar.country"] = one.country
        fields[f"groups.{one.group}.calendar.working_hours"] = _hours(one.working_hours)
    # Of a rep in several groups the first one counts.
    return fields | {"groups": " > ".join(one.group for one in groups) if len(groups) > 1 else None}


def _thousandths(milli: int) -> str:
    whole, rest = divmod(milli, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _hours(week: WeekHours | None) -> str | None:
    return None if week is None else format_week(week)


def _span(span: timedelta | None) -> str | None:
    """As the rules file has it, in the largest unit that fits: 90s, 30m, 4h, 2d."""
    if span is None:
        return None
    seconds = int(span.total_seconds())
    unit, size = next((u, s) for u, s in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if seconds % s == 0)
    return f"{seconds // size}{unit}"
