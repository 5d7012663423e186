"""Lints of rules that cannot be read whole: what is told is true whatever stands in the rest."""

import pytest

from router.domain.lint import lint_rules
from router.rules.file import RulesError, read_rules
from tests.unit.test_lint import CATCH_ALL, FINDS, LISTS, QUIET, ruleset


def refused(text: str) -> RulesError:
    with pytest.raises(RulesError) as raised:
        read_rules(text, "r.yaml", LISTS.__getitem__)
    return raised.value


def of_parts(text: str) -> list[tuple[str, str]]:
    error = refused(text)
    assert error.readable
    return [(one.lint.value, one.path) for one in lint_rules(error.readable.ruleset, error.unread)]


@pytest.mark.parametrize("rules", [*(rules for rules, *_ in FINDS), *QUIET])
def test_nothing_is_told_of_parts_that_the_whole_would_not_show(rules: tuple[str, ...]) -> None:
    whole = {(one.lint.value, one.path) for one in lint_rules(ruleset(*rules, catch_all=False))}
    for broken in range(len(rules)):
        lines = (f"  - {{{rule}{', oops: 1' if number == broken else ''}}}" for number, rule in enumerate(rules))
        told = set(of_parts("rules:\n" + "\n".join(lines)))
        assert told <= whole and "no_catch_all" not in {lint for lint, _ in told}


def test_a_typo_in_one_rule_hides_nothing_that_is_sure_elsewhere() -> None:
    text = """
defaults: {max_open: 0, max_per_day: x}
calendar: {working_hours: {mon: "9"}}
rules:
  - nonsense
  - {name: a, match: {region: x}, assign_to: "group:a", on_no_candidate: wait}
  - {name: b, match: {regio: x}, assign_to: "group:b", window: never}
  - {name: c, match: {region: x, product: p}, assign_to: "group:c"}
  - {name: d, match: {priority: {from: 3, to: 3, not: 3}}, assign_to: "group:d", windw: always}
"""
    assert of_parts(text) == [
        ("zero_cap", "defaults.max_open"),
        ("never_open", "rules[2].window"),
        ("unreachable", "rules[3]"),
        ("never_matches", "rules[4].match.priority"),
    ]


def test_a_rule_with_a_misspelt_condition_is_not_taken_for_one_of_every_lead() -> None:
    rule = '  - {name: b, match: {region: y}, assign_to: "group:b"}\n'
    for condition in ("regio: x", "region: 5", "priority: {from: x}"):
        wide = f'  - {{name: a, match: {{{condition}}}, assign_to: "group:a", on_no_candidate: wait}}\n'
        assert of_parts(f"rules:\n{wide}{rule}") == []


def test_of_what_stands_twice_nothing_is_told() -> None:
    never = '[{name: a, match: {}, assign_to: "group:a", window: never}]'
    assert of_parts(f"rules: {never}\nrules: {never}\n") == []
    twice = f"defaults: {{max_open: 0}}\ndefaults: {{max_open: 5}}\nrules:\n{CATCH_ALL}"
    assert of_parts(twice) == []


def test_hours_that_could_not_be_read_are_not_said_to_never_open() -> None:
    assert of_parts(f'calendar: {{working_hours: {{mon: "9"}}}}\nrules:\n{CATCH_ALL}') == []
    assert of_parts('rules: [{name: a, match: {}, assign_to: "group:a", window: {mon: "9"}}]') == []


def test_of_what_is_no_ruleset_at_all_nothing_is_told() -> None:
    for text in ("", "- a", "a: [", "just a text"):
        assert refused(text).readable is None
    assert of_parts("rules: []") == []
