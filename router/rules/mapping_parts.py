"""Reading the entries of a mapping that make columns of columns and words of words."""

from collections.abc import Collection, Mapping
from typing import Any

import yaml

from router.domain.date_forms import ISO, checked_form
from router.domain.text import fold
from router.domain.worded import said_by, worded
from router.rules.columns import Identity, Join, Split
from router.rules.document import At, Wrong
from router.rules.reader import hint, mapping, named_entries, one_or_many, scalar, shorten, text, word
from router.rules.repeats import FIELDS as REPEAT_FIELDS
from router.rules.repeats import IDENTIFYING
from router.rules.written_numbers import DecimalSign

MAX_BETWEEN = 20
_OFF, _ON = ("off", "no", "false"), ("on", "yes", "true")


def read_splits(at: At) -> tuple[Split, ...]:
    """`split: {Area: {by: "/", into: [region, district]}}`."""
    readers: Mapping[str, Any] = {"by": _between, "into": _several}
    return tuple(
        Split(column, part["by"], part["into"])
        for column, part in _named_parts(at, readers, ("by", "into")).items()
        if part.keys() >= {"by", "into"}
    )


def read_joins(at: At) -> tuple[Join, ...]:
    """`join: {name: {columns: [First, Last], by: " "}}`; a space by default."""
    readers: Mapping[str, Any] = {"by": _between, "columns": _several}
    return tuple(
        Join(into, part["columns"], part.get("by", " "))
        for into, part in _named_parts(at, readers, ("columns",)).items()
        if "columns" in part
    )


def read_identity(at: At) -> Identity:
    """`external_id: {columns: [Mobile, Received], as: hash, may_be_empty: [Received]}`, or `as: text` with `by`."""
    kinds = ("hash", "text")
    readers: Mapping[str, Any] = {
        "columns": _columns,
        "as": lambda at: word(at, kinds),
        "by": _between,
        "may_be_empty": _columns,
    }
    part = mapping(at, readers, ("columns",))
    columns, may_be_empty = part.get("columns", ()), part.get("may_be_empty", ())
    hashed = part.get("as", "hash") == "hash"
    if hashed and "by" in part:
        at.wrong(worded("by: is for `as: text`; a hash has nothing between its parts"))
    if columns:
        _check_may_be_empty(at, columns, may_be_empty)
    return Identity(columns, hashed, part.get("by", "-"), frozenset(may_be_empty))


def _check_may_be_empty(at: At, columns: Collection[str], may_be_empty: Collection[str]) -> None:
    for column in may_be_empty:
        if column not in columns:
            at.wrong(
                worded(
                    "may_be_empty: {column} is not one of the columns of the id{hint}",
                    column=shorten(column),
                    hint=hint(column, columns),
                )
            )
    if set(columns) <= set(may_be_empty):
        at.wrong(worded("may_be_empty: names all columns of the id; one at least must always be filled"))


def read_repeats(at: At) -> tuple[str, ...] | None:
    """`repeats: off`, or `repeats: [phone, product]`: the fields by which they are told; none = off, None = on."""
    if isinstance(at.node, yaml.ScalarNode) and (plain := at.node.value.strip().casefold()) in (*_OFF, *_ON):
        return () if plain in _OFF else None
    names = tuple(one_or_many(at, lambda one: word(one, REPEAT_FIELDS)))
    if not set(names) & set(IDENTIFYING):
        who = ", ".join(IDENTIFYING)
        raise Wrong(
            worded("would merge enquiries of different people; name at least one of {names}, too (or off)", names=who)
        )
    return names


def read_values(at: At, fields: Collection[str]) -> dict[str, dict[str, str]]:
    """`values: {industry: {自动化: automation}}`: field to folded word to the field's own."""
    return mapping(at, dict.fromkeys(fields, _words))


def _words(at: At) -> dict[str, str]:
    words: dict[str, str] = {}
    for written, (key, node) in named_entries(at).items():
        place = at.below(written, node)
        value = place.read(lambda at: scalar(at).value.strip())
        if value is None:
            continue
        if words.setdefault(fold(written), value) != value:
            other = shorten(words[fold(written)])
            place.wrong(worded("also means {value}: capitals and full-width make no difference", value=other), key)
    return words


def read_numbers(at: At) -> dict[str, DecimalSign]:
    """`numbers: {Budget (EUR): comma}`: column to the sign before its decimals."""
    found = {}
    for column, (_, node) in named_entries(at).items():
        place = at.below(column, node)
        if (sign := place.read(lambda at: word(at, [one.value for one in DecimalSign]))) is not None:
            found[column.strip()] = DecimalSign(sign)
    return found


def read_date_form(at: At) -> str:
    """`created_at: {format: dmy}`: a name, or a pattern such as "%d.%m.%Y %H:%M"."""
    form = mapping(at, {"format": text}, ("format",)).get("format", ISO)
    try:
        return checked_form(form)
    except ValueError as error:
        raise Wrong(worded("format: {problem}", problem=said_by(error))) from None


def _named_parts(at: At, readers: Mapping[str, Any], required: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    parts = {}
    for name, (_, node) in named_entries(at).items():
        place = at.below(name, node)
        if (part := place.read(lambda at: mapping(at, readers, required))) is not None:
            parts[name] = part
    return parts


def _columns(at: At) -> tuple[str, ...]:
    names = tuple(name.strip() for name in one_or_many(at, text))
    if len(set(names)) < len(names):
        raise Wrong(worded("names a column twice"))
    return names


def _several(at: At) -> tuple[str, ...]:
    names = _columns(at)
    if len(names) < 2:
        raise Wrong(worded("must name two columns or more"))
    return names


def _between(at: At) -> str:
    sign = str(scalar(at).value)
    if not 1 <= len(sign) <= MAX_BETWEEN:
        raise Wrong(worded("must have 1 to {limit} characters", limit=MAX_BETWEEN))
    return sign
