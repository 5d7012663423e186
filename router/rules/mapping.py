"""The mapping file: what the columns and the words of somebody's lead file mean. Pure, but for reading the file."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from router.domain.worded import Worded, worded
from router.domain.worded_phrases import worded_list
from router.rules.column_words import folded_name, suggested
from router.rules.columns import Identity, Join, Split, columns_after
from router.rules.document import At, Reader, read_file, read_top, top_of
from router.rules.kinds import phone_region, zone_name
from router.rules.mapping_parts import (
    read_date_form,
    read_identity,
    read_joins,
    read_numbers,
    read_repeats,
    read_splits,
    read_values,
)
from router.rules.problems import InvalidFile, Problem
from router.rules.reader import hint, mapping, named_entries, one_or_many, scalar, shorten, text, truth, word
from router.rules.written_numbers import DecimalSign

FIELDS = (
    *("external_id", "source", "created_at", "name", "phone", "email", "company", "customer_id", "region"),
    *("industry", "product", "campaign", "ad_id", "landing_page", "priority", "attributes"),
)
"""The fields of a lead, by the names that files use."""

REJECTED = ("rejected_line", "rejected_column", "rejected_reason")
"""What a rejects file has before the original columns; ignored when it is imported."""

COLUMNS_LISTED = 20
"""Columns that a message names."""

_ATTRIBUTES = "attributes"
"""A column of attributes holds JSON: nobody else's column of nearly that name does."""

ATTRIBUTE = "attributes."
"""What begins the target of a column that is an attribute of another name."""

_PLAIN_KEY = re.compile(r"[^\W\d_][\w .()/-]*")

_NO_MAPPING = worded("no mapping")
IN_A_FILE = " (in a file: --mapping M.yaml)"
"""What the command line says of a mapping, and forms do not."""

_NO_CONSTANT = ("external_id", "lead_id", _ATTRIBUTES)


@dataclass(frozen=True, slots=True)
class FileMapping:
    """How to read a file. Columns named like a field of a lead mean that field, unless `rename` says otherwise.

    `rename` is column to field, or to `attributes.NAME`; `constants` are values for every lead; `time_zone` holds for
    times without an offset; `empty` are texts that mean "no value"; `drop` are columns to ignore. Columns that mean
    nothing become attributes, or are ignored when `unknown_columns` is drop. `require_contact`: a lead without phone,
    e-mail and customer id is parked, since nobody could reach it. `split`, then `join` make new columns; `created_at`
    is the form of its times (`date_forms`; None = detected); `allow_rounded_ids` takes ids such as 1.2E+11.
    `external_id` computes one where a row has none; `values` are, by field, what words of the business mean there
    (keys folded). `repeats` are the fields by which a repeat is told, none = leads of the file are never merged (None
    = by all that says who asks for what). `ids_unique_over_sources`: the same external id of another source is the
    same lead. `numbers` are columns of numbers, with the sign before their decimals. `fields` are those that columns
    of this kind of file can mean.
    """

    split: tuple[Split, ...] = ()
    join: tuple[Join, ...] = ()
    external_id: Identity | None = None
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    time_zone: str | None = None
    empty: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()
    unknown_columns: str = "attributes"
    default_phone_region: str | None = None
    require_contact: bool = False
    repeats: tuple[str, ...] | None = None
    ids_unique_over_sources: bool = False
    created_at: str | None = None
    allow_rounded_ids: bool = False
    numbers: Mapping[str, DecimalSign] = field(default_factory=dict)
    file: str = _NO_MAPPING
    fields: tuple[str, ...] = FIELDS

    def target(self, column: str) -> str | None:
        """The field that a column means, or `attributes.NAME`; None = none of them. Dropped columns are the caller's to
        leave out.
        """
        renamed = self.rename.get(column)
        return renamed or (column if column in self.fields else self._folded(column))

    def _folded(self, column: str) -> str | None:
        """The field of that name in other capitals, width or spaces, unless the mapping says where it comes from."""
        name = folded_name(column)
        if name not in self.fields or name == _ATTRIBUTES:
            return None
        if name in self.constants or name in self.rename.values() or column in self.drop:
            return None
        return name

    @property
    def columns(self) -> frozenset[str]:
        """The columns of a file that it names."""
        parts = [split.column for split in self.split], *(join.columns for join in self.join)
        identity = self.external_id.columns if self.external_id else ()
        return frozenset(
            [*self.rename, *self.drop, *self.numbers, *identity, *(name for part in parts for name in part)]
        )

    @property
    def attribute_names(self) -> Mapping[str, str]:
        """Of columns that are attributes of another name: that name."""
        return {
            column: target.removeprefix(ATTRIBUTE)
            for column, target in self.rename.items()
            if target.startswith(ATTRIBUTE)
        }

    def dropped(self, column: str) -> bool:
        known = self.target(column) is not None
        return column in self.drop or column in REJECTED or not (known or self.unknown_columns == "attributes")


