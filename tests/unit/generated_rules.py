"""Random valid rulesets, and the YAML that says the same."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import yaml
from hypothesis import strategies as st

from router.domain.asked import COMPANY, beginning_form, comparable, number_text
from router.domain.conditions import FactCondition, NoneOf, OneOf, Prefix, Present, Range
from router.domain.lead import FACT_FIELDS
from router.domain.ruleset import (
    CalendarSpec,
    CloseRate,
    Created,
    DateRange,
    Defaults,
    Match,
    PresenceSpec,
    PriorityRange,
    Rule,
    Ruleset,
    SoldProduct,
    Weights,
)
from router.domain.text import fold
from router.domain.working_hours import WeekHours, format_week, week_of
from router.rules.file import read_rules

_characters = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
# What YAML would read as something else, when it is not quoted.
_traps = st.sampled_from(
    ["no", "on", "yes", "null", "~", "012", "1e3", "12:30", "2026-01-01", "<<", "=", "- a", "a: b"]
)
_texts = (_traps | st.text(_characters, min_size=1, max_size=12)).map(str.strip).filter(bool)
_folded = _texts.map(fold).filter(lambda value: bool(value) and fold(value) == value and value == value.strip())
_groups = _texts.filter(lambda name: not set(name) & set(";；|、"))
_milli = st.integers(1, 1_000_000)
_caps = st.none() | st.integers(0, 1_000_000)
_days = st.integers(1, 3650).map(lambda days: timedelta(days=days))
_spans = st.integers(1, 3650 * 86400).map(lambda seconds: timedelta(seconds=seconds))
_intervals = st.lists(st.integers(0, 1440), max_size=6, unique=True).map(
    lambda minutes: list(zip(sorted(minutes)[::2], sorted(minutes)[1::2], strict=False))
)
weeks: st.SearchStrategy[WeekHours] = st.lists(_intervals, min_size=7, max_size=7).map(week_of)


_priority = st.integers(-1_000_000, 1_000_000)
_some_priorities = st.frozensets(_priority, min_size=1, max_size=3)


@st.composite
def _ranges(draw: st.DrawFn) -> PriorityRange:
    least, most = draw(st.none() | _priority), draw(st.none() | _priority)
    if least is not None and most is not None and least > most:
        least, most = most, least
    nothing = least is None and most is None
    return PriorityRange(least, most, draw(_some_priorities if nothing else st.frozensets(_priority, max_size=3)))


@st.composite
def _date_ranges(draw: st.DrawFn) -> DateRange:
    first, last = sorted(draw(st.tuples(_dates, _dates)))
    return DateRange(*draw(st.sampled_from([(first, last), (first, None), (None, last)])))


_dates = st.dates(date(2000, 1, 1), date(2199, 12, 31))
priorities: st.SearchStrategy[frozenset[int] | PriorityRange | None] = st.none() | _some_priorities | _ranges()


ATTRIBUTE_NAMES = ("attributes.budget", "attributes.Größe")
_bounds = st.none() | st.sampled_from([-3, 0, 2, 5]).map(Decimal) | st.decimals(-9, 9, places=2).map(Decimal.normalize)


@st.composite
def _number_ranges(draw: st.DrawFn, name: str) -> Range:
    least, most = draw(_bounds), draw(_bounds)
    if least is None and most is None:
        least = Decimal(5)
    if least is not None and most is not None and least > most:
        least, most = most, least
    return Range(name, least, most)


@st.composite
def more_conditions(
    draw: st.DrawFn, name: str, values: st.SearchStrategy[str] = _folded
) -> tuple[OneOf | None, tuple[FactCondition, ...]]:
    """On a company or an attribute: as on other fields, and of an attribute a range as well."""
    own = values.map(lambda value: comparable(name, value)).filter(lambda value: comparable(name, value) == value)
    one_of, others = draw(fact_conditions(name, own))
    silent = any(isinstance(other, Present) and not other.present for other in others)
    if name == COMPANY or one_of is not None or silent or draw(st.booleans()):
        return one_of, others
    return None, (draw(_number_ranges(name)), *(others if draw(st.booleans()) else ()))


@st.composite
def fact_conditions(
    draw: st.DrawFn, name: str, values: st.SearchStrategy[str] = _folded
) -> tuple[OneOf | None, tuple[NoneOf | Prefix | Present, ...]]:
    """On one field: a plain value or list, or operators as they can stand together, in the reader's order."""
    sets = st.frozensets(values, min_size=1, max_size=4)
    kind = draw(st.sampled_from(["plain", "plain", "absent", "operators"]))
    if kind == "plain":
        return OneOf(name, draw(sets)), ()
    if kind == "absent":
        return None, (Present(name, False),)
    form = beginning_form(name)
    starts = st.frozensets(
        values.map(form).filter(lambda value: value and form(value) == value), min_size=1, max_size=4
    )
    conditions = (NoneOf(name, draw(sets)), Prefix(name, draw(starts)), Present(name, True))
    chosen = draw(st.sets(st.integers(0, 2), min_size=1))
    return None, tuple(conditions[i] for i in sorted(chosen))


