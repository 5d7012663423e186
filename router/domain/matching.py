"""Which rules a lead's facts satisfy, without a pass over all rules per lead.

Rules are indexed by their most selective condition: values, beginnings, ranges, or that the lead has no value; what the
facts alone decide is remembered per combination of those facts that some rule asks for, since leads share few of them.
Every lead may have another company or attribute: only what the rules can tell apart of these is in the combination.
What depends on time or on the customer is judged per lead in `decide`.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from operator import itemgetter

from router.domain.asked import BEGINS, beginning_form, comparable, folded, is_more, number_of
from router.domain.conditions import FactCondition, Listed, OneOf, Prefix, Present, Range
from router.domain.lead import FACT_FIELDS, PLACES, Facts
from router.domain.ruleset import Rule

__all__ = ["Matcher", "asked_of", "folded", "picker"]

# More combinations than this are not remembered: memory stays bounded whatever the leads say.
REMEMBERED_COMBINATIONS = 50_000


# Of so many sets of values it is remembered in which of them a value is, else the value itself.
LISTS_APART = 16
# Rules by the place of a number among the bounds are forgotten when there are more of them than this.
REMEMBERED_RANGES = 1_000_000


def asked_of(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Which fields beyond those of the pool the rules ask for, sorted."""
    return tuple(sorted({c.field for rule in rules for c in rule.match.facts if is_more(c.field)}))


def picker(places: Iterable[int]) -> Callable[[Facts], object]:
    """A function that takes the facts at these places (of FACT_FIELDS), as one key for remembering."""
    wanted = sorted(set(places))
    return itemgetter(*wanted) if wanted else lambda _: None


@dataclass(slots=True)
class _FieldIndex:
    """The keys on one field. A key is a set of values that any number of rules share, so that each is here once.

    `keys` has the rules of every key; `by_value` the keys by value, `by_prefix` by beginning (`lengths` are all
    there are), `ranges` the rules by range, `in_ranges` those that were found by the place of a number among `bounds`,
    `absent` the rules for leads that do not say.
    """

    keys: list[list[int]] = field(default_factory=list)
    numbers: dict[tuple[type, frozenset[str]], int] = field(default_factory=dict)
    by_value: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    by_prefix: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    lengths: set[int] = field(default_factory=set)
    absent: list[int] = field(default_factory=list)
    ranges: list[tuple[Range, int]] = field(default_factory=list)
    bounds: "_Bounds | None" = None
    in_ranges: dict[int, tuple[int, ...]] = field(default_factory=dict)
    found_in_ranges: int = 0

    def add(self, key: OneOf | Prefix | Range, rule: int) -> None:
        if isinstance(key, Range):
            self.ranges.append((key, rule))
            return
        known = self.numbers.get((type(key), key.values))
        if known is not None:
            self.keys[known].append(rule)
            return
        number = self.numbers[type(key), key.values] = len(self.keys)
        self.keys.append([rule])
        for value in sorted(key.values):
            (self.by_prefix if isinstance(key, Prefix) else self.by_value)[value].append(number)
        if isinstance(key, Prefix):
            self.lengths |= {len(value) for value in key.values}

    def candidates(self, value: str | None) -> Iterator[int]:
        if value is None:
            yield from self.absent
            return
        found = set(self.by_value.get(value, ()))
        for length in self.lengths:
            found.update(self.by_prefix.get(value[:length], ()))
        for key in found:
            yield from self.keys[key]
        if self.ranges:
            yield from self._with_number(number_of(value))

    def _with_number(self, number: Decimal | None) -> tuple[int, ...]:
        """The rules with a range that has the number: between two bounds the same whatever the number."""
        if number is None:
            return ()
        if self.bounds is None:
            self.bounds = _Bounds(key for key, _ in self.ranges)
        place = self.bounds.place(number)
        found = self.in_ranges.get(place)
        if found is None:
            found = tuple(rule for key, rule in self.ranges if key.has(number))
            self.found_in_ranges += len(found)
            if self.found_in_ranges > REMEMBERED_RANGES:
                self.in_ranges.clear()
                self.found_in_ranges = len(found)
            self.in_ranges[place] = found
        return found


