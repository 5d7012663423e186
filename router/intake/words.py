"""The words of a lead: those of the business become those of the field, and sources, regions, industries have one
spelling. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from router.domain.text import fold
from router.intake.placeholders import is_failed_cell
from router.rules.spelling import SPELLED, Spellings, plain

_REMEMBERED = 20_000
_SHORT = 200
_NEVER_FAILED = "source"
"""A part of what identifies a lead: it stays as it is."""


class _Meaning(NamedTuple):
    """What a word means ("" = nothing); `other` = it is another word, not only another way of writing it."""

    text: str
    other: bool


class WordReader:
    """`values`: by field, what words mean there (keys folded), from the mapping; then the tenant's spellings."""

    def __init__(self, values: Mapping[str, Mapping[str, str]], spellings: Spellings) -> None:
        self._values = values
        self._spellings = spellings
        self._fields = tuple(dict.fromkeys([*values, *SPELLED]))
        self.failed: Counter[str] = Counter()
        """By field, how many cells said so far that there was no value, such as `#N/A`."""
        self._known: dict[str, dict[str, _Meaning]] = {field: {} for field in self._fields}

    def put(self, values: dict[str, str]) -> dict[str, str] | None:
        """Puts the right words into the fields; returns those that came, by field, where others took their place."""
        came: dict[str, str] | None = None
        for field in self._fields:
            value = values.get(field)
            if value is None:
                continue
            known = self._known[field]
            meaning = known.get(value)
            if meaning is None:
                meaning = self._meaning(field, value)
                # Files may say ever new words: memory stays bounded.
                if len(known) < _REMEMBERED and len(value) <= _SHORT:
                    known[value] = meaning
            values[field] = meaning.text
            if meaning.other:
                came = came or {}
                came[field] = value
                if not meaning.text:
                    del values[field]
                    self.failed[field] += 1
        return came

    def _meaning(self, field: str, value: str) -> _Meaning:
        text = self._values.get(field, {}).get(fold(value), value)
        if field in SPELLED:
            said = text
            text = self._spellings.spelled(field, text)
            if said == value and text == plain(value) and field != _NEVER_FAILED and is_failed_cell(value):
                return _Meaning("", other=True)
        return _Meaning(text, plain(text) != plain(value))