@st.composite
def matches(draw: st.DrawFn, values: st.SearchStrategy[str] = _folded) -> Match:
    fields = draw(st.sets(st.sampled_from(FACT_FIELDS)))
    drawn: list[tuple[OneOf | None, tuple[FactCondition, ...]]] = [
        draw(fact_conditions(name, values)) for name in FACT_FIELDS if name in fields
    ]
    asked = sorted(draw(st.sets(st.sampled_from(ATTRIBUTE_NAMES), max_size=1)))
    more = [COMPANY, *asked] if draw(st.booleans()) else asked
    drawn += [draw(more_conditions(name, values)) for name in more]
    return Match(
        one_of=tuple(one_of for one_of, _ in drawn if one_of is not None),
        others=tuple(other for _, others in drawn for other in others),
        priority=draw(priorities),
        known_customer=draw(st.none() | st.booleans()),
        created=draw(st.none() | st.sampled_from(Created) | _spans),
        date=draw(st.none() | _date_ranges()),
    )


@st.composite
def rules(draw: st.DrawFn, name: str) -> Rule:
    group, rep = draw(st.none() | _groups), draw(st.none() | _texts)
    if group is not None and rep is not None:
        group = f"rep:{rep}"
    return Rule(
        name=name,
        match=draw(matches()),
        group=group,
        fall_back_after=draw(st.none() | _spans) if group is None else None,
        wait=group is not None and draw(st.booleans()),
        window=draw(st.none() | weeks),
        rep=None if group is None else rep,
        owns=group is None or draw(st.booleans()),
    )


@st.composite
def rulesets(draw: st.DrawFn) -> Ruleset:
    names = draw(st.lists(_texts, min_size=1, max_size=5, unique_by=fold))
    segments = st.sampled_from(FACT_FIELDS)
    rates = st.builds(CloseRate, lookback=_days, prior_leads=st.integers(0, 1_000_000), segment=segments)
    sold = st.builds(SoldProduct, lookback=_days, factor=_milli)
    presences = st.builds(PresenceSpec, groups=st.lists(_groups, min_size=1, max_size=3).map(tuple), ttl=_spans)
    return Ruleset(
        version=draw(st.integers(0, 9)),
        rules=tuple(draw(rules(name)) for name in names),
        business_time_zone=draw(st.sampled_from(["UTC", "Asia/Shanghai", "America/Santiago"])),
        default_phone_region=draw(st.sampled_from([None, "CN", "NO", "DE"])),
        calendar=CalendarSpec(draw(st.sampled_from([None, "CN", "NO", "DE-BY"])), draw(st.none() | weeks)),
        defaults=Defaults(draw(_caps), draw(_caps)),
        weights=Weights(draw(_milli), draw(_milli), draw(st.none() | rates), draw(st.none() | sold)),
        presence=draw(st.none() | presences),
        max_age=draw(_spans),
        no_match_max_age=draw(_spans),
    )