class _Bounds:
    """All bounds of some ranges: numbers with the same place among them are in the same ranges."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        found = {bound for one in ranges for bound in (one.least, one.most) if bound is not None}
        self._bounds = sorted(found)

    def place(self, number: Decimal) -> int:
        return bisect_left(self._bounds, number) + bisect_right(self._bounds, number)


class _Kinds:
    """What some conditions on one field can tell apart: values of the same kind fulfil the same ones."""

    def __init__(self, field: str, conditions: Iterable[FactCondition]) -> None:
        asked = list(conditions)
        self.field = field
        sets = {c.values for c in asked if isinstance(c, Listed) and not isinstance(c, Prefix)}
        self._sets = tuple(sets)
        self._values = frozenset().union(*sets) if len(sets) > LISTS_APART else frozenset()
        self._longest = max((len(value) for c in asked if isinstance(c, Prefix) for value in c.values), default=0)
        self._bounds = _Bounds(c for c in asked if isinstance(c, Range))

    def of(self, facts: Facts) -> object:
        value = facts.value_of(self.field)
        if value is None:
            return None
        begins = beginning_form(self.field)(value)[: self._longest] if self._longest else ""
        value = comparable(self.field, value)
        number = number_of(value)
        place = -1 if number is None else self._bounds.place(number)
        if len(self._sets) <= LISTS_APART:
            listed: object = tuple(value in one for one in self._sets)
        else:
            listed = value if value in self._values else None
        return listed, begins, place


class Matcher:
    """Finds the rules whose conditions on facts hold; built once per ruleset. `asked`: see `asked_of`."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.asked = asked_of(rules)
        self._read = (*self.asked, *(name + BEGINS for name in self.asked))
        places = PLACES | {name: place for place, name in enumerate(self._read, start=len(FACT_FIELDS))}
        self._conditions = tuple(tuple((places[c.reads], c) for c in rule.match.facts) for rule in rules)
        self._always: list[int] = []
        self._index: dict[int, _FieldIndex] = defaultdict(_FieldIndex)
        used = {place for conditions in self._conditions for place, _ in conditions}
        self._asked_for = picker(place for place in used if place < len(FACT_FIELDS))
        self._kinds = tuple(
            _Kinds(name, (c for rule in rules for c in rule.match.facts if c.field == name)) for name in self.asked
        )
        self._remembered: dict[object, tuple[int, ...]] = {}
        for number, conditions in enumerate(self._conditions):
            self._file(number, conditions)

    def _file(self, number: int, conditions: "tuple[_Placed, ...]") -> None:
        """Under the key that lets the fewest leads through: few values before many, then beginnings, then ranges."""
        keys = [(place, c) for place, c in conditions if isinstance(c, OneOf | Prefix | Range)]
        absent = [place for place, c in conditions if isinstance(c, Present) and not c.present]
        if keys:
            place, key = min(keys, key=lambda placed: _selective(placed[1]))
            self._index[place].add(key, number)
        elif absent:
            self._index[absent[0]].absent.append(number)
        else:
            # No condition, or only such as nearly every lead fulfils.
            self._always.append(number)

    def rules_for(self, facts: Facts) -> tuple[int, ...]:
        """Numbers of the rules whose fact conditions hold, ascending. `facts` as they arrived, not folded."""
        combination = self._asked_for(facts)
        if self._kinds:
            combination = (combination, *(kinds.of(facts) for kinds in self._kinds))
        known = self._remembered.get(combination)
        if known is not None:
            return known
        found = self._search(self._values(facts))
        if len(self._remembered) >= REMEMBERED_COMBINATIONS:
            self._remembered.clear()
        self._remembered[combination] = found
        return found

    def _values(self, facts: Facts) -> "_Values":
        """All that rules ask for, folded, by place."""
        known = folded(facts)
        return (*known.plain, *map(known.value_of, self._read))

    def _search(self, values: "_Values") -> tuple[int, ...]:
        candidates = list(self._always)
        for place, index in self._index.items():
            candidates += index.candidates(values[place])
        return tuple(sorted(n for n in candidates if self._holds(self._conditions[n], values)))

    @staticmethod
    def _holds(conditions: "tuple[_Placed, ...]", values: "_Values") -> bool:
        return all(condition.holds(values[place]) for place, condition in conditions)


_Placed = tuple[int, FactCondition]
"""A condition with the place of its field among the values that rules ask for."""

_Values = tuple[str | None, ...]


def _selective(key: OneOf | Prefix | Range) -> tuple[int, int]:
    """Smaller = lets fewer leads through."""
    if isinstance(key, Range):
        return 2, 0
    return int(isinstance(key, Prefix)), len(key.values)
