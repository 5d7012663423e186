"""The difference of two rulesets: nothing that changed is left out, and nothing is told that did not."""

from dataclasses import fields, replace
from itertools import permutations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.domain.ruleset import Rule, Ruleset
from router.domain.ruleset_diff import Kind, diff_rulesets
from tests.unit.generated_rules import read_ruleset, rulesets

OLD = """
defaults: {max_open: 200}
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}
  - {name: east, match: {region: [Shanghai, Hangzhou], created: today}, assign_to: group:east}
  - name: west
    match: {priority: 5, created: {within: 4h}, date: {from: 2026-11-24, to: 2026-11-30}}
    assign_to: group:west
    on_no_candidate: wait
  - {name: rest, match: {}, assign_to: group:default}
"""
NEW = """
defaults: {max_open: 300, max_per_day: 20}
weights: {region_match: 1.25, sold_product: {factor: 2}}
calendar: {country: CN, working_hours: {mon-fri: "09:00-12:00"}}
rules:
  - name: west
    match: {priority: [5, 6], created: {within: 90m}, date: {to: 2026-12-01}}
    assign_to: group:west
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 45m}
  - {name: east, match: {region: [Ningbo, Shanghai]}, assign_to: group:sea}
  - {name: new, match: {product: [a, b, c, d, e, f]}, assign_to: owner, window: never}
  - {name: catch-all, match: {}, assign_to: group:default}
"""


def told(old: str, new: str) -> list[str]:
    return [str(change) for change in diff_rulesets(read_ruleset(old, "old"), read_ruleset(new, "new"))]


def test_every_change_is_told_in_the_words_of_the_rules_file() -> None:
    assert told(OLD, NEW) == [
        "calendar.country: none → CN",
        "calendar.working_hours: none → mon-fri 09:00-12:00",
        "defaults.max_open: 200 → 300",
        "defaults.max_per_day: none → 20",
        "weights.region_match: 1 → 1.25",
        "weights.sold_product.lookback_days: none → 90",
        "weights.sold_product.factor: none → 2",
        'rule "west" moved: now as first rule, was after "east"',
        'rule "west": match.priority: added 6',
        'rule "west": match.created: within 4h → within 90m',
        'rule "west": match.date.from: 2026-11-24 → none',
        'rule "west": match.date.to: 2026-11-30 → 2026-12-01',
        'rule "west": on_no_candidate: wait → none',
        'rule "known": fall_back_after: 30m → 45m',
        'rule "east": match.region: added ningbo; removed hangzhou',
        'rule "east": match.created: today → none',
        'rule "east": assign_to: group:east → group:sea',
        'rule "new" added after "east": match.product a, b, c, d, e and 1 more; assign_to owner; window never',
        'rule "rest" renamed to "catch-all"',
    ]
    assert told(NEW, OLD)[-1].startswith('rule "new" removed: match.product a, b, c, d, e and 1 more; assign_to owner')


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(rulesets(), rulesets(), st.sets(st.sampled_from([field.name for field in fields(Ruleset)])))
def test_rulesets_differ_exactly_when_something_is_told(one: Ruleset, other: Ruleset, names: set[str]) -> None:
    mixed = replace(one, **{name: getattr(other, name) for name in names})
    changes = diff_rulesets(one, mixed)
    assert bool(changes) == (one != replace(mixed, version=one.version))
    kinds = [change.kind for change in changes]
    assert len(mixed.rules) == len(one.rules) + kinds.count(Kind.ADDED) - kinds.count(Kind.REMOVED)


def _named(order: tuple[int, ...]) -> Ruleset:
    return Ruleset(1, tuple(Rule(f"r{i}", group=f"g{i}") for i in order))


def test_as_few_rules_as_possible_are_said_to_have_moved() -> None:
    old = _named(tuple(range(5)))
    for order in permutations(range(5)):
        changes = diff_rulesets(old, _named(order))
        assert {change.kind for change in changes} <= {Kind.MOVED}
        moved = {change.rule for change in changes}
        stayed = [i for i in order if f"r{i}" not in moved]
        assert stayed == sorted(stayed)
        longest = max(
            bits.bit_count()
            for bits in range(32)
            if [i for i in order if bits >> i & 1] == [i for i in range(5) if bits >> i & 1]
        )
        assert len(stayed) == longest


def test_thousands_of_turned_rules_are_compared() -> None:
    order = tuple(range(5000))
    assert len(diff_rulesets(_named(order), _named(order[::-1]))) == 4999
