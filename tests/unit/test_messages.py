"""Every message exists in every language, filled with the same values; codes have words; the terminal chooses."""

import string

import polib
import pytest

from ops.text.messages import messages, updated
from ops.text.states import STATES
from ops.text.translation import LOCALES, catalogue, language_of, translator
from ops.why.codes import ENDED, LEFT_OUT, OPERATORS, OUTCOMES, REASONS, UNSURE
from ops.why.description import State
from router.domain.conditions import Operator
from router.domain.explain_parts import LeftOut
from router.domain.reason import Reason
from router.drain.presence import Unsure

OTHERS = sorted(LOCALES.keys() - {"en"})
# Layout that is the same in both.
SAME = {"{field} {value}"}


def filled_with(template: str) -> set[str]:
    names = {name for _, name, _, _ in string.Formatter().parse(template) if name}
    return {name.split(".")[0] for name in names}


def translations(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def test_there_is_something_to_translate() -> None:
    assert len(messages()) > 150


@pytest.mark.parametrize("language", OTHERS)
def test_every_message_of_the_code_is_translated_and_none_is_stale(language: str) -> None:
    known = {(entry.msgid, entry.msgid_plural or "") for entry in polib.pofile(str(catalogue(language)))}
    assert known == set(messages()), "run make messages, and translate what is new"
    assert [entry.msgid for entry in updated(language).untranslated_entries()] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_is_filled_with_the_same_values(language: str) -> None:
    wrong = [
        (entry.msgid, text)
        for entry in polib.pofile(str(catalogue(language)))
        for text in translations(entry)
        if filled_with(text) != filled_with(entry.msgid) or not text.strip()
    ]
    assert wrong == []


def test_chinese_readers_read_no_sentence_in_english() -> None:
    left = {entry.msgid for entry in polib.pofile(str(catalogue("zh"))) if entry.msgid in translations(entry)}
    assert left - SAME == set()


@pytest.mark.parametrize("language", LOCALES)
def test_a_message_can_be_had_in_every_language(language: str) -> None:
    assert translator(language).gettext("nobody") == {"en": "nobody", "zh": "无人"}[language]
    assert "3" in translator(language).ngettext("{count:,} earlier lead", "{count:,} earlier leads", 3).format(count=3)


def test_every_code_has_words() -> None:
    assert set(REASONS) == set(Reason) and set(LEFT_OUT) == set(LeftOut) and set(UNSURE) == set(Unsure)
    assert set(STATES) == {state.value for state in State}
    assert set(OUTCOMES) == set(ENDED)
    assert set(OPERATORS) == set(Operator) - {Operator.RANGE} | {"absent"}


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_TW.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_terminal_chooses_the_language(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language
