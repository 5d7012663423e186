"""The conditions of a rule: plain values, and what the operators say."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import yaml

from router.domain.asked import (
    ATTRIBUTES,
    COMPANY,
    PHONE_REGION,
    beginning_form,
    form_of,
    has_beginnings,
    json_attribute,
    number_of,
)
from router.domain.conditions import OPERATORS, FactCondition, Listed, OneOf, Prefix, Range
from router.domain.lead import FACT_FIELDS
from router.domain.ruleset import Created, DateRange, Match, PriorityRange
from router.domain.text import fold
from router.domain.worded import said_by, worded
from router.rules.document import At, Wrong
from router.rules.kinds import duration, phone_region
from router.rules.lists import Form, ListError
from router.rules.reader import empty, is_number, mapping, one_or_many, scalar, shorten, text, truth, what, whole, word

MAX_PRIORITY = 1_000_000

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# A year is hardly ever mistyped beyond these, and no calendar of any zone ends between them.
_FIRST_YEAR, _LAST_YEAR = 2000, 2199

_priority = whole(-MAX_PRIORITY, MAX_PRIORITY)


@dataclass(frozen=True, slots=True)
class _Fact:
    """The conditions on one field."""

    one_of: OneOf | None = None
    others: tuple[FactCondition, ...] = ()


def read_match(at: At) -> Match:
    """A rule's `match`."""
    if empty(at):
        raise Wrong(worded("is empty; write {{}} to match every lead"))
    values = mapping(at, _MATCH | _attributes_in(at))
    # In one order, whatever the order in the file, so that equal conditions are equal values.
    attributes = sorted(name for name in values if name.startswith(ATTRIBUTES))
    facts = [values.pop(name) for name in (*FACT_FIELDS, COMPANY, PHONE_REGION, *attributes) if name in values]
    one_of = tuple(fact.one_of for fact in facts if fact.one_of is not None)
    return Match(one_of=one_of, others=tuple(other for fact in facts for other in fact.others), **values)


def _attributes_in(at: At) -> dict[str, Callable[[At], Any]]:
    """Readers of the attributes that a match names; which there are, nobody but the leads knows."""
    if not isinstance(at.node, yaml.MappingNode):
        return {}
    names = (key.value for key, _ in at.node.value if isinstance(key, yaml.ScalarNode))
    return {name: partial(_fact, name) for name in names if name.startswith(ATTRIBUTES) and name != ATTRIBUTES}


def _attributes_apart(_: At) -> None:
    raise Wrong(worded("write the name of the attribute behind a point: attributes.budget: {{from: 100000}}"))


def _fact(field: str, at: At) -> _Fact:
    if not isinstance(at.node, yaml.MappingNode):
        return _Fact(OneOf(field, _values(field, at)))
    operators = _operators(field)
    if not at.node.value:
        names = ", ".join(operators)
        raise Wrong(worded("must be a value, a list, or one of {names}, not empty fields", names=names))
    values = mapping(at, operators)
    if values.get("present") is False and len(values) > 1:
        raise Wrong(worded("present: false excludes all values, so no other condition can hold"))
    one_of = OneOf(field, *values["in_file"]) if "in_file" in values else None
    others = [kind(field, values[kind.key]) for kind in OPERATORS if kind.key in values]
    return _Fact(one_of, (*_range(field, values.get("from"), values.get("to")), *others))


def _range(field: str, least: Decimal | None, most: Decimal | None) -> tuple[Range, ...]:
    if least is not None and most is not None and least > most:
        raise Wrong(
            worded(
                "there is no number from {least} to {most}; write the lower bound first",
                least=f"{least:,f}",
                most=f"{most:,f}",
            )
        )
    return () if least is None and most is None else (Range(field, least, most),)


def _operators(field: str) -> dict[str, Callable[[At], Any]]:
    """What can be asked of a field; only attributes are numbers."""
    values = partial(_values, field)
    if field == PHONE_REGION:
        return {"not": values, "present": truth}
    found: dict[str, Callable[[At], Any]] = {
        kind.key: values if issubclass(kind, Listed) else truth for kind in OPERATORS
    }
    if has_beginnings(field):
        found[Prefix.key] = partial(_beginnings, field)
    found["in_file"] = partial(_listed, field)
    return found | {"from": _number, "to": _number} if field.startswith(ATTRIBUTES) else found


def _values(field: str, at: At) -> frozenset[str]:
    if field.startswith(ATTRIBUTES):
        return frozenset(one_or_many(at, _attribute))
    if field == PHONE_REGION:
        return frozenset(map(fold, one_or_many(at, phone_region)))
    return frozenset(map(form_of(field), one_or_many(at, text)))


