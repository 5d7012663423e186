"""Refusals and errors of several lines, in the language of a page; what is not worded stays English, and says so."""

import pytest

from ops.console.in_language import Shown, detail_in, notes_in, said_in
from ops.text.translation import ENGLISH, translator
from router.domain.worded import parts_of, restored, worded
from router.http.problems import Kind, Refused, busy
from router.rules.file import RulesError, read_rules
from router.rules.mapping import check_columns, parse_mapping
from router.rules.problems import InvalidFile

ZH = translator("zh")


def test_the_sentence_of_a_server_that_is_away_is_said_in_chinese_and_sent_in_english() -> None:
    said = worded("the server that has the rows of {tenant} does not answer", tenant="acme")
    again = restored(str(said), parts_of(said))
    assert detail_in(busy(again), ZH) == Shown("存放 acme 数据的服务器没有应答", "")
    assert detail_in(busy(again), ENGLISH).text == str(said)
    assert b"the rows of acme does not answer" in busy(again).response().body  # type: ignore[operator]
    assert detail_in(Refused(Kind.FAULT, "as it came"), ZH) == Shown("as it came", "en")


def test_all_lines_of_what_does_not_fit_a_mapping_are_translated() -> None:
    plan = parse_mapping("rename: {Tel: phone, Nr: external_id}\n", "m.yaml")
    with pytest.raises(InvalidFile) as caught:
        check_columns(plan, ["Telefon", "No"])
    english, shown = str(caught.value), said_in(caught.value.said, ZH)
    assert english == caught.value.said and english.startswith("m.yaml: rename: the file has no column Tel; did you")
    assert shown.lang == "" and len(shown.text.split("\n")) == len(english.split("\n")) > 2
    assert shown.text.startswith("m.yaml：rename：文件中没有列 Tel；是否指“Telefon”？\n")


def test_each_problem_of_rules_is_one_sentence_in_chinese_with_its_hint() -> None:
    with pytest.raises(RulesError) as caught:
        read_rules("rules:\n  - {name: a, mtach: {}, assign_to: east}\n", "rules.yaml")
    said = [said_in(one.message, ZH) for one in caught.value.problems]
    assert {one.lang for one in said} == {""}
    assert {"未知的字段；是否指“match”？", "缺失"} <= {one.text for one in said}


def test_notes_without_parts_are_marked_as_english() -> None:
    note = worded("sheet {sheet} is hidden in the workbook", sheet="x")
    found = notes_in({"notes": [str(note), "old"], "notes_parts": [parts_of(note), None]}, ZH)
    assert [one.lang for one in found] == ["", "en"]
    assert [one.lang for one in notes_in({"notes": ["old"]}, ZH)] == ["en"]
