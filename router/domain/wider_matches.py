"""Finding the matches that may cover another one, by an index of their conditions instead of comparing each pair.

What is found is a little more than what `covers` accepts, and never less.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Protocol

from router.domain.asked import number_of
from router.domain.budget import BOUNDLESS, Budget
from router.domain.conditions import FactCondition, Listed, NoneOf, OneOf, Prefix, Range
from router.domain.ruleset import Match
from router.domain.subsumption import Left, left_of

# Longer lists are compared as they are: thousands of rules share one, and none of them is copied into the index.
_LONG_LIST = 100
# Of a match's values so many are looked up: one that few others name leaves little to compare.
_PROBED = 8
_FEW = 4
# So many numbers are copied, or looked up in sets, in a step.
_CHEAP = 4

Ids = set[int]


class WiderMatches:
    """Matches by number, all of them known from the beginning. Making it and asking it raise OverBudget."""

    def __init__(self, matches: Sequence[Match], budget: Budget = BOUNDLESS) -> None:
        self._budget = budget
        shapes: dict[_Key, _Shape] = {}
        for number, match in enumerate(matches):
            key = _key(match)
            shape = shapes.get(key)
            budget.spend(20 + sum(_kept(one) for one in match.facts))
            if shape is None:
                shape = shapes[key] = _Shape(match, budget)
            shape.add(number, match)
        self._shapes = _ShapesByField(list(shapes.values()), budget)

    def candidates(self, narrow: Match, left: dict[str, Left] | None = None) -> list[int]:
        """The numbers of the matches that may cover this one, ascending. `left` is filled with what it leaves of its
        fields.
        """
        left = {} if left is None else left
        found: list[int] = []
        for shape in self._shapes.within(narrow):
            self._budget.spend(4)
            found += shape.candidates(narrow, left)
        self._budget.spend(len(found) // _CHEAP)
        found.sort()
        return found


def _kept(condition: FactCondition) -> int:
    """How many of its values the index has."""
    if not isinstance(condition, Listed):
        return 0
    return 1 if isinstance(condition, OneOf) and len(condition.values) > _LONG_LIST else len(condition.values)


_Key = tuple[frozenset[str], frozenset[tuple[str, type[FactCondition]]]]


def _key(match: Match) -> _Key:
    listed = frozenset(condition.field for condition in match.one_of)
    return listed, frozenset((condition.field, type(condition)) for condition in match.others)


class _Shape:
    """Matches that ask the same fields by the same operators."""

    def __init__(self, match: Match, budget: Budget) -> None:
        self._budget = budget
        self.fields = frozenset(condition.field for condition in match.facts)
        self.listed = frozenset(condition.field for condition in match.one_of)
        self._members: list[int] = []
        self._indexes: dict[tuple[str, type[FactCondition]], _Index] = {
            (condition.field, type(condition)): _INDEXES[type(condition)](condition)
            for condition in match.facts
            if type(condition) in _INDEXES
        }

    def add(self, number: int, match: Match) -> None:
        self._members.append(number)
        for condition in match.facts:
            if index := self._indexes.get((condition.field, type(condition))):
                index.add(number, condition)

    def candidates(self, narrow: Match, left: dict[str, Left]) -> Collection[int]:
        """Those for which all conditions may be implied. `left` is filled with what the match leaves of its fields."""
        if len(self._members) <= _FEW:
            # Of each combination of operators there may be one match: comparing it is less than looking it up.
            return self._members
        found: list[tuple[int, list[Ids]]] = []
        for (field, _), index in self._indexes.items():
            if field not in left:
                left[field] = left_of(narrow, field, self._budget)
            self._budget.spend(index.steps(left[field]))
            postings = index.postings(left[field])
            if postings is not None:
                if not postings:
                    return ()
                found.append((sum(map(len, postings)), postings))
        if not found:
            return self._members
        # The condition that leaves the fewest is gone through, and the others are asked for each of those.
        found.sort(key=lambda one: one[0])
        (size, base), *others = found
        self._budget.spend(size // _CHEAP)
        numbers = base[0] if len(base) == 1 else set[int]().union(*base)
        if size <= _FEW:
            return numbers
        for size, postings in others:
            self._budget.spend(min(size, len(numbers) * len(postings)) // _CHEAP)
            numbers = _within(numbers, postings, size)
        return numbers


def _within(numbers: Ids, postings: list[Ids], size: int) -> Ids:
    """The numbers that are in one of the sets, which have `size` together: there may be thousands of small ones."""
    if len(numbers) * len(postings) > size:
        return numbers & (postings[0] if len(postings) == 1 else set[int]().union(*postings))
    return {number for number in numbers if any(number in one for one in postings)}


class _ShapesByField:
    """Shapes by the field that the fewest of them have: attributes may be thousands, and a match has a few."""

    def __init__(self, shapes: Sequence[_Shape], budget: Budget) -> None:
        self._budget = budget
        having: dict[str, int] = {}
        for shape in shapes:
            for field in shape.fields:
                having[field] = having.get(field, 0) + 1
        self._shapes: dict[str | None, list[_Shape]] = {}
        for shape in shapes:
            rarest = min(shape.fields, key=lambda field: (having[field], field), default=None)
            self._shapes.setdefault(rarest, []).append(shape)
        self._known: dict[tuple[frozenset[str], frozenset[str]], list[_Shape]] = {}

    def within(self, narrow: Match) -> list[_Shape]:
        """Those that ask no field that this match does not ask, and list values only where it does."""
        fields = frozenset(condition.field for condition in narrow.facts)
        listed = frozenset(condition.field for condition in narrow.one_of)
        known = self._known.get((fields, listed))
        if known is None:
            self._budget.spend(sum(len(self._shapes.get(field, ())) for field in (None, *fields)))
            near = (shape for field in (None, *fields) for shape in self._shapes.get(field, ()))
            known = [shape for shape in near if shape.fields <= fields and shape.listed <= listed]
            self._known[fields, listed] = known
        return known


class _Index(Protocol):
    """The conditions of one operator on one field, by what another match must leave of it to imply them."""

    def add(self, number: int, condition: FactCondition) -> None: ...

    def steps(self, left: Left) -> int:
        """What `postings` costs, at most, beside the sizes of what it returns."""
        ...

    def postings(self, left: Left) -> list[Ids] | None:
        """Sets that together have all whose condition may be implied; None = all of them may be."""
        ...


class _Lists:
    """Plain values: where one value is left that is not in the list, it is not implied."""

    def __init__(self, _condition: FactCondition) -> None:
        self._by_value: dict[str, Ids] = {}
        self._long: dict[frozenset[str], Ids] = {}

    def add(self, number: int, condition: FactCondition) -> None:
        assert isinstance(condition, OneOf)
        if len(condition.values) > _LONG_LIST:
            self._long.setdefault(condition.values, set()).add(number)
            return
        for value in condition.values:
            self._by_value.setdefault(value, set()).add(number)

    def steps(self, left: Left) -> int:
        return _PROBED * (1 + len(self._long) // _CHEAP)

    def postings(self, left: Left) -> list[Ids] | None:
        return _fewest(self._of(value) for value in islice(left.values or (), _PROBED))

    def _of(self, value: str) -> list[Ids]:
        short = self._by_value.get(value)
        found = [numbers for values, numbers in self._long.items() if value in values]
        return found if short is None else [short, *found]


class _Beginnings:
    """Beginnings of values: they are implied by values and longer beginnings."""

    def __init__(self, condition: FactCondition) -> None:
        self._of_values = condition.reads == condition.field
        self._by_beginning: dict[str, Ids] = {}
        self._lengths: set[int] = set()

    def add(self, number: int, condition: FactCondition) -> None:
        assert isinstance(condition, Prefix)
        for value in condition.values:
            self._by_beginning.setdefault(value, set()).add(number)
            self._lengths.add(len(value))

    def steps(self, left: Left) -> int:
        return _PROBED * (1 + len(self._lengths))

    def postings(self, left: Left) -> list[Ids] | None:
        if left.values is not None and self._of_values:
            return _fewest(map(self._of, islice(left.values, _PROBED)))
        found: list[Ids] = []
        for known in left.conditions:
            if isinstance(known, Prefix):
                one = _fewest(map(self._of, islice(known.values, _PROBED)))
                if one is None:
                    return None
                found += one
        return found

    def _of(self, value: str) -> list[Ids]:
        beginnings = (value[:length] for length in self._lengths if length <= len(value))
        return [found for one in beginnings if (found := self._by_beginning.get(one)) is not None]


class _Exclusions:
    """Values that must not be: a longer list of them implies a shorter one. Each is kept under one of its values."""

    def __init__(self, _condition: FactCondition) -> None:
        self._by_value: dict[str, Ids] = {}
        self._of_nothing: Ids = set()

    def add(self, number: int, condition: FactCondition) -> None:
        assert isinstance(condition, NoneOf)
        numbers = self._by_value.setdefault(min(condition.values), set()) if condition.values else self._of_nothing
        numbers.add(number)

    def steps(self, left: Left) -> int:
        return 1 + sum(len(known.values) for known in left.conditions if isinstance(known, NoneOf))

    def postings(self, left: Left) -> list[Ids] | None:
        if left.values is not None:
            return None
        found = [self._of_nothing]
        for known in left.conditions:
            if not isinstance(known, NoneOf):
                return None
            found += [numbers for value in known.values if (numbers := self._by_value.get(value)) is not None]
        return found


class _Ranges:
    """Ranges of numbers, as a segment tree over the places where one begins or ends."""

    def __init__(self, _condition: FactCondition) -> None:
        self._added: list[tuple[int, Range]] = []
        self._bounds: list[Decimal] = []
        self._nodes: dict[int, Ids] | None = None

    def add(self, number: int, condition: FactCondition) -> None:
        assert isinstance(condition, Range)
        self._added.append((number, condition))

    def steps(self, left: Left) -> int:
        # A segment tree of ten thousand bounds is 15 nodes deep.
        return 20 * (1 if left.values is None else _PROBED)

    def postings(self, left: Left) -> list[Ids] | None:
        if left.values is not None:
            return _fewest(self._of_value(value) for value in islice(left.values, _PROBED))
        found: list[Ids] = []
        for known in left.conditions:
            if isinstance(known, Range):
                if known.least is not None and known.most is not None and known.least > known.most:
                    return None
                found += self._at(known.least)
        return found

    def _of_value(self, value: str) -> list[Ids]:
        number = number_of(value)
        return [] if number is None else self._at(number)

    def _at(self, number: Decimal | None) -> list[Ids]:
        """Those that have the number; None = those without a lower bound."""
        nodes = self._built()
        place = self._slots() + (0 if number is None else self._slot(number))
        found = []
        while place:
            if numbers := nodes.get(place):
                found.append(numbers)
            place >>= 1
        return found

    def _built(self) -> dict[int, Ids]:
        if self._nodes is not None:
            return self._nodes
        bounds = {bound for _, one in self._added for bound in (one.least, one.most) if bound is not None}
        self._bounds = sorted(bounds)
        self._nodes = {}
        for number, one in self._added:
            first = 0 if one.least is None else self._slot(one.least)
            last = self._slots() - 1 if one.most is None else self._slot(one.most)
            for node in _nodes_over(self._slots() + first, self._slots() + last + 1):
                self._nodes.setdefault(node, set()).add(number)
        return self._nodes

    def _slots(self) -> int:
        """Each bound has a slot, and so has what is before, between and after them."""
        return 2 * len(self._bounds) + 1

    def _slot(self, number: Decimal) -> int:
        place = bisect_left(self._bounds, number)
        return 2 * place + (place < len(self._bounds) and self._bounds[place] == number)


def _nodes_over(first: int, end: int) -> Iterator[int]:
    """The nodes of a segment tree that together are the leaves from `first` up to, but not, `end`."""
    while first < end:
        if first & 1:
            yield first
            first += 1
        if end & 1:
            end -= 1
            yield end
        first >>= 1
        end >>= 1


def _fewest(found: Iterable[list[Ids]]) -> list[Ids] | None:
    """The one with the fewest numbers; None where there is none, as nothing is left that would have to hold."""
    return min(found, key=lambda postings: sum(map(len, postings)), default=None)


_INDEXES: dict[type[FactCondition], type[_Lists | _Beginnings | _Exclusions | _Ranges]] = {
    OneOf: _Lists,
    Prefix: _Beginnings,
    NoneOf: _Exclusions,
    Range: _Ranges,
}
