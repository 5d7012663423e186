"""Every sentence of `why` exists in every language and is filled with the same values."""

import string
from collections.abc import Iterator, Mapping
from dataclasses import fields

import pytest

from ops.why.languages import Words, language_of
from ops.why.story import State
from ops.why.words import LANGUAGES
from router.domain.conditions import Operator
from router.domain.explain_parts import LeftOut
from router.domain.reason import Reason
from router.drain.presence import Unsure

ENGLISH = LANGUAGES["en"]
OTHERS = [words for tag, words in LANGUAGES.items() if tag != "en"]


def texts(words: Words) -> Iterator[tuple[str, str]]:
    """Every text by its key."""
    for field in fields(words):
        value = getattr(words, field.name)
        if isinstance(value, str):
            yield field.name, value
        elif isinstance(value, Mapping):
            yield from ((f"{field.name}.{key}", text) for key, text in value.items())
        else:
            yield from ((f"{field.name}.{number}", text) for number, text in enumerate(value))


def filled_with(template: str) -> set[str]:
    names = {name for _, name, _, _ in string.Formatter().parse(template) if name}
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("other", OTHERS, ids=lambda words: words.tag)
def test_every_text_is_in_every_language_with_the_same_values_in_it(other: Words) -> None:
    english, translated = dict(texts(ENGLISH)), dict(texts(other))
    assert english.keys() == translated.keys()
    assert [key for key, text in translated.items() if not text.strip()] == []
    assert {key: filled_with(text) for key, text in english.items()} == {
        key: filled_with(text) for key, text in translated.items()
    }


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=lambda words: words.tag)
def test_every_code_has_words(words: Words) -> None:
    assert set(words.reasons) == set(Reason) and set(words.left_out) == set(LeftOut)
    assert set(words.states) == {state.value for state in State}
    assert set(words.outcomes) == set(words.ended)
    assert set(words.unsure) == set(Unsure)
    assert set(words.operators) == set(Operator) - {Operator.RANGE} | {"absent"}


def test_chinese_readers_read_no_sentence_in_english() -> None:
    same = {"tag", "rule_line", "fact"}
    english = dict(texts(ENGLISH))
    left = {key for key, text in texts(LANGUAGES["zh"]) if text == english[key]} - same
    assert left == set()


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
