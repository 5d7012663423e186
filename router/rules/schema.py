"""The fields of a rules file: for each of them a reader that gives the value routing works with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import yaml

from router.domain.calendar import WeekHours, holiday_calendar, parse_week
from router.domain.holidays import country_code
from router.domain.lead import FACT_FIELDS
from router.domain.roster import ONE_REP
from router.domain.ruleset import (
    CalendarSpec,
    CloseRate,
    Defaults,
    GroupCalendar,
    Match,
    PresenceSpec,
    Rule,
    SoldProduct,
    Weights,
)
from router.domain.text import fold
from router.domain.worded import said_by, worded
from router.rules.document import At, Reader, Wrong
from router.rules.kinds import days, duration, factor, phone_region, zone_name
from router.rules.match_schema import read_match
from router.rules.reader import items, mapping, named_entries, one_or_many, scalar, shorten, text, truth, whole, word

T = TypeVar("T")

MAX_CAP = 1_000_000
MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class _Target:
    """Whom a rule assigns to; neither = the customer's owner."""

    group: str | None = None
    rep: str | None = None


Fields = dict[str, Reader[Any]]

_GROUP = "group:"
_REP = ONE_REP
# What separates the groups of a rep in a roster file, so no group can have it in its name.
_NOT_IN_GROUP_NAMES = ";；|、"


def top_level(at: At) -> dict[str, Any]:
    """Everything that could be read, by the names of Ruleset's fields; the rest is noted."""
    return mapping(at, _TOP, required=("rules",))


def _country(at: At) -> str:
    code = text(at)
    try:
        return holiday_calendar(code).country or code
    except ValueError as error:
        raise Wrong(said_by(error)) from None


def _hours(at: At) -> WeekHours:
    """A text, or a mapping of days to hours; each entry is tried alone first, so that its line is named."""
    if not isinstance(at.node, yaml.MappingNode):
        return _week(scalar(at).value)
    week, before = {}, len(at.problems)
    for name, (_, node) in named_entries(at).items():
        place = at.below(name, node)
        if place.read(partial(_day, name)) is not None:
            week[name] = scalar(place).value
    if len(at.problems) > before:
        return parse_week("never")
    if not week:
        raise Wrong(worded("names no day; write never or always if you mean that"))
    return _week(week)


def _day(name: str, at: At) -> WeekHours:
    return _week({name: scalar(at).value})


def _week(spec: str | dict[str, str]) -> WeekHours:
    try:
        return parse_week(spec)
    except ValueError as error:
        raise Wrong(said_by(error)) from None


def _made_of(kind: Callable[..., T], readers: Fields) -> Reader[T]:
    """A reader of fields that together make one value."""
    return lambda at: kind(**{_ATTRIBUTES.get(name, name): value for name, value in mapping(at, readers).items()})


def _presence(at: At) -> PresenceSpec:
    values = mapping(at, {"groups": lambda one: tuple(one_or_many(one, text)), "ttl": duration}, ("groups",))
    if "groups" not in values:
        raise Wrong(worded("names no groups"))
    return PresenceSpec(**values)


def _group_calendars(at: At) -> tuple[GroupCalendar, ...]:
    """By the names of groups, in the order of the file."""
    found: dict[str, GroupCalendar] = {}
    for name, (key, node) in named_entries(at).items():
        place = at.below(name, node)
        if fold(name) in found:
            same = shorten(found[fold(name)].group)
            place.wrong(worded("is the same group as {group}; write it once", group=same), key)
        elif (one := place.read(partial(_group_calendar, name))) is not None:
            found[fold(name)] = one
    return tuple(found.values())


def _group_calendar(name: str, at: At) -> GroupCalendar:
    values = mapping(at, {"time_zone": zone_name, "calendar": lambda one: mapping(one, _GROUP_CALENDAR)})
    if not values:
        raise Wrong(worded("says nothing; write time_zone, calendar or both, or leave the group out"))
    return GroupCalendar(name, values.get("time_zone"), **values.get("calendar", {}))


def _country_or_none(at: At) -> str:
    try:
        return country_code(text(at))
    except ValueError as error:
        raise Wrong(said_by(error)) from None