def read_mapping(path: Path, fields: tuple[str, ...] = FIELDS) -> FileMapping:
    """Raises InvalidFile with all that is wrong, and OSError. `fields` are those that columns can mean."""
    return parse_mapping(read_file(path), str(path), fields)


def parse_mapping(source: str, file: str, fields: tuple[str, ...] = FIELDS) -> FileMapping:
    """The mapping in the YAML text; `file` stands for it in messages. Raises InvalidFile."""
    top = top_of(source, file)
    if top is None:
        return FileMapping(file=file, fields=fields)
    return read_top(top, lambda at: mapping_at(at, {}, {}, fields))


def mapping_at(
    at: At, others: Mapping[str, Reader[Any]], found: dict[str, Any], fields: tuple[str, ...] = FIELDS
) -> FileMapping:
    """The mapping at this place of a file, beside which `others` may stand: what they say is put into `found`."""
    values = mapping(at, {**_readers(fields), **others})
    found |= {name: values.pop(name) for name in others if name in values}
    plan = FileMapping(**values, file=at.file, fields=fields)
    if not at.problems:
        at.problems.extend(_contradictions(plan))
    return plan


def check_columns(
    plan: FileMapping,
    columns: Iterable[str],
    repeated: Collection[str] = (),
    needed: Sequence[tuple[str, ...]] = (("external_id",),),
) -> None:
    """Compares the mapping with the columns of a file, of which `repeated` came more than once. Of the fields in each
    of `needed` there must be one.

    Raises InvalidFile when they do not fit.
    """
    given = list(columns)
    found = columns_after(given, plan.split, plan.join)
    identity = plan.external_id.columns if plan.external_id else ()
    split = columns_after(given, plan.split, ())
    named: list[tuple[str, Iterable[str], list[str]]] = [
        ("split", [one.column for one in plan.split], given),
        *((f"join.{one.into}", one.columns, split) for one in plan.join),
        *(("rename", plan.rename, found), ("drop", plan.drop, found), ("external_id", identity, found)),
        ("numbers", plan.numbers, found),
    ]
    wrong = [
        Problem(plan.file, 0, where, worded("the file has no column {column}{hint}", **_unknown(column, there)))
        for where, wanted, there in named
        for column in wanted
        if column not in there
    ]
    sources: dict[str, str] = dict.fromkeys(plan.constants, worded("constants"))
    for column in found:
        target = None if plan.dropped(column) else plan.target(column)
        if target and target in sources:
            message = worded(
                "comes from {source} and from column {column}", source=sources[target], column=shorten(column)
            )
            wrong.append(Problem(plan.file, 0, target, message))
        elif target:
            sources[target] = worded("column {column}", column=shorten(column))
        elif f"{ATTRIBUTE}{column}" in plan.rename.values():
            message = worded(
                "is another attribute of that name already; rename or drop column {column}, too", column=shorten(column)
            )
            wrong.append(Problem(plan.file, 0, f"rename.{ATTRIBUTE}{column}", message))
    wrong += [
        Problem(
            plan.file,
            0,
            "columns",
            worded("column {column} is there twice; rename or remove one of the two", column=shorten(name)),
        )
        for name in sorted(repeated)
        if not plan.dropped(name) and (plan.target(name) or name in plan.columns)
    ]
    if plan.external_id:
        sources["external_id"] = "external_id"
    wrong += [
        Problem(plan.file, 0, one_of[0], _not_there(plan, one_of, found))
        for one_of in needed
        if sources.keys().isdisjoint(one_of)
    ]
    if wrong:
        raise InvalidFile(wrong)


