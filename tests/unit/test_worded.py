"""Sentences in the language of the page: English stays as it was, and nothing is half translated. Pure."""

import ast
import copy
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.api.running import Job
from ops.api.running import _words as failure_words
from ops.console.in_language import error_in, reason_in, said_in, sentence_in
from ops.console.words import reason_words
from ops.doctor.finding import Finding, Severity, of_tenant
from ops.doctor.shift import words as shift_words
from ops.text.translation import translator
from ops.waiting.waiting import READY
from ops.waiting.waits_words import worded_reason, worded_wait
from router.domain.phrases import duration, listed
from router.domain.reason import Reason
from router.domain.rep_fields import read_field
from router.domain.worded import parts_of, said_by, worded, worded_count
from router.domain.worded_phrases import in_a_row, worded_duration, worded_list
from router.intake.normalise import Rejected, too_long
from router.intake.times import UnreadableTime
from router.rules.file import ZoneDiffers
from router.store.errors import LockNotAvailable, NoConnection
from router.store.sentence_parts import read_sentence, read_sentences, written_parts, written_parts_of

CHINESE, ENGLISH = translator("zh"), translator("en")
ROOT = Path(__file__).parents[2]
TOO_LONG = "has {length:,} characters; at most {limit:,} are allowed"


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
        {"reason": "x", "parts": [{"message": TOO_LONG, "values": {"length": [1], "limit": 1}}]},
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


ANYTHING = st.text(max_size=20)


@given(ANYTHING, st.integers(-(10**9), 10**9), ANYTHING)
def test_a_stored_sentence_can_still_be_said_in_another_language(name: str, number: int, other: str) -> None:
    said = worded_count("{count:,} lead in {group}", "{count:,} leads in {group}", number, group=name)
    said += worded("; {what} of {number}", what=worded("not {other}", other=other), number=number)
    parts = written_parts(said)
    # PostgreSQL takes no NUL, and nothing takes half of a pair.
    assert (parts is None) == ("\0" in name + other)
    again = read_sentence(str(said), parts)
    assert again == said and (parts is None or parts_of(again) == parts_of(said))
    kept = read_sentences(["plain", str(said)], written_parts_of(["plain", said]))
    assert kept == ("plain", said) and parts_of(kept[0]) is None


@pytest.mark.parametrize(
    "parts",
    [
        "null",
        "{}",
        "[]",
        '["x"]',
        '[{"message": "of an earlier look", "values": {}}]',
        '[{"message": "{a} leads", "values": {}}]',
        '[{"message": "{a", "values": {"a": 1}}]',
        '[{"message": "{a:,} leads", "values": {"a": "x"}}]',
        '[{"message": "{a.b} leads", "values": {"a": "x"}}]',
        '[{"message": "3 leads", "values": 3}]',
        '[{"message": "3 leads"}]',
    ],
)
def test_parts_that_do_not_make_the_sentence_are_forgotten(parts: str) -> None:
    """An earlier release writes the sentence, and leaves the parts of the one before."""
    kept = read_sentence("3 leads", parts)
    assert kept == "3 leads" and parts_of(kept) is None
    assert read_sentences(["3 leads", "4 leads"], "[null]") == ("3 leads", "4 leads")


def test_half_of_a_pair_is_not_written() -> None:
    assert written_parts(worded("group {group}", group="\ud800")) is None


@given(st.floats(-5, 10**9))
def test_a_span_is_the_same_in_english_and_in_words_of_its_own_in_chinese(seconds: float) -> None:
    said = worded_duration(seconds)
    assert said == duration(seconds)
    shown = said_in(said, CHINESE).text
    assert not re.search("[a-z]", shown) and re.findall(r"\d+", shown) == re.findall(r"\d+", said)


@given(st.lists(ANYTHING, max_size=9), st.integers(1, 6))
def test_a_list_is_the_same_in_english_with_items_that_are_worded_or_not(names: list[str], limit: int) -> None:
    assert worded_list(names, limit) == listed(names, limit)
    items = [worded("rep {name}", name=name) if number % 2 else name for number, name in enumerate(names)]
    said = worded_list(items, limit)
    assert said == listed(items, limit)
    if len(names) > 1 and limit > 1:
        assert "销售" in said_in(said, CHINESE).text


@given(st.lists(ANYTHING, min_size=1, max_size=5))
def test_sentences_in_a_row_are_the_same_in_english(names: list[str]) -> None:
    said = in_a_row([worded("rep {name}", name=name) for name in names])
    assert said == "; ".join(f"rep {name}" for name in names)
    assert said_in(said, CHINESE).text == "；".join(f"销售 {name}" for name in names)
    assert in_a_row(names) == "; ".join(names)


