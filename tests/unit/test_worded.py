"""Sentences in the language of the page: English stays as it was, and nothing is half translated. Pure."""

import ast
import copy
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.console.in_language import reason_in, sentence_in
from ops.doctor.finding import Finding, Severity, of_tenant
from ops.text.translation import translator
from router.domain.worded import parts_of, worded, worded_count
from router.intake.normalise import Rejected, too_long
from router.intake.times import UnreadableTime

CHINESE, ENGLISH = translator("zh"), translator("en")
ROOT = Path(__file__).parents[2]


def found(sentence: str) -> dict[str, Any]:
    """What the console gets of a finding."""
    document = Finding("x", Severity.WARNING, of_tenant("acme"), sentence).document()
    return dict(msgspec.json.decode(msgspec.json.encode(document)))


def test_a_worded_text_is_a_text_for_all_who_only_want_that() -> None:
    text = worded("is nested too deeply")
    assert text == "is nested too deeply" and f"{text}!" == "is nested too deeply!"
    assert type(Rejected("a", text).reason) is type(str(UnreadableTime(text))) is type(found(text)["sentence"]) is str


@given(st.integers(0, 10**6), st.text(max_size=30))
def test_a_finding_says_the_same_figures_in_both_languages(leads: int, group: str) -> None:
    text = worded_count(
        "{count:,} lead cannot be assigned, since no rule matches: {waits_for}",
        "{count:,} leads cannot be assigned, since no rule matches: {waits_for}",
        leads,
        waits_for=group,
    )
    assert sentence_in(found(text), ENGLISH) == (text, "en")
    said, lang = sentence_in(found(text), CHINESE)
    assert lang == "" and f"{leads:,}" in said and group in said and "线索" in said


def test_what_is_not_translated_as_a_whole_stays_english() -> None:
    known, new = worded("is nested too deeply"), worded("something that no release says")
    within = worded("must be a text, not {kind}", kind=new)
    for text in ("plain", new, known + new, within):
        assert sentence_in(found(text), CHINESE) == (text, "en")
    assert type(known + "plain") is str
    assert sentence_in(found(worded("must be a text, not {kind}", kind=known)), CHINESE).lang == ""


def test_a_rejected_row_says_all_that_is_wrong_with_it_in_chinese() -> None:
    rejected = Rejected("id", worded("holds a NUL character"), [Rejected("name", too_long(20_000, 10_000))])
    row = {"reason": str(rejected), "parts": parts_of(rejected.worded)}
    said, lang = reason_in(json.loads(json.dumps(row)), CHINESE)
    assert lang == "" and "name" in said and "20,000" in said and not re.search("characters|also", said)
    assert reason_in(row, ENGLISH) == (str(rejected), "en")


@pytest.mark.parametrize(
    "row",
    [
        {"reason": "plain"},
        {"reason": "plain", "parts": None},
        {"reason": "x", "parts": [{"about": "", "message": "of a later release", "values": {}}]},
        {"reason": "x", "parts": [{"about": "", "message": "must be a text, not {kind}", "values": {"other": 1}}]},
    ],
)
def test_a_reason_that_is_kept_from_another_release_stays_english(row: dict[str, object]) -> None:
    assert reason_in(row, CHINESE) == (row["reason"], "en")


def test_one_part_that_is_not_worded_leaves_the_whole_reason_in_english() -> None:
    rejected = Rejected("id", worded("holds a NUL character"), [Rejected("name", "is odd")])
    assert parts_of(rejected.worded) is None


def test_each_worded_message_is_translated_with_its_values() -> None:
    messages = list[tuple[str, list[str]]]()
    for root in ("router", "ops"):
        for file in (ROOT / root).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("worded", "worded_count"):
                    messages.append((file.name, [str(one.value) for one in node.args if isinstance(one, ast.Constant)]))
    assert len(messages) > 25
    for name, texts in messages:
        assert texts, f"{name}: a message that is not written where it is used is not translated"
        said = CHINESE.ngettext(texts[0], texts[1], 2) if len(texts) > 1 else CHINESE.gettext(texts[0])
        assert said not in texts, (name, texts)
        assert set(re.findall(r"(?<!{){(\w+)", said)) == set(re.findall(r"(?<!{){(\w+)", texts[0])), (name, said)


def test_a_copy_of_a_sentence_can_still_be_said_in_another_language() -> None:
    said = worded("has {length:,} characters", length=3)
    copied = copy.deepcopy(said)
    assert copied == said and parts_of(copied) == parts_of(said)
