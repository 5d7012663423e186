"""Which rules a lead's facts satisfy, without a pass over all rules per lead.

Rules are indexed by their most selective equality condition; what the facts alone decide is remembered per
combination of facts, since leads share few of them. What depends on time or on the customer is judged per lead
in `decide`.
"""

from collections import defaultdict

from router.domain.lead import FACT_FIELDS, Facts
from router.domain.ruleset import OneOf, Rule
from router.domain.text import fold

# More combinations than this are not remembered: memory stays bounded whatever the leads say.
REMEMBERED_COMBINATIONS = 50_000


def folded(facts: Facts) -> Facts:
    """The facts in the spelling in which rules, regions and industries are compared."""
    return Facts(*[None if value is None else fold(value) for value in facts])


def one_holds(condition: OneOf, facts: Facts) -> bool:
    """Whether one condition holds; `facts` folded."""
    return facts[FACT_FIELDS.index(condition.field)] in condition.values


class Matcher:
    """Finds the rules whose conditions on facts hold; built once per ruleset."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._always: list[int] = []
        self._index: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._remembered: dict[Facts, tuple[int, ...]] = {}
        for number, rule in enumerate(rules):
            if not rule.match.one_of:
                self._always.append(number)
                continue
            # The condition with the fewest values lets the fewest leads through.
            key = min(rule.match.one_of, key=lambda c: len(c.values))
            for value in sorted(key.values):
                self._index[FACT_FIELDS.index(key.field)][value].append(number)

    def rules_for(self, facts: Facts) -> tuple[int, ...]:
        """Numbers of the rules whose fact conditions hold, ascending. `facts` as they arrived, not folded."""
        known = self._remembered.get(facts)
        if known is not None:
            return known
        found = self._search(folded(facts))
        if len(self._remembered) >= REMEMBERED_COMBINATIONS:
            self._remembered.clear()
        self._remembered[facts] = found
        return found

    def _search(self, facts: Facts) -> tuple[int, ...]:
        candidates = list(self._always)
        for field, by_value in self._index.items():
            value = facts[field]
            if value is not None:
                candidates += [n for n in by_value.get(value, ()) if self._holds(self._rules[n].match.one_of, facts)]
        return tuple(sorted(candidates))

    @staticmethod
    def _holds(conditions: tuple[OneOf, ...], facts: Facts) -> bool:
        return all(one_holds(condition, facts) for condition in conditions)