def test_what_a_lead_waits_for_is_said_in_chinese_where_it_is_known() -> None:
    phrases = ["a rep in group fairs", "rep r1", "the customer's owner o1", "the window of rule x", "the next batch"]
    for phrase in phrases:
        said = worded_wait(phrase)
        assert said == phrase and said_in(said, CHINESE).lang == ""
    for phrase in ("a rep in group a or rep r1", "a rep in group a, other than r1", "something new"):
        assert said_in(worded_wait(phrase), CHINESE) == (phrase, "en")
    for reason in (*Reason, READY):
        assert worded_reason(reason) == reason and said_in(worded_reason(reason), CHINESE).lang == ""
    assert worded_reason("of a later release") == "of a later release"


def test_a_reason_has_the_same_words_in_findings_as_on_the_other_pages() -> None:
    for reason in set(Reason) - {Reason.PAUSED}:
        assert said_in(worded_reason(reason), CHINESE).text == reason_words(reason, CHINESE)


def test_stamps_ahead_of_the_arrival_are_late_in_chinese_and_those_behind_early() -> None:
    assert said_in(shift_words(timedelta(hours=8)), CHINESE).text == "晚 8 小时"
    assert said_in(shift_words(timedelta(hours=-5.5)), CHINESE).text == "早 5.5 小时"


def test_why_a_job_failed_is_said_in_chinese() -> None:
    now = datetime(2026, 11, 30, tzinfo=UTC)
    job = Job("a-b", "replay", 1, "acme", "ann", now, 0.0)
    for error in (ZoneDiffers(worded("is empty")), LockNotAvailable("x"), NoConnection("y"), KeyError("z")):
        said = failure_words(job, error)
        document = SimpleNamespace(error=str(said), error_parts=json.loads(json.dumps(parts_of(said))))
        assert error_in(document, ENGLISH) == (said, "en")  # type: ignore[arg-type]
        assert error_in(document, CHINESE).lang == ""  # type: ignore[arg-type]
    plain = SimpleNamespace(error="x", error_parts=None)
    assert error_in(plain, CHINESE) == ("x", "en")  # type: ignore[arg-type]


def test_why_a_job_failed_keeps_nothing_of_what_was_going_on_then() -> None:
    """A hundred jobs are kept, each with the frames of its failure, and what is in them."""
    job = Job("a-b", "replay", 1, "acme", "ann", datetime(2026, 11, 30, tzinfo=UTC), 0.0)
    for error in (LockNotAvailable("x"), ZoneDiffers(worded("value {value}: {problem}", value=1, problem=KeyError(2)))):
        [part] = failure_words(job, error).parts  # type: ignore[attr-defined]
        assert not any(isinstance(value, BaseException) for value in part.values.values())
    assert str(worded("value {value}: {problem}", value=1, problem=KeyError(2))) == f"value 1: {KeyError(2)}"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("available", "maybe"),
        ("holidays", "Deutschland"),
        ("holidays", "mon"),
        ("holidays", "Public"),
        ("leave", "soon"),
        ("leave", "2026-01-02..2026-01-01"),
        ("leave", "2020-01-01..2026-01-01"),
        ("leave", ";".join(f"2026-{1 + day // 28 % 12}-{1 + day % 28}" for day in range(250))),
        ("time_zone", "CST"),
        ("time_zone", "UTC+8"),
        ("time_zone", "UTC+25"),
        ("time_zone", "Shenzhen"),
        ("time_zone", "Asia/Shangai"),
        ("time_zone", "nowhere"),
        ("working_hours", ";"),
        ("working_hours", "foo 09:00-10:00"),
        ("working_hours", "mon 09:00"),
        ("working_hours", "mon 09:00-09:00"),
        ("working_hours", "mon 09:00-12:00,25:00-26:00"),
        ("working_hours", "mon 09:00-12:00,11:00-13:00"),
        ("working_hours", "mon 09:00-10:00; mon 11:00-12:00"),
        ("working_hours", "mon-tue-wed 09:00-10:00"),
        ("working_hours", "nine to five"),
    ],
)
def test_why_a_value_of_a_rep_is_not_understood_is_said_in_chinese_as_a_whole(field: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read_field(field, text)
    said = said_by(refused.value)
    assert said == str(refused.value) and said_in(said, ENGLISH) == (said, "en")
    shown, lang = said_in(said, CHINESE)
    assert lang == "" and not re.search(r"\b[a-z]+ [a-z]+ [a-z]+\b", shown.replace(text, "")), shown


def test_a_copy_of_a_sentence_can_still_be_said_in_another_language() -> None:
    said = worded("has {length:,} characters", length=3)
    copied = copy.deepcopy(said)
    assert copied == said and parts_of(copied) == parts_of(said)
