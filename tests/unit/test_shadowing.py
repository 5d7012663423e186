"""Rules behind wider ones: the index finds exactly what comparing each pair of rules finds."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain import wider_matches
from router.domain.asked import beginning_form
from router.domain.conditions import FactCondition, NoneOf, OneOf, Prefix, Present, Range
from router.domain.lint import ALL_READ, Unread, lint_rules
from router.domain.ruleset import Created, DateRange, Match, PriorityRange, Rule, Ruleset
from router.domain.shadowing import Shadow, shadows
from router.domain.subsumption import covers
from router.domain.wider_matches import WiderMatches
from router.domain.working_hours import parse_week
from tests.unit.generated_rules import matches

FIELDS = ("region", "product", "company", "attributes.budget")
VALUES = st.sampled_from(["a", "ab", "abc", "b", "1", "2", "3", "-1", "x ag"])
SETS = st.frozensets(VALUES, max_size=4)
BOUNDS = st.none() | st.sampled_from([Decimal(number) for number in ("-1", "0", "1", "2", "2.5", "3")])


@st.composite
def conditions(draw: st.DrawFn, field: str) -> FactCondition:
    """Also those that no file can have, such as empty lists and ranges: the index is made for all."""
    kind = draw(st.sampled_from([NoneOf, Prefix, Present, Range]))
    if kind is Present:
        return Present(field, draw(st.booleans()))
    if kind is Range:
        return Range(field, draw(BOUNDS), draw(BOUNDS))
    if kind is Prefix:
        return Prefix(field, frozenset(map(beginning_form(field), draw(SETS))))
    return NoneOf(field, draw(SETS))


@st.composite
def near_matches(draw: st.DrawFn) -> Match:
    """Few fields and few values, so that many of them cover each other."""
    fields = draw(st.lists(st.sampled_from(FIELDS), max_size=2, unique=True))
    listed = [field for field in fields if draw(st.booleans())]
    return Match(
        one_of=tuple(OneOf(field, draw(SETS)) for field in listed),
        others=tuple(
            draw(conditions(field))
            for field in fields
            for _ in range(draw(st.integers(0 if field in listed else 1, 1 if field in listed else 2)))
        ),
        priority=draw(st.sampled_from([None, None, None, frozenset((1, 2)), PriorityRange(1), PriorityRange(1, 2)])),
        known_customer=draw(st.sampled_from([None, None, None, True, False])),
        created=draw(st.sampled_from([None, None, None, Created.TODAY, timedelta(hours=1)])),
        date=draw(st.sampled_from([None, None, None, DateRange(date(2026, 1, 1))])),
    )


GROUPS = st.sampled_from([None, "east", "east", "west", "south"])
WINDOWS = st.sampled_from([None, None, None, parse_week("mon 09:00-10:00")])


@st.composite
def rule_lists(draw: st.DrawFn) -> list[Rule]:
    some = draw(st.lists(near_matches() | matches(VALUES), min_size=1, max_size=12))
    return [
        Rule(
            f"rule {number}",
            draw(st.sampled_from(some)),
            group=(group := draw(GROUPS)),
            wait=group is not None and draw(st.sampled_from([False, False, True])),
            window=draw(WINDOWS),
        )
        for number in range(draw(st.integers(1, 20)))
    ]


def pair_by_pair(rules: Iterable[Rule]) -> dict[int, Shadow]:
    found: dict[int, Shadow] = {}
    front: list[Rule] = []
    for place, rule in enumerate(rules):
        for other in front:
            if other.to_owner or not covers(other.match, rule.match):
                continue
            if other.wait:
                found[place] = Shadow(other, ends=True)
                break
            if other.window is not None:
                continue
            if other.group == rule.group and not rule.wait:
                found[place] = Shadow(other, ends=True)
                break
            if place not in found and not covers(rule.match, other.match):
                found[place] = Shadow(other, ends=False)
        front.append(rule)
    return found


@settings(max_examples=500)
@given(rules=rule_lists(), long=st.sampled_from([1, 100]), probed=st.sampled_from([1, 8]), few=st.sampled_from([0, 4]))
def test_the_same_rules_are_found_as_by_comparing_each_pair(
    rules: list[Rule], long: int, probed: int, few: int
) -> None:
    with mock.patch.multiple(wider_matches, _LONG_LIST=long, _PROBED=probed, _FEW=few):
        assert dict(shadows(enumerate(rules))) == pair_by_pair(rules)


@settings(max_examples=300)
@given(
    some=st.lists(near_matches() | matches(VALUES), max_size=12),
    narrow=near_matches() | matches(VALUES),
    long=st.sampled_from([1, 100]),
)
def test_no_match_that_covers_another_one_is_missed(some: list[Match], narrow: Match, long: int) -> None:
    with mock.patch.multiple(wider_matches, _LONG_LIST=long, _FEW=0):
        candidates = WiderMatches(some).candidates(narrow)
    assert {number for number, match in enumerate(some) if covers(match, narrow)} <= set(candidates)
    assert candidates == sorted(set(candidates))


LONG_LIST = frozenset(f"city {number}" for number in range(1_000))
SHAPES: dict[str, Callable[[int], Match]] = {
    "values": lambda number: Match((OneOf("product", frozenset([f"p{number}"])),)),
    "two fields": lambda number: Match(
        (
            OneOf("region", frozenset([f"r{number % 50}"])),
            OneOf("product", frozenset([f"p{number // 50}"])),
        )
    ),
    "beginnings": lambda number: Match(
        (OneOf("attributes.country", frozenset(["de"])),),
        others=(Prefix("attributes.postcode", frozenset([f"{10_000 + number}"])),),
    ),
    "ranges": lambda number: Match(
        (OneOf("region", frozenset("ab")),),
        others=(Range("attributes.staff", Decimal(number * 10), Decimal(number * 10 + 9)),),
    ),
    "what must not be": lambda number: Match(others=(NoneOf("region", frozenset([f"r{number}"])),)),
    "attributes of their own": lambda number: Match((OneOf(f"attributes.a{number}", frozenset("a")),)),
    "one long list": lambda number: Match(
        (OneOf("region", LONG_LIST), OneOf("product", frozenset([f"p{number}"]))),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_of_thousands_of_rules_each_is_compared_with_few(shape: str) -> None:
    count = 2_000
    rules = [(number, Rule(f"{number}", SHAPES[shape](number), group=f"g{number}")) for number in range(count)]
    with mock.patch("router.domain.shadowing.covers", side_effect=covers) as compared:
        assert list(shadows(rules)) == []
    assert compared.call_count <= 2 * count


def test_wider_rules_are_not_compared_when_that_changes_nothing() -> None:
    """Thousands of rules, each narrower than all before it: the first is the wider one that is reported."""
    count = 1_000
    rules = [
        (number, Rule(f"{number}", Match(others=(Range("attributes.budget", Decimal(number)),)), group=f"g{number}"))
        for number in range(count)
    ]
    with mock.patch("router.domain.shadowing.covers", side_effect=covers) as compared:
        found = dict(shadows(rules))
    assert found == {number: Shadow(rules[0][1], ends=False) for number in range(1, count)}
    assert compared.call_count <= 2 * count


class CountedSet(set[int]):
    """Counts how often it is asked for a number."""

    asked = 0

    def __contains__(self, number: object) -> bool:
        CountedSet.asked += 1
        return super().__contains__(number)


def test_thousands_of_exclusions_are_not_asked_one_by_one() -> None:
    """A rule that excludes a thousand values, behind a thousand that exclude one each, took a million look-ups."""
    count = 1_000
    index = WiderMatches(
        [
            Match((OneOf("region", frozenset("a")),), others=(NoneOf("product", frozenset([f"p{number}"])),))
            for number in range(count)
        ]
    )
    narrow = Match(
        (OneOf("region", frozenset("a")),),
        others=(NoneOf("product", frozenset(f"p{number}" for number in range(0, count * 2, 2))),),
    )
    [shape] = index._shapes.within(narrow)
    of_product = shape._indexes["product", NoneOf]
    assert isinstance(of_product, wider_matches._Exclusions)
    of_product._by_value = {value: CountedSet(numbers) for value, numbers in of_product._by_value.items()}
    # More than the region leaves, so that the region is gone through.
    of_product._of_nothing = CountedSet(range(count, count * 2))
    CountedSet.asked = 0
    assert index.candidates(narrow) == list(range(0, count, 2))
    assert CountedSet.asked <= 2 * count


PATHS = st.lists(
    st.sampled_from(["rules", "[0]", "[1]", "[10]", ".match", ".attributes.a", ".a", "defaults", "."]), max_size=4
).map("".join)


@given(bad=st.frozensets(PATHS, max_size=4), path=PATHS)
def test_a_field_was_not_read_when_it_is_part_of_one_that_was_not_or_has_one(bad: frozenset[str], path: str) -> None:
    def holds(outer: str, inner: str) -> bool:
        return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))

    assert Unread(bad).within(path) == any(holds(path, one) or holds(one, path) for one in bad)


def test_a_rule_that_was_read_in_part_hides_no_other() -> None:
    rules = (Rule("a", Match(), group="g"), Rule("b", Match(), group="g"), Rule("c", Match(), group="g"))
    whole, part = Ruleset(1, rules), Unread(frozenset({"rules[0].match"}))
    assert [one.path for one in lint_rules(whole, ALL_READ)] == ["rules[1]", "rules[2]"]
    [found] = lint_rules(whole, part)
    assert found.path == "rules[2]" and '"b"' in found.message