def _unknown(column: str, there: Iterable[str]) -> dict[str, str]:
    return {"column": shorten(column), "hint": hint(column, there)}


def _not_there(plan: FileMapping, one_of: Sequence[str], found: Sequence[str]) -> Worded:
    fields = reduce(lambda before, name: worded("{names} or {name}", names=before, name=name), one_of)
    columns = worded_list(map(shorten, found), COLUMNS_LISTED)
    there = worded("no column is mapped to {fields}; the file has {columns}", fields=fields, columns=columns)
    free = [name for name in found if plan.target(name) is None and not plan.dropped(name)]
    if one_of == ("external_id",):
        taken = {*plan.rename.values(), *plan.constants, *filter(None, map(plan.target, found))}
        names = ", ".join(f"{_key(name)}: {field}" for name, field in suggested(free, taken).items())
        said = there + worded(
            "; name the one that identifies a lead under rename:, or have it computed from several under "
            "external_id:{where}",
            where=IN_A_FILE if plan == FileMapping() else "",
        )
        if names:
            said += worded("; names that seem to mean a field: {example}", example=f"rename: {{{names}}}")
        return said
    may_be = suggested(free, (), of_reps=True)
    near = next((f" {{{shorten(name)}: {field}}}" for name, field in may_be.items() if field in one_of), "")
    return there + worded("; name the right one in a mapping file under rename:{example}", example=near)


def _key(column: str) -> str:
    """A column's name as a key in YAML."""
    return column if _PLAIN_KEY.fullmatch(column) else json.dumps(column, ensure_ascii=False)


def _contradictions(plan: FileMapping) -> list[Problem]:
    targets = Counter(plan.rename.values())
    twice = sorted(name for name, columns in targets.items() if columns > 1)
    both = sorted(set(targets) & set(plan.constants))
    gone = sorted(set(plan.rename) & plan.drop)
    return [
        *(Problem(plan.file, 1, "rename", worded("two columns mean {field}", field=name)) for name in twice),
        *(Problem(plan.file, 1, f"constants.{name}", worded("is also the meaning of a column")) for name in both),
        *(
            Problem(plan.file, 1, "drop", worded("{column} is also under rename", column=shorten(name)))
            for name in gone
        ),
        *(
            Problem(
                plan.file,
                1,
                "numbers",
                worded("{column} means {field}: only attributes are numbers", column=shorten(name), field=target),
            )
            for name in plan.numbers
            if (target := plan.target(name)) is not None and not target.startswith(ATTRIBUTE)
        ),
    ]


def _rename(at: At, fields: Sequence[str]) -> dict[str, str]:
    values = {}
    for column, (_, node) in named_entries(at).items():
        place = at.below(column, node)
        if (target := place.read(lambda at: _target(at, fields))) is not None:
            values[column.strip()] = target
    return values


def _target(at: At, fields: Sequence[str]) -> str:
    if _ATTRIBUTES in fields and isinstance(at.node, yaml.ScalarNode):
        name = at.node.value.strip().removeprefix(ATTRIBUTE).strip()
        if at.node.value.strip().startswith(ATTRIBUTE) and name:
            return f"{ATTRIBUTE}{name}"
    return word(at, fields)


def _constants(at: At, names: Sequence[str]) -> dict[str, str]:
    return mapping(at, dict.fromkeys(names, lambda at: scalar(at).value.strip()))


def _texts(at: At) -> frozenset[str]:
    return frozenset(value.strip() for value in one_or_many(at, text))


def _readers(fields: Sequence[str]) -> dict[str, Reader[Any]]:
    constant = tuple(name for name in fields if name not in _NO_CONSTANT)
    return _READERS | {
        "rename": lambda at: _rename(at, fields),
        "constants": lambda at: _constants(at, constant),
        "values": lambda at: read_values(at, constant),
    }


_READERS: dict[str, Reader[Any]] = {
    "split": read_splits,
    "join": read_joins,
    "external_id": read_identity,
    "time_zone": zone_name,
    "empty": _texts,
    "drop": _texts,
    "unknown_columns": lambda at: word(at, ("attributes", "drop")),
    "default_phone_region": phone_region,
    "require_contact": truth,
    "repeats": read_repeats,
    "ids_unique_over_sources": truth,
    "created_at": read_date_form,
    "allow_rounded_ids": truth,
    "numbers": read_numbers,
}
