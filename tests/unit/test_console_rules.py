"""What the console computes for its pages about rules: lines that differ, bars, a draft as a form has it, words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.console.before_after import bars, share
from ops.console.draft import Draft, draft_of, moment_in, to_apply, with_line_feeds, yesterday
from ops.console.rules_read import read_version
from ops.console.rules_words import (
    TABLE_COLUMNS,
    asked_by,
    change_rows,
    rule_rows,
    setting_rows,
    table_cells,
)
from ops.console.text_diff import MAX_LINES, text_diff
from ops.documents.rules import compared_document
from ops.text.translation import LOCALES, translator
from router.domain.ruleset import Ruleset
from router.domain.ruleset_diff import diff_rulesets
from tests.unit.generated_rules import rulesets

NOW = datetime(2026, 11, 29, 18, 30, tzinfo=UTC)
SAY = translator("en")
LINES = st.lists(st.sampled_from(["a", "b", "c", "", " x"]), max_size=40)
NUMBERS = st.integers(0, 10**6)


@given(LINES, LINES)
def test_lines_that_differ_say_all_that_is_gone_and_all_that_is_new(old: list[str], new: list[str]) -> None:
    shown = text_diff("\n".join(old), "\n".join(new))
    assert shown is not None
    before, after = "\n".join(old).splitlines(), "\n".join(new).splitlines()
    if before == after:
        assert shown == []
    for sign, of in (("-", before), ("+", after)):
        assert all(of[line.number - 1] == line.text for line in shown if line.sign == sign)
    gone = [line.number for line in shown if line.sign == "-"]
    come = [line.number for line in shown if line.sign == "+"]
    kept = [line for at, line in enumerate(before, 1) if at not in gone]
    assert kept == [line for at, line in enumerate(after, 1) if at not in come], "what is not marked is the same"


def test_what_cannot_be_compared_in_a_moment_is_not_tried() -> None:
    long = "\n".join(str(number) for number in range(MAX_LINES + 1))
    assert text_diff(long, "") is None
    assert text_diff(long + "\nx", long + "\ny") is not None, "only what is left beside the same lines counts"
    repeated = ["a\nb\n" * (MAX_LINES // 2), "b\na\n" * (MAX_LINES // 2)]
    assert text_diff(*repeated) is not None


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=50))
def test_bars_fit_and_no_name_is_lost(counts: list[tuple[int, int]]) -> None:
    rows = [{"name": f"r{at}", "label": "", "before": one, "after": other} for at, (one, other) in enumerate(counts)]
    made = bars(rows, 20)
    assert len(made.pairs) + made.others == len(rows)
    assert all(0 <= width <= 100 for one in made.pairs for width in (one.before_width, one.after_width))
    assert share(0, 0) == "–" and share(1, 8) == "12.5 %"


@given(st.text(), st.integers(0, 10**6))
def test_a_draft_keeps_every_character_of_the_form(text: str, base: int) -> None:
    made = draft_of({"draft": text, "base": str(base)}, NOW, "UTC")
    assert made.text == text.replace("\r\n", "\n").replace("\r", "\n") == with_line_feeds(made.text)
    assert made.base == base
    replayed = made.with_replay("0a0a0a-1")
    assert replayed.text == made.text and not replayed.changed_since_replay
    assert Draft(text + "x", job=replayed.job, replayed=replayed.replayed).changed_since_replay or "\r" in text


def test_the_text_in_force_is_applied_as_it_is_stored_whatever_ends_its_lines() -> None:
    assert to_apply("a\nb\n", "a\r\nb\r\n") == "a\r\nb\r\n"
    assert to_apply("a\nb", "a\r\nb\r\n") == "a\nb" == to_apply("a\nb", None)


@pytest.mark.parametrize("wrong", ["", "-1", "x", "١", "1" * 40])
def test_a_base_that_is_no_version_is_none(wrong: str) -> None:
    assert draft_of({"draft": "", "base": wrong}, NOW, "UTC").base == 0


def test_yesterday_is_the_business_day_of_the_tenant() -> None:
    assert yesterday(NOW, "UTC") == ("2026-11-28T00:00", "2026-11-29T00:00")
    assert yesterday(NOW, "Asia/Shanghai") == ("2026-11-29T00:00", "2026-11-30T00:00")
    assert moment_in("2026-11-29T00:00", "Asia/Shanghai") == datetime(2026, 11, 28, 16, tzinfo=UTC)
    assert moment_in("2026-11-29T00:00+01:00", "Asia/Shanghai") == datetime(2026, 11, 28, 23, tzinfo=UTC)
    assert moment_in(" ", "UTC") is None
    for wrong in ("soon", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00", "٢٠٢٦"):
        with pytest.raises(ValueError):
            moment_in(wrong, "UTC")


@pytest.mark.parametrize("language", sorted(LOCALES))
@given(ruleset=rulesets())
def test_every_ruleset_can_be_shown_as_a_table(language: str, ruleset: Ruleset) -> None:
    rows = rule_rows(ruleset, translator(language))
    assert [row.name for row in rows] == [rule.name for rule in ruleset.rules]
    assert all(row.leads and row.otherwise and (row.kind == "owner") == (not row.target) for row in rows)
    assert all(len(row) == len(TABLE_COLUMNS) for row in table_cells(ruleset))
    for rule in ruleset.rules:
        assert len(list(asked_by(rule.match))) >= len(rule.match.facts)
    assert all(name and value for name, value in setting_rows(ruleset))


@given(old=rulesets(), new=rulesets())
def test_every_difference_has_words(old: Ruleset, new: Ruleset) -> None:
    changes = compared_document(2, 1, diff_rulesets(old, new))["changes"]
    rows = change_rows(changes, SAY)
    assert len(rows) == len(changes)
    assert all(row.kind and (row.rule or row.field) and (row.before or row.after) for row in rows)


def test_what_this_release_cannot_read_is_no_table() -> None:
    assert read_version("rules: [", {}) is None
    found = read_version("rules: [{name: a, match: {region: {in_file: x.txt}}, assign_to: group:g}]", {"x.txt": "A\n"})
    assert found is not None and "x.txt" in rule_rows(found, SAY)[0].leads


def test_the_words_of_rules_are_those_of_explanations() -> None:
    source = """rules:
  - {name: a, match: {known_customer: true, created: today}, assign_to: owner, fall_back_after: 90m}
  - {name: b, match: {priority: {from: 3, not: [4]}, region: {not: [Mars]}}, assign_to: "rep:r1", owns: no}
  - {name: c, match: {created: {within: 2h}, date: {from: 2026-01-01}}, assign_to: "group:g", on_no_candidate: wait}
  - {name: d, match: {}, assign_to: owner}
"""
    found = read_version(source, {})
    assert found is not None
    first, second, third, fourth = rule_rows(found, SAY)
    assert (first.leads, first.otherwise) == (
        "a known customer, created today",
        "the lead waits 1 h 30 min for the owner, then the next rules",
    )
    assert second.leads == "region other than mars, priority from 3, priority other than 4"
    assert (second.kind, second.target, second.owns) == ("rep", "r1", False)
    assert (third.leads, third.otherwise) == ("a day from 2026-01-01, created within 2 h", "the lead waits")
    assert (fourth.leads, fourth.otherwise) == ("every lead", "the next rules, at once")
    assert timedelta(minutes=90) == found.rules[0].fall_back_after
