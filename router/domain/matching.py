"""Which rules a lead's facts satisfy, without a pass over all rules per lead.

Rules are indexed by their most selective condition: values, beginnings, or that the lead has no value; what the
facts alone decide is remembered per combination of those facts that some rule asks for, since leads share few of them.
What depends on time or on the customer is judged per lead in `decide`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter

from router.domain.conditions import FactCondition, OneOf, Prefix, Present
from router.domain.lead import FACT_FIELDS, Facts
from router.domain.ruleset import Rule
from router.domain.text import fold

# More combinations than this are not remembered: memory stays bounded whatever the leads say.
REMEMBERED_COMBINATIONS = 50_000


def folded(facts: Facts) -> Facts:
    """The facts in the spelling in which rules, regions and industries are compared."""
    return Facts(*[None if value is None else fold(value) for value in facts])


def picker(places: Iterable[int]) -> Callable[[Facts], object]:
    """A function that takes the facts at these places (of FACT_FIELDS), as one key for remembering."""
    wanted = sorted(set(places))
    return itemgetter(*wanted) if wanted else lambda _: None


@dataclass(slots=True)
class _FieldIndex:
    """The keys on one field. A key is a set of values that any number of rules share, so that each is here once.

    `keys` has the rules of every key; `by_value` the keys by value, `by_prefix` by beginning (`lengths` are all
    there are), `absent` the rules for leads that do not say.
    """

    keys: list[list[int]] = field(default_factory=list)
    numbers: dict[tuple[type, frozenset[str]], int] = field(default_factory=dict)
    by_value: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    by_prefix: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    lengths: set[int] = field(default_factory=set)
    absent: list[int] = field(default_factory=list)

    def add(self, key: OneOf | Prefix, rule: int) -> None:
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


class Matcher:
    """Finds the rules whose conditions on facts hold; built once per ruleset."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._conditions = tuple(rule.match.facts for rule in rules)
        self._always: list[int] = []
        self._index: dict[int, _FieldIndex] = defaultdict(_FieldIndex)
        self._asked_for = picker(FACT_FIELDS.index(c.field) for conditions in self._conditions for c in conditions)
        self._remembered: dict[object, tuple[int, ...]] = {}
        for number, conditions in enumerate(self._conditions):
            self._file(number, conditions)

    def _file(self, number: int, conditions: tuple[FactCondition, ...]) -> None:
        """Under the key that lets the fewest leads through: few values before many, values before beginnings."""
        keys = [c for c in conditions if isinstance(c, OneOf | Prefix)]
        absent = [c for c in conditions if isinstance(c, Present) and not c.present]
        if keys:
            key = min(keys, key=lambda c: (isinstance(c, Prefix), len(c.values)))
            self._index[FACT_FIELDS.index(key.field)].add(key, number)
        elif absent:
            self._index[FACT_FIELDS.index(absent[0].field)].absent.append(number)
        else:
            # No condition, or only such as nearly every lead fulfils.
            self._always.append(number)

    def rules_for(self, facts: Facts) -> tuple[int, ...]:
        """Numbers of the rules whose fact conditions hold, ascending. `facts` as they arrived, not folded."""
        combination = self._asked_for(facts)
        known = self._remembered.get(combination)
        if known is not None:
            return known
        found = self._search(folded(facts))
        if len(self._remembered) >= REMEMBERED_COMBINATIONS:
            self._remembered.clear()
        self._remembered[combination] = found
        return found

    def _search(self, facts: Facts) -> tuple[int, ...]:
        candidates = list(self._always)
        for place, index in self._index.items():
            candidates += index.candidates(facts[place])
        return tuple(sorted(n for n in candidates if self._holds(self._conditions[n], facts)))

    @staticmethod
    def _holds(conditions: tuple[FactCondition, ...], facts: Facts) -> bool:
        return all(condition.holds(facts[FACT_FIELDS.index(condition.field)]) for condition in conditions)