def to_yaml(ruleset: Ruleset, *, flow: bool, unicode: bool) -> str:
    """A rules file that says the same, by PyYAML's own writer."""
    weights, presence = ruleset.weights, ruleset.presence
    document = {
        "business_time_zone": ruleset.business_time_zone,
        "default_phone_region": ruleset.default_phone_region,
        "calendar": {"country": ruleset.calendar.country, "working_hours": _hours(ruleset.calendar.working_hours)},
        "defaults": {"max_open": ruleset.defaults.max_open, "max_per_day": ruleset.defaults.max_per_day},
        "presence": presence and {"groups": list(presence.groups), "ttl": _span(presence.ttl)},
        "weights": {
            "region_match": weights.region_match / 1000,
            "industry_match": weights.industry_match / 1000,
            "close_rate": weights.close_rate
            and {
                "lookback_days": weights.close_rate.lookback.days,
                "prior_leads": weights.close_rate.prior_leads,
                "segment": weights.close_rate.segment,
            },
            "sold_product": weights.sold_product
            and {
                "lookback_days": weights.sold_product.lookback.days,
                "factor": weights.sold_product.factor / 1000,
            },
        },
        "max_age": _span(ruleset.max_age),
        "no_match_max_age": _span(ruleset.no_match_max_age),
        "rules": [_rule(rule) for rule in ruleset.rules],
    }
    return yaml.safe_dump(_stated(document), default_flow_style=flow, allow_unicode=unicode, sort_keys=False)


def _rule(rule: Rule) -> dict[str, Any]:
    match: dict[str, Any] = {c.field: _listed(c.values) for c in rule.match.one_of}
    for other in rule.match.others:
        if isinstance(other, Range):
            bounds = (("from", other.least), ("to", other.most))
            match.setdefault(other.field, {}).update({key: number_text(b) for key, b in bounds if b is not None})
            continue
        assert isinstance(other, NoneOf | Prefix | Present)
        word = {NoneOf: "not", Prefix: "prefix", Present: "present"}[type(other)]
        match.setdefault(other.field, {})[word] = other.present if isinstance(other, Present) else _listed(other.values)
    created, wanted = rule.match.created, rule.match.priority
    match["priority"] = sorted(wanted) if isinstance(wanted, frozenset) else None
    if isinstance(wanted, PriorityRange):
        match["priority"] = {"from": wanted.least, "to": wanted.most, "not": sorted(wanted.but) or None}
    match["known_customer"] = rule.match.known_customer
    match["created"] = {"within": _span(created)} if isinstance(created, timedelta) else created and str(created)
    match["date"] = rule.match.date and {"from": rule.match.date.first, "to": rule.match.date.last}
    return {
        "name": rule.name,
        "match": match,
        "assign_to": "owner" if rule.group is None else rule.group if rule.rep else f"group:{rule.group}",
        "owns": None if rule.owns else False,
        "fall_back_after": rule.fall_back_after and _span(rule.fall_back_after),
        "on_no_candidate": "wait" if rule.wait else None,
        "window": _hours(rule.window),
    }


def _listed(values: frozenset[str]) -> str | list[str]:
    return sorted(values) if len(values) > 1 else min(values)


def _hours(week: WeekHours | None) -> str | dict[str, str] | None:
    """As a mapping where the text has days, so that both ways of writing hours are read."""
    if week is None:
        return None
    if " " not in format_week(week):
        return format_week(week)
    return dict(clause.split(" ", 1) for clause in format_week(week).split("; "))


def _span(span: timedelta) -> str:
    return f"{int(span.total_seconds())}s"


def _stated(value: Any) -> Any:
    """Without the fields that are not set."""
    if isinstance(value, dict):
        return {name: _stated(one) for name, one in value.items() if one is not None}
    return [_stated(one) for one in value] if isinstance(value, list) else value


def read_ruleset(text: str, file: str, version: int = 0) -> Ruleset:
    """The ruleset in the text alone; where it states no zone it is UTC. Raises RulesError."""
    return replace(read_rules(text, file).ruleset, version=version)