def _beginnings(field: str, at: At) -> frozenset[str]:
    """What values begin with, as it is written: numbers unquoted, too."""
    form = beginning_form(field)

    def beginning(one: At) -> str:
        found = form(_attribute_text(one) if field.startswith(ATTRIBUTES) else text(one))
        if not found:
            raise Wrong(worded("must have a letter or a digit: everything begins with nothing"))
        return found

    return frozenset(one_or_many(at, beginning))


def _attribute_text(at: At) -> str:
    node = scalar(at)
    return str(node.value) if is_number(node) or node.value in ("true", "false") else text(at)


def _attribute(at: At) -> str:
    """A text, a number, or true or false: as JSON has them."""
    node = scalar(at)
    if is_number(node):
        return json_attribute(node.value) if number_of(json_attribute(node.value)) is not None else text(at)
    if node.value in ("true", "false"):
        return str(node.value)
    return form_of(ATTRIBUTES)(text(at))


def _number(at: At) -> Decimal:
    """Quoted or not, as 100000 or 2.5."""
    node = scalar(at)
    number = number_of(json_attribute(node.value))
    if number is None:
        raise Wrong(
            worded(
                "must be a number such as 100000 or 2.5, without separators or exponents, not {what}", what=what(node)
            )
        )
    return number


def _listed(field: str, at: At) -> tuple[frozenset[str], tuple[str, ...]]:
    """The values of all the files together, and their names."""
    form = form_of(field)
    names = set(one_or_many(at, partial(_list, form)))
    try:
        return at.lists.together(names, form), tuple(sorted(names))
    except ListError as error:
        raise Wrong(said_by(error)) from None


def _list(form: Form, at: At) -> str:
    """The name of a list that is one."""
    name = text(at)
    try:
        at.lists.values(name, form)
    except ListError as error:
        said = said_by(error)
        short = shorten(said, 300)
        raise Wrong(said if said == short else short) from None
    return name


def _priorities(at: At) -> frozenset[int] | PriorityRange:
    if not isinstance(at.node, yaml.MappingNode):
        return frozenset(one_or_many(at, _priority))
    values = mapping(at, _RANGE)
    if not at.node.value:
        names = ", ".join(_RANGE)
        raise Wrong(worded("must be a number, a list, or some of {names}, not empty fields", names=names))
    least, most = values.get("from"), values.get("to")
    if least is not None and most is not None and least > most:
        raise Wrong(
            worded(
                "there is no priority from {least:,} to {most:,}; write the lower bound first", least=least, most=most
            )
        )
    return PriorityRange(least, most, values.get("not", frozenset()))


def _created(at: At) -> Created | timedelta | None:
    if isinstance(at.node, yaml.MappingNode):
        return mapping(at, {"within": duration}, required=("within",)).get("within")
    try:
        return Created(word(at, tuple(Created)))
    except Wrong as wrong:
        raise Wrong(worded("{problem} (or an age: {{within: 4h}})", problem=said_by(wrong))) from None


def _dates(at: At) -> DateRange:
    if not isinstance(at.node, yaml.MappingNode) or not at.node.value:
        raise Wrong(worded("must have from, to, or both, such as {{from: 2026-11-24, to: 2026-11-30}}"))
    values = mapping(at, {"from": _date, "to": _date})
    first, last = values.get("from"), values.get("to")
    if first is not None and last is not None and first > last:
        raise Wrong(
            worded("there is no day from {first} to {last}; write the earlier date first", first=first, last=last)
        )
    return DateRange(first, last)


def _date(at: At) -> date:
    """A date, quoted or not: what YAML takes it for does not matter."""
    node = scalar(at)
    written = node.value.strip()
    try:
        day = date.fromisoformat(written) if _DATE.fullmatch(written) else None
    except ValueError:
        day = None
    if day is None or not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise Wrong(
            worded(
                "must be a date such as 2026-11-24, in the years {first} to {last}, not {what}",
                first=_FIRST_YEAR,
                last=_LAST_YEAR,
                what=what(node),
            )
        )
    return day


_RANGE: dict[str, Callable[[At], Any]] = {
    "from": _priority,
    "to": _priority,
    "not": lambda at: frozenset(one_or_many(at, _priority)),
}
_MATCH: dict[str, Callable[[At], Any]] = {
    **{name: partial(_fact, name) for name in (*FACT_FIELDS, COMPANY, PHONE_REGION)},
    "attributes": _attributes_apart,
    "priority": _priorities,
    "known_customer": truth,
    "created": _created,
    "date": _dates,
}
