"""Rules that get few leads or none, because a rule before them takes all that they match."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from router.domain.budget import BOUNDLESS, Budget
from router.domain.ruleset import Match, Rule
from router.domain.subsumption import Left, covers
from router.domain.wider_matches import WiderMatches


@dataclass(frozen=True, slots=True)
class Shadow:
    """`other`, before the rule, matches all of its leads. `ends` = and leaves nothing for it; else it is wider, and the
    rule gets what `other` cannot place.
    """

    other: Rule
    ends: bool


@dataclass(slots=True)
class _SameMatch:
    """The rules of one match, by their places: the first at all, the first that lets leads wait, the first that gives
    leads at any time to a group, and by group.
    """

    match: Match
    first: int
    waits: int | None = None
    gives: int | None = None
    gives_group: dict[str | None, int] = field(default_factory=dict)

    def add(self, place: int, rule: Rule) -> None:
        if rule.wait:
            # Also outside its window: then its leads wait for that.
            self.waits = place if self.waits is None else self.waits
            return
        self.gives = place if self.gives is None else self.gives
        self.gives_group.setdefault(rule.group, place)

    def ends(self, rule: Rule, before: int) -> int | None:
        """The first of them before a place that leaves nothing for a rule with fewer leads."""
        # Thousands of nested ranges ask this some million times.
        first, given = self.waits, None if rule.wait else self.gives_group.get(rule.group)
        if given is not None and (first is None or given < first):
            first = given
        return None if first is None or first >= before else first


def shadows(rules: Iterable[tuple[int, Rule]], budget: Budget = BOUNDLESS) -> Iterator[tuple[int, Shadow | None]]:
    """By place: the first rule before it that leaves nothing for it; else the first wider one; None = there is neither.

    `rules` have their places, ascending. Raises OverBudget: then those that did not come were not compared.
    """
    placed = dict(rules)
    by_match: dict[Match, _SameMatch] = {}
    for place, rule in placed.items():
        if rule.to_owner or (rule.window is not None and not rule.wait):
            continue
        same = by_match.get(rule.match)
        if same is None:
            same = by_match[rule.match] = _SameMatch(rule.match, place)
        same.add(place, rule)
    same_match = list(by_match.values())
    index = WiderMatches(list(by_match), budget)
    for place, rule in placed.items():
        left: dict[str, Left] = {}
        candidates = (same_match[number] for number in index.candidates(rule.match, left))
        found = _first(candidates, place, rule, left, budget)
        yield place, None if found is None else Shadow(placed[found[0]], found[1])


def _first(
    candidates: Iterable[_SameMatch], place: int, rule: Rule, left: dict[str, Left], budget: Budget
) -> tuple[int, bool] | None:
    """The place of the rule that ends it, else of the first wider one. Candidates come by their first places.

    Matches are compared only where it could change what is found: with thousands of wider rules that is seldom.
    """
    end, wider = place, place
    for same in candidates:
        budget.spend(1)
        if same.first >= end:
            break
        ends = same.ends(rule, end)
        widens = end == place and same.gives is not None and same.gives < wider
        if not (ends is not None or widens) or not covers(same.match, rule.match, budget, left):
            continue
        if ends is not None:
            end = ends
        elif widens and same.gives is not None and not covers(rule.match, same.match, budget):
            wider = same.gives
    if end < place:
        return end, True
    return (wider, False) if wider < place else None