def _rules(at: At) -> tuple[Rule, ...]:
    """The rules in their order; a name that is there twice is noted, whatever its case and width."""
    found: list[Rule] = []
    named: dict[str, int] = {}
    reps: dict[str, str] = {}
    for number, place in enumerate(items(at)):
        rule = place.read(_rule)
        if rule is None:
            # Keeps the place, so that the rules behind it have the numbers that they have in the file.
            found.append(Rule(""))
            continue
        found.append(rule)
        if rule.name and (first := named.setdefault(fold(rule.name), number)) != number:
            said = worded("{name} is also the name of {place}", name=shorten(rule.name), place=f"rules[{first}]")
            _field(place, "name").wrong(said)
        # Groups whose names differ only so are one, also those that stand for one rep.
        if rule.rep and (other := reps.setdefault(fold(rule.rep), rule.rep)) != rule.rep:
            message = worded(
                "{rep} and {other} differ only in case or width; one needs another id", rep=rule.rep, other=other
            )
            _field(place, "assign_to").wrong(message)
    return tuple(found)


def _rule(at: At) -> Rule:
    values = mapping(at, _RULE, required=("name", "match", "assign_to"))
    target: _Target | None = values.get("assign_to")
    to_owner = target == _Target()
    if to_owner and "on_no_candidate" in values:
        _field(at, "on_no_candidate").wrong(worded("is for groups; an owner rule waits for fall_back_after"))
    if to_owner and "owns" in values:
        said = worded("is for groups and reps; an owner rule assigns to the rep who has the customer")
        _field(at, "owns").wrong(said)
    if target and not to_owner and "fall_back_after" in values:
        said = worded("only goes with assign_to: owner; a group rule has on_no_candidate")
        _field(at, "fall_back_after").wrong(said)
    return Rule(
        name=values.get("name", ""),
        match=values.get("match", Match()),
        group=target.group if target else None,
        rep=target.rep if target else None,
        owns=values.get("owns", True),
        fall_back_after=values.get("fall_back_after"),
        wait=values.get("on_no_candidate") == "wait",
        window=values.get("window"),
    )


def _field(at: At, name: str) -> At:
    """The place of a field that the mapping is known to have."""
    return at.below(name, next(node for key, node in at.node.value if key.value == name))


def _name(at: At) -> str:
    name = text(at)
    if len(name) > MAX_NAME:
        raise Wrong(worded("has {size} characters; the maximum is {limit}", size=len(name), limit=MAX_NAME))
    return name


def _assign_to(at: At) -> _Target:
    """Names as they are written."""
    if isinstance(at.node, yaml.MappingNode):
        raise Wrong(worded("must be owner, group:NAME or rep:ID; write it without a space behind the colon"))
    target = _name(at)
    if target == "owner":
        return _Target()
    if target.startswith(_REP):
        rep = target.removeprefix(_REP).strip()
        if not rep:
            raise Wrong(worded("has no rep; write rep:ID with the rep_id of the roster"))
        return _Target(f"{_REP}{rep}", rep)
    group = target.removeprefix(_GROUP).strip()
    if not target.startswith(_GROUP):
        raise Wrong(
            worded(
                "must be owner, group:NAME or rep:ID, not {value}; did you mean {meant}?",
                value=shorten(target),
                meant=f"{_GROUP}{shorten(target)}",
            )
        )
    if not group:
        raise Wrong(worded("has no group name; write group:NAME"))
    if any(mark in group for mark in _NOT_IN_GROUP_NAMES):
        raise Wrong(worded("a group's name cannot hold any of {marks}", marks=" ".join(_NOT_IN_GROUP_NAMES)))
    return _Target(group)


_ATTRIBUTES = {"lookback_days": "lookback"}
_CLOSE_RATE: Fields = {
    "lookback_days": days,
    "prior_leads": whole(0, 1_000_000),
    "segment": partial(word, known=FACT_FIELDS),
}
_WEIGHTS: Fields = {
    "region_match": factor,
    "industry_match": factor,
    "close_rate": _made_of(CloseRate, _CLOSE_RATE),
    "sold_product": _made_of(SoldProduct, {"lookback_days": days, "factor": factor}),
}
_RULE: Fields = {
    "name": _name,
    "match": read_match,
    "assign_to": _assign_to,
    "fall_back_after": duration,
    "on_no_candidate": partial(word, known=("next", "wait")),
    "window": _hours,
    "owns": truth,
}
_GROUP_CALENDAR: Fields = {"country": _country_or_none, "working_hours": _hours}
_TOP: Fields = {
    "business_time_zone": zone_name,
    "default_phone_region": phone_region,
    "calendar": _made_of(CalendarSpec, {"country": _country, "working_hours": _hours}),
    "defaults": _made_of(Defaults, dict.fromkeys(("max_open", "max_per_day"), whole(0, MAX_CAP))),
    "weights": _made_of(Weights, _WEIGHTS),
    "presence": _presence,
    "groups": _group_calendars,
    "max_age": duration,
    "no_match_max_age": duration,
    "rules": _rules,
}
