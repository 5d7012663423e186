"""What a rule can ask of a fact of a lead: one class for each operator.

All that depends on the operator is here: its key in the rules file, when it holds, what it implies, and what reports,
explanations and differences show of it. Only its words in explanations are elsewhere, in `ops.why`.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from router.domain.asked import BEGINS, has_beginnings, number_of, number_text
from router.domain.worded import worded

# Sorting what leads had is worth it for more values than these.
_FEW = 16


class Operator(StrEnum):
    """What a condition asks of the lead's field."""

    ONE_OF = "one_of"
    NOT = "not"
    PREFIX = "prefix"
    PRESENT = "present"
    RANGE = "range"
    IN_FILE = "in_file"


@dataclass(frozen=True, slots=True)
class FactCondition(ABC):
    """A condition on the fact `field`. `key` is the operator's key in the rules file, empty for plain values."""

    field: str

    key: ClassVar[str]

    @property
    def reads(self) -> str:
        """The name under which `folded` facts have the value that `holds` judges."""
        return self.field

    @abstractmethod
    def holds(self, value: str | None) -> bool:
        """Whether the condition holds for the field's value, folded (None = the lead does not have it)."""

    @abstractmethod
    def asked(self) -> tuple[Operator, tuple[str, ...]]:
        """The operator and its values, as explanations show them."""

    def implies(self, wanted: "FactCondition") -> bool:
        """Whether `wanted`, a condition on the same field, surely holds where this one does."""
        return self == wanted

    def written(self) -> Mapping[str, str | tuple[str, ...]]:
        """Its values by their keys in the rules file, for what differs between two rulesets."""
        return {self.key: self.asked()[1]}


@dataclass(frozen=True, slots=True)
class Listed(FactCondition):
    """A condition with a set of `values`, folded. `said`: those that were written, where synonyms added to them."""

    values: frozenset[str]
    said: frozenset[str] | None = dataclass_field(default=None, kw_only=True, compare=False)

    operator: ClassVar[Operator]
    fits: ClassVar[str] = ""
    """How a value must fit, in words; empty = exactly."""

    @property
    def as_written(self) -> frozenset[str]:
        """The values of the rules file."""
        return self.values if self.said is None else self.said

    def asked(self) -> tuple[Operator, tuple[str, ...]]:
        return self.operator, tuple(sorted(self.values))

    def unseen(self, had: frozenset[str]) -> Collection[str]:
        """Its values that fit none of those that leads had."""
        return self.values - had


@dataclass(frozen=True, slots=True)
class OneOf(Listed):
    """The fact is one of `values`. `in_file`: the files that list them, where some do."""

    in_file: tuple[str, ...] = ()

    key = ""
    operator = Operator.ONE_OF

    def holds(self, value: str | None) -> bool:
        return value in self.values

    def asked(self) -> tuple[Operator, tuple[str, ...]]:
        return (Operator.IN_FILE, self.in_file) if self.in_file else (self.operator, tuple(sorted(self.values)))

    def written(self) -> Mapping[str, str | tuple[str, ...]]:
        values = {"": tuple(sorted(self.values))}
        return values | {"in_file": self.in_file} if self.in_file else values


@dataclass(frozen=True, slots=True)
class NoneOf(Listed):
    """The fact is none of `values`; a lead without the fact fulfils this."""

    key = "not"
    operator = Operator.NOT

    def holds(self, value: str | None) -> bool:
        return value not in self.values

    def implies(self, wanted: FactCondition) -> bool:
        return isinstance(wanted, NoneOf) and wanted.values <= self.values


@dataclass(frozen=True, slots=True)
class Prefix(Listed):
    """The fact begins with one of `values`."""

    key = "prefix"
    operator = Operator.PREFIX
    fits = worded("beginning with")

    @property
    def reads(self) -> str:
        return self.field + BEGINS if has_beginnings(self.field) else self.field

    def holds(self, value: str | None) -> bool:
        return value is not None and value.startswith(tuple(self.values))

    def implies(self, wanted: FactCondition) -> bool:
        if isinstance(wanted, Prefix):
            return all(map(wanted.holds, self.values))
        if isinstance(wanted, NoneOf):
            return self.reads == wanted.reads and not any(map(self.holds, wanted.values))
        return isinstance(wanted, Present) and wanted.present

    def unseen(self, had: frozenset[str]) -> Collection[str]:
        if len(self.values) <= _FEW:
            return [value for value in self.values if not any(one.startswith(value) for one in had)]
        # What begins with a value comes right after it.
        known = sorted(had)
        after = ((value, bisect_left(known, value)) for value in self.values)
        return [value for value, at in after if at == len(known) or not known[at].startswith(value)]


@dataclass(frozen=True, slots=True)
class Present(FactCondition):
    """The lead has (`present`), or does not have, a value in `field`."""

    present: bool

    key = "present"

    def holds(self, value: str | None) -> bool:
        return (value is not None) == self.present

    def asked(self) -> tuple[Operator, tuple[str, ...]]:
        return Operator.PRESENT, ("true" if self.present else "false",)

    def implies(self, wanted: FactCondition) -> bool:
        return self == wanted or (isinstance(wanted, NoneOf) and not self.present)

    def written(self) -> Mapping[str, str | tuple[str, ...]]:
        return {self.key: self.asked()[1][0]}


@dataclass(frozen=True, slots=True)
class Range(FactCondition):
    """The fact is a number from `least` to `most`, both included (None = no bound). What is not a number is in none."""

    least: Decimal | None = None
    most: Decimal | None = None

    key = "from"

    def holds(self, value: str | None) -> bool:
        number = number_of(value)
        return number is not None and self.has(number)

    def has(self, number: Decimal) -> bool:
        """Whether the number is within the bounds: compared as numbers, exactly."""
        return (self.least is None or self.least <= number) and (self.most is None or number <= self.most)

    def asked(self) -> tuple[Operator, tuple[str, ...]]:
        return Operator.RANGE, tuple("" if bound is None else number_text(bound) for bound in (self.least, self.most))

    def implies(self, wanted: FactCondition) -> bool:
        if isinstance(wanted, Range):
            since = wanted.least is None or (self.least is not None and self.least >= wanted.least)
            return since and (wanted.most is None or (self.most is not None and self.most <= wanted.most))
        if isinstance(wanted, NoneOf):
            return not any(map(self.holds, wanted.values))
        return isinstance(wanted, Present) and wanted.present

    def written(self) -> Mapping[str, str | tuple[str, ...]]:
        bounds = zip(("from", "to"), self.asked()[1], strict=True)
        return {key: bound for key, bound in bounds if bound}


OPERATORS: tuple[type[Listed] | type[Present], ...] = (NoneOf, Prefix, Present)
"""Those that the rules file writes as fields of a field, in the order in which a match has them."""
