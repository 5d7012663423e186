"""One spelling for sources, regions and industries: Google, GOOGLE and Ｇｏｏｇｌｅ are one source. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from router.domain.text import fold

SPELLED = ("source", "region", "industry")
"""The fields that have one spelling."""

MAX_WORD = 255


class Synonym(NamedTuple):
    """A word that the business uses in a field, and how it is spelled there."""

    field: str
    word: str
    spelling: str


class SynonymError(ValueError):
    """The table contradicts itself, or says nothing; the message names the word."""


def plain(value: str) -> str:
    """The spelling without a table: no capitals, no full-width characters, single spaces."""
    return " ".join(fold(value).split())


@dataclass(frozen=True, slots=True)
class Spellings:
    """The table of a tenant: field and plain word to spelling."""

    words: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def spelled(self, field: str, value: str) -> str:
        """The one spelling of a value; spelling it again changes nothing."""
        word = plain(value)
        return self.words.get((field, word), word)


def spellings(table: Iterable[Synonym]) -> Spellings:
    """The table ready for use; a spelling stands for itself too. Raises SynonymError."""
    words: dict[tuple[str, str], str] = {}
    for synonym in table:
        _check(synonym)
        for word in (synonym.word, synonym.spelling):
            key = (synonym.field, plain(word))
            if words.setdefault(key, synonym.spelling) != synonym.spelling:
                raise SynonymError(
                    f"{synonym.field} {word!r} is spelled {words[key]!r} and {synonym.spelling!r}; choose one"
                )
    return Spellings(words)


def _check(synonym: Synonym) -> None:
    if synonym.field not in SPELLED:
        raise SynonymError(f"{synonym.field!r} is not a field with one spelling; use one of {', '.join(SPELLED)}")
    for text in synonym[1:]:
        if not plain(text) or len(text) > MAX_WORD:
            raise SynonymError(f"{synonym.field} {text[:40]!r}: a word has 1 to {MAX_WORD} characters")
        if any(character < " " or "\ud800" <= character <= "\udfff" for character in text):
            raise SynonymError(f"{synonym.field} {text[:40]!r} holds characters that are not text")
