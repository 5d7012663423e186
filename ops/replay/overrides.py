"""What `--set` changes: fields of reps and default caps, applied to every roster and ruleset of a replay."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from router.domain.availability import parse_leave
from router.domain.calendar import parse_week
from router.domain.phrases import listed, suggestion
from router.domain.rep_fields import read_field
from router.domain.roster import MILLI, Rep, Roster
from router.domain.ruleset import Ruleset
from router.domain.text import fold
from router.domain.worded import worded

REP_FIELDS = (
    *("available", "active", "max_open", "max_per_day", "weight", "working_hours"),
    *("leave", "holidays", "time_zone", "groups", "regions", "industries"),
)
"""The fields of a rep that decide who gets a lead."""

DEFAULT_FIELDS = ("max_open", "max_per_day")

_REP = re.compile(r"rep\.(?P<rep>.+?)\.(?P<field>\w+)=(?P<value>.*)", re.DOTALL)
_DEFAULT = re.compile(r"defaults\.(?P<field>\w+)=(?P<value>.*)", re.DOTALL)


_TYPED: Mapping[str, Callable[[Any], Any]] = {
    "working_hours": lambda text: parse_week(text) if text else None,
    "leave": parse_leave,
    "regions": lambda names: frozenset(map(fold, names)),
    "industries": lambda names: frozenset(map(fold, names)),
    "holidays": lambda country: country or None,
    "weight": lambda milli: MILLI if milli is None else milli,
}


class BadOverride(ValueError):
    """A `--set` that cannot be applied; the message names what is valid."""


@dataclass(frozen=True, slots=True)
class Override:
    """One field and its other value, as `rep_fields.read_field` returns it; `rep_id` None = the rules' defaults."""

    rep_id: str | None
    field: str
    value: Any


def read_override(text: str) -> Override:
    """Reads `rep.R.FIELD=VALUE` or `defaults.FIELD=VALUE`. Raises BadOverride."""
    found = _REP.fullmatch(text) or _DEFAULT.fullmatch(text)
    if found is None:
        raise BadOverride(f"{text!r}: write rep.REP_ID.FIELD=VALUE or defaults.FIELD=VALUE, e.g. rep.r1.available=no")
    rep_id = found.groupdict().get("rep")
    field, valid = found["field"], DEFAULT_FIELDS if rep_id is None else REP_FIELDS
    if field not in valid:
        meant = suggestion(field, valid)
        guess = f"; did you mean {meant}?" if meant else ""
        raise BadOverride(f"{text!r}: {field!r} is not a field that can be replayed{guess} (valid: {', '.join(valid)})")
    try:
        return Override(rep_id, field, read_field(field, found["value"]))
    except (ValueError, LookupError) as error:
        raise BadOverride(f"{text!r}: {field} {error}") from None


def check_overrides(overrides: Iterable[Override], roster: Roster) -> None:
    """Raises BadOverride for a rep or a group that the roster, whose names are the newest, does not have."""
    known = [rep.rep_id for rep in roster.reps]
    groups = {fold(name) for name in roster.group_names.values()}
    for one in overrides:
        if one.rep_id is not None and one.rep_id not in known:
            meant = suggestion(one.rep_id, known, limit=3)
            if meant:
                guess = worded("; did you mean {meant}?", meant=meant)
            else:
                guess = worded(" (there are: {names})", names=listed(known, 10) or worded("none"))
            raise BadOverride(worded("there is no rep {rep}{guess}", rep=repr(one.rep_id), guess=guess))
        for name in one.value if one.field == "groups" else ():
            if fold(name) not in groups:
                names = listed(sorted(roster.group_names.values()), 20)
                raise BadOverride(
                    worded(
                        "there is no group {group} (there are: {names})",
                        group=repr(name),
                        names=names or worded("none"),
                    )
                )


def with_reps_changed(roster: Roster, overrides: Sequence[Override]) -> Roster:
    """The roster with the overrides of its reps; a rep who was not in it yet stays out of it."""
    by_rep: dict[str, list[Override]] = {}
    for one in overrides:
        if one.rep_id is not None:
            by_rep.setdefault(one.rep_id, []).append(one)
    if not by_rep:
        return roster
    numbers = {fold(name): no for no, name in roster.group_names.items()}
    reps = tuple(_changed(rep, by_rep.get(rep.rep_id, ()), numbers) for rep in roster.reps)
    return dataclasses.replace(roster, reps=reps)


def with_defaults_changed(ruleset: Ruleset, overrides: Iterable[Override]) -> Ruleset:
    """The ruleset with the overrides of its default caps."""
    caps = {one.field: one.value for one in overrides if one.rep_id is None}
    if not caps:
        return ruleset
    return dataclasses.replace(ruleset, defaults=dataclasses.replace(ruleset.defaults, **caps))


def _changed(rep: Rep, overrides: Iterable[Override], group_numbers: Mapping[str, int]) -> Rep:
    for one in overrides:
        rep = msgspec.structs.replace(rep, **_fields(rep, one, group_numbers))
    return rep


def _fields(rep: Rep, one: Override, group_numbers: Mapping[str, int]) -> dict[str, Any]:
    """The fields of `Rep` that an override changes, in their own types."""
    value = one.value
    if one.field == "available":
        return {"available": value, "availability_held_until": None}
    if one.field == "groups":
        return {"groups": frozenset(group_numbers[fold(name)] for name in value if fold(name) in group_numbers)}
    if one.field in _TYPED:
        return {one.field: _TYPED[one.field](value)}
    if one.field == "time_zone":
        return {"time_zone": value or rep.time_zone}
    return {one.field: value}
