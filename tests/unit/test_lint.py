"""Lints: each finds what it is for, and keeps quiet about its honest neighbour."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.console.in_language import said_in
from ops.text.translation import translator
from router.domain.conditions import Prefix
from router.domain.lint import Finding, Level, Lint, lint_rules
from router.domain.lint_tenant import Seen, lint_groups, lint_values
from router.domain.roster import Rep, Roster
from router.domain.ruleset import Ruleset
from router.domain.working_hours import parse_week
from router.rules.file import read_rules

CATCH_ALL = "  - {name: rest, match: {}, assign_to: group:rest}\n"
LISTS = {"cities.txt": "# sea\nShanghai\n\nＮＩＮＧＢＯ\n"}


def ruleset(*rules: str, settings: str = "", catch_all: bool = True) -> Ruleset:
    lines = "".join(f"  - {{{rule}}}\n" for rule in rules)
    text = f"{settings}\nrules:\n{lines}{CATCH_ALL if catch_all else ''}"
    return read_rules(text, "r.yaml", LISTS.__getitem__).ruleset


def group(name: str, match: str, more: str = "", to: str = "") -> str:
    return f"name: {name}, match: {{{match}}}, assign_to: {to or f'group:{name}'}{more and ', '}{more}"


def in_chinese(findings: list[Finding]) -> list[Finding]:
    """They, of which a Chinese page says each in Chinese: English is no more than names, as of settings."""
    for one in findings:
        said, lang = said_in(one.message, translator("zh"))
        assert lang == "" and re.search("[\u4e00-\u9fff]", said), one.message
        assert not re.search(r"\b[a-z]+ [a-z]+ [a-z]+\b", said), said
        assert sorted(re.findall(r"\d+", said)) == sorted(re.findall(r"\d+", one.message)), said
    return findings


def found(rules: Ruleset) -> list[tuple[str, str, str]]:
    return [(one.level.value, one.lint.value, one.path) for one in in_chinese(lint_rules(rules))]


WAIT = "on_no_candidate: wait"
FINDS = [
    ((group("a", "region: x", WAIT), group("b", "region: x, product: p")), "warning", Lint.UNREACHABLE, "rules[1]"),
    (
        (group("a", "region: [x, y]", f"{WAIT}, window: mon 09:00-10:00"), group("b", "region: y")),
        "warning",
        Lint.UNREACHABLE,
        "rules[1]",
    ),
    ((group("a", "region: {not: [z]}", WAIT), group("b", "region: x")), "warning", Lint.UNREACHABLE, "rules[1]"),
    (
        (group("a", "landing_page: {prefix: /a}", WAIT), group("b", "landing_page: {prefix: [/ab, /ac]}")),
        "warning",
        Lint.UNREACHABLE,
        "rules[1]",
    ),
    (
        (group("a", "priority: {from: 3}", WAIT), group("b", "priority: {from: 5, to: 9}")),
        "warning",
        Lint.UNREACHABLE,
        "rules[1]",
    ),
    (
        (group("a", "created: {within: 4h}", WAIT), group("b", "created: {within: 1h}")),
        "warning",
        Lint.UNREACHABLE,
        "rules[1]",
    ),
    (
        (group("a", "region: x", to="group:g"), group("b", "region: x, industry: i", to="group:g")),
        "warning",
        Lint.UNREACHABLE,
        "rules[1]",
    ),
    ((group("a", "region: {present: true}"), group("b", "region: x")), "hint", Lint.BEHIND_WIDER, "rules[1]"),
    (
        (group("a", "region: {in_file: cities.txt, not: [Shanghai, Ningbo]}"),),
        "error",
        Lint.NEVER_MATCHES,
        "rules[0].match.region",
    ),
    ((group("a", "priority: {from: 3, to: 3, not: 3}"),), "error", Lint.NEVER_MATCHES, "rules[0].match.priority"),
    ((group("a", "known_customer: false", to="owner"),), "error", Lint.NEVER_ASSIGNS, "rules[0].assign_to"),
    ((group("a", "region: x", "window: never"),), "warning", Lint.NEVER_OPEN, "rules[0].window"),
]
QUIET = [
    (group("a", "region: x"), group("b", "region: x")),  # b is where a's leads overflow to
    (group("a", "region: x, product: p", WAIT), group("b", "region: x")),
    (group("a", "region: x", WAIT), group("b", "region: {not: x}")),
    (group("a", "region: {not: x}", WAIT), group("b", "product: p")),
    (group("a", "region: {present: true}", WAIT), group("b", "region: {not: x}")),
    (group("a", "landing_page: {prefix: /ab}", WAIT), group("b", "landing_page: {prefix: /a}")),
    (group("a", "priority: {from: 3, to: 9}", WAIT), group("b", "priority: {from: 9}")),
    (group("a", "created: today", WAIT), group("b", "created: yesterday")),
    (group("a", "known_customer: true", WAIT), group("b", "region: x")),
    (group("a", "region: x", to="owner"), group("b", "region: x, product: p")),
    (group("a", "region: x", "window: mon 09:00-10:00"), group("b", "region: x, product: p")),
    (group("a", "region: {in_file: cities.txt, not: Shanghai}"),),
    (group("a", "priority: {from: 3, to: 4, not: 3}"),),
    (group("a", "known_customer: true", to="owner"),),
]


@pytest.mark.parametrize(("rules", "level", "lint", "path"), FINDS)
def test_what_is_wrong_with_a_rule_is_found_at_its_field(
    rules: tuple[str, ...], level: str, lint: Lint, path: str
) -> None:
    assert found(ruleset(*rules)) == [(level, lint.value, path)]


@pytest.mark.parametrize("rules", QUIET)
def test_what_may_well_be_meant_is_not_called_wrong(rules: tuple[str, ...]) -> None:
    assert found(ruleset(*rules)) == []


def test_a_cap_of_zero_and_hours_that_never_open_are_found_in_the_settings() -> None:
    wrong = "defaults: {max_open: 0, max_per_day: 0}\ncalendar: {working_hours: never}\n"
    assert found(ruleset(settings=wrong)) == [
        ("warning", "zero_cap", "defaults.max_open"),
        ("warning", "zero_cap", "defaults.max_per_day"),
        ("warning", "never_open", "calendar.working_hours"),
    ]
    right = "defaults: {max_open: 1, max_per_day: 1}\ncalendar: {working_hours: mon 09:00-09:01}\n"
    assert found(ruleset(settings=right)) == []


def test_no_catch_all_is_a_hint_and_a_window_or_an_owner_is_none() -> None:
    for rule in (group("a", "region: x"), group("a", "", "window: mon 09:00-10:00"), group("a", "", to="owner")):
        assert found(ruleset(rule, catch_all=False)) == [("hint", "no_catch_all", "rules")]
    assert found(ruleset()) == []


def roster(*reps: Rep) -> Roster:
    return Roster(1, reps, {1: "East", 2: "rest", 3: "old"})


def rep(number: int, groups: set[int], **more: object) -> Rep:
    return Rep(number, f"r{number}", "", "UTC", groups=frozenset(groups), **more)  # type: ignore[arg-type]


def of_groups(rules: Ruleset, reps: Roster) -> list[tuple[Level, Lint, str]]:
    return [(one.level, one.lint, one.message) for one in in_chinese(lint_groups(rules, reps))]


def test_groups_that_nobody_is_in_are_found_with_the_near_name() -> None:
    rules = ruleset(group("a", "region: x", to="group:ＥＡＳＴＥ"), group("b", "region: y", to="group:old"))
    reps = roster(rep(1, {1}), rep(2, {2}), rep(3, {3}, active=False))
    assert of_groups(rules, reps) == [
        (Level.WARNING, Lint.UNKNOWN_GROUP, 'group "ＥＡＳＴＥ" does not exist; did you mean "East"?'),
        (Level.WARNING, Lint.EMPTY_GROUP, "group old is empty: all 1 of its reps are inactive"),
    ]
    assert of_groups(rules, roster(rep(2, {2})))[1][2] == "group old is empty: no rep is in it"
    fine = ruleset(group("a", "region: x", to="group:ＥＡＳＴ"))
    assert of_groups(fine, reps) == []


def test_reps_who_can_never_get_a_lead_are_named_with_the_cause() -> None:
    rules = ruleset(settings="defaults: {max_per_day: 5}")
    caps = [rep(1, {2}, weight=0), rep(2, {2}, max_open=0), rep(3, {2}, working_hours=parse_week("never"))]
    causes = "r1 (weight 0), r2 (max_open 0), r3 (hours that never open)"
    nobody = (Level.WARNING, Lint.REPS_WITHOUT_LEADS, f"nobody in group rest ever gets a lead: {causes}")
    assert of_groups(rules, roster(*caps)) == [nobody]
    some = (Level.HINT, Lint.REPS_WITHOUT_LEADS, f"3 of 4 reps in group rest never get a lead: {causes}")
    assert of_groups(rules, roster(*caps, rep(4, {2}))) == [some]
    assert of_groups(rules, roster(rep(4, {2}, max_open=1, weight=1))) == []
    own = ruleset(settings="defaults: {max_per_day: 0}")
    assert of_groups(own, roster(rep(4, {2}, max_per_day=1))) == []
    assert "r4 (max_per_day 0)" in of_groups(own, roster(rep(4, {2})))[0][2]


SEEN: Seen = {"region": frozenset({"shanghai", "beijing"}), "landing_page": frozenset({"/promo/1"})}


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("region: Shangai", [("warning", 'had region "shangai"; did you mean "shanghai"?')]),
        ("region: {not: [Atlantis]}", [("hint", 'had region "atlantis"')]),
        ("landing_page: {prefix: [/promo, /lp]}", [("hint", 'had landing_page beginning with "/lp"')]),
        ("campaign: spring", [("hint", 'had campaign "spring"')]),
        ("region: [ＢＥＩＪＩＮＧ, shanghai]", []),
        ("region: {in_file: cities.txt}", []),  # that a list has more than was asked for is what lists are for
        ("industry: {in_file: cities.txt}", [("warning", "had industry listed in cities.txt (2 values)")]),
        ("campaign: {present: false}, priority: 3", []),
    ],
)
def test_values_that_no_lead_had_are_found_with_the_near_spelling(condition: str, told: list[tuple[str, str]]) -> None:
    last = "no lead of the last 90 days "
    values = [(one.level.value, one.message) for one in in_chinese(lint_values(ruleset(group("a", condition)), SEEN))]
    assert values == [(level, last + message) for level, message in told]


def test_without_leads_no_value_is_called_wrong() -> None:
    assert [one.lint for one in in_chinese(lint_values(ruleset(group("a", "region: x")), None))] == [Lint.NOTHING_SEEN]
    assert lint_values(ruleset(), None) == []
    # Leads came, and none of them had the field.
    (one,) = lint_values(ruleset(group("a", "region: x")), {"region": frozenset()})
    assert (one.lint, one.message) == (Lint.UNSEEN_VALUE, 'no lead of the last 90 days had region "x"')


def test_many_values_that_no_lead_had_are_told_in_part() -> None:
    many = ", ".join(f"city{n}" for n in range(100))
    told = [one.message for one in in_chinese(lint_values(ruleset(group("a", f"region: [{many}]")), SEEN))]
    assert len(told) == 6
    assert told[-1] == "no lead of the last 90 days had 95 more of these values of region"


def test_looking_for_near_spellings_ends_and_says_from_which_rule_on_none_was_looked_for() -> None:
    seen: Seen = {"region": frozenset(f"town {number}" for number in range(100))}
    rules = ruleset(*(group(f"g{number}", f"region: twon {number}") for number in range(8)))
    whole = lint_values(rules, seen)
    assert all('did you mean "' in one.message for one in whole) and len(whole) == 8
    some = in_chinese(lint_values(rules, seen, steps=30_000))
    assert some == lint_values(rules, seen, steps=30_000)
    [end] = [one for one in some if one.lint is Lint.NOT_CHECKED]
    place = int(end.path.removeprefix("rules[").removesuffix("]"))
    assert 0 < place < 7 and some[:place] == whole[:place], "what came before was looked for"
    assert [one.level for one in some[place:]] == [Level.HINT] * (9 - place)


@given(
    values=st.frozensets(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=30),
    had=st.frozensets(st.text("abcd", max_size=4), max_size=30),
)
def test_beginnings_that_no_lead_had_are_the_same_however_many_are_asked_for(
    values: frozenset[str], had: frozenset[str]
) -> None:
    unseen = {value for value in values if not any(one.startswith(value) for one in had)}
    assert set(Prefix("region", values).unseen(had)) == unseen
