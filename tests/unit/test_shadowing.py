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
from router.domain.budget import Budget
from router.domain.conditions import FactCondition, NoneOf, OneOf, Prefix, Present, Range
from router.domain.lint import ALL_READ, STEPS, Level, Lint, Unread, lint_rules
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


def found(rules: Iterable[tuple[int, Rule]]) -> dict[int, Shadow]:
    return {place: shadow for place, shadow in shadows(rules) if shadow is not None}


@settings(max_examples=500)
@given(rules=rule_lists(), long=st.sampled_from([1, 100]), probed=st.sampled_from([1, 8]), few=st.sampled_from([0, 4]))
def test_the_same_rules_are_found_as_by_comparing_each_pair(
    rules: list[Rule], long: int, probed: int, few: int
) -> None:
    with mock.patch.multiple(wider_matches, _LONG_LIST=long, _PROBED=probed, _FEW=few):
        assert found(enumerate(rules)) == pair_by_pair(rules)


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
        assert found(rules) == {}
    assert compared.call_count <= 2 * count


def test_wider_rules_are_not_compared_when_that_changes_nothing() -> None:
    """Thousands of rules, each narrower than all before it: the first is the wider one that is reported."""
    count = 1_000
    rules = [
        (number, Rule(f"{number}", Match(others=(Range("attributes.budget", Decimal(number)),)), group=f"g{number}"))
        for number in range(count)
    ]
    with mock.patch("router.domain.shadowing.covers", side_effect=covers) as compared:
        shadowed = found(rules)
    assert shadowed == {number: Shadow(rules[0][1], ends=False) for number in range(1, count)}
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


def combinations(count: int) -> Ruleset:
    """Rules of which each asks for other operators of other fields: no index tells them apart."""
    ask: list[Callable[[str], FactCondition]] = [
        lambda field: Prefix(field, frozenset("a")),
        lambda field: NoneOf(field, frozenset("b")),
        lambda field: Present(field, True),
    ]
    rules = []
    for number in range(count):
        chosen = [(number * 2_654_435_761 >> 2 * field) & 3 for field in range(12)]
        match = Match(others=tuple(ask[one](f"attributes.a{at}") for at, one in enumerate(chosen) if one < 3))
        rules.append(Rule(f"r{number}", match, group=f"g{number}"))
    return Ruleset(1, tuple(rules))


LONG = frozenset(f"city {number}" for number in range(2_000))
HOSTILE: dict[str, Ruleset] = {
    "combinations": combinations(300),
    "a long list and exclusions": Ruleset(
        1,
        tuple(
            Rule(f"r{n}", Match((OneOf("region", LONG),), others=(NoneOf("region", frozenset([f"{n}"])),)), group="g")
            for n in range(60)
        ),
    ),
    "a long list and many beginnings": Ruleset(
        1,
        tuple(
            Rule(
                f"r{n}",
                Match(
                    (OneOf("attributes.a", LONG),),
                    others=(Prefix("attributes.a", frozenset(f"{n} {one}" for one in range(300))),),
                ),
                group="g",
            )
            for n in range(20)
        ),
    ),
    "many long lists": Ruleset(
        1,
        tuple(
            Rule(f"r{n}", Match((OneOf("region", frozenset(f"{n} {one}" for one in range(101))),)), group="g")
            for n in range(400)
        ),
    ),
    "nested ranges": Ruleset(
        1,
        tuple(Rule(f"r{n}", Match(others=(Range("attributes.b", Decimal(n)),)), group=f"g{n}") for n in range(500)),
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_comparing_hostile_rules_ends_and_says_from_which_rule_on_nothing_was_checked(kind: str) -> None:
    rules = HOSTILE[kind]
    whole = lint_rules(rules)
    assert not any(one.lint is Lint.NOT_CHECKED for one in whole)
    some = lint_rules(rules, steps=20_000)
    [end] = [one for one in some if one.lint is Lint.NOT_CHECKED]
    assert (end.level, end.message.startswith("not checked from this rule on")) == (Level.HINT, True)
    assert some == lint_rules(rules, steps=20_000), "the same each time, however fast the machine is"
    assert {one for one in some if one is not end} <= set(whole), "nothing is said that is not so"
    place = int(end.path.removeprefix("rules[").removesuffix("]"))
    before = {f"rules[{number}]" for number in range(place)}
    of_before = [one for one in whole if one.path.partition(".")[0] in before]
    assert [one for one in some if one.path.partition(".")[0] in before] == of_before, "all before it was checked"


class Steps(Budget):
    """How many steps were taken."""

    taken = 0

    def spend(self, steps: int) -> None:
        Steps.taken += steps
        super().spend(steps)


@pytest.mark.parametrize("shape", SHAPES)
def test_of_ten_thousand_rules_of_usual_kinds_all_are_checked(shape: str) -> None:
    rules = Ruleset(1, tuple(Rule(f"{n}", SHAPES[shape](n), group=f"g{n}") for n in range(2_000)))
    Steps.taken = 0
    with mock.patch("router.domain.lint.Budget", Steps):
        assert {one.lint for one in lint_rules(rules)} <= {Lint.NO_CATCH_ALL}
    # In proportion to the rules, five times as many take a fifth of what may be.
    assert 0 < Steps.taken < STEPS / 25
