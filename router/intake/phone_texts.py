"""What people and spreadsheets write into a column of phone numbers: the digits to read, or none at all. Pure.

Only what is known to go with a number is taken off it. Anything else in the cell, such as a mask, a second number or
a note, may stand for digits that are missing: such a text is not a number.
"""

import re
import unicodedata
from typing import NamedTuple

from router.domain.text import without_invisible

LONGEST = 100
"""Characters of a text that can be a number."""

_LABEL = re.compile(
    r"(?:(?:(?:tel(?:ephone|efon|éfono|efone)?|phone|fon|mob(?:ile|il)?|cell?|cel(?:ular)?|m[oó]vil|handy|whats\s?app"
    r"|电话|手机号|手机|電話|手機)\s*[.:]?|[pmt]\s*[.:])\s*){1,2}",
    re.IGNORECASE,
)
_EXTENSION = re.compile(
    r"\s*(?:[,;]?\s*(?:ext(?:ension)?|extn|anexo|ramal|int(?:erno)?|durchwahl|app)\.?\s*[:=]?|;ext=|[xX#]|转|轉|分机)\s*"
    r"(?P<extension>[0-9]{1,7})",
    re.IGNORECASE,
)
_FORMULA = re.compile(r'="?([^"]*)"?')
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){2,}(?:\.0+)?|[0-9]{1,3}(?:'[0-9]{3}){2,}(?:\.0+)?")
_DECIMALS = re.compile(r"(\+?[0-9]{6,})[.,]0{1,6}")
_EXPONENT = re.compile(r"([0-9])[.,]([0-9]+)E\+?([0-9]{1,2})", re.IGNORECASE)
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc\u2500", "-"))
_NUMBER = re.compile(r"[(\[]?\s*\+?[0-9][0-9 ()\[\]./-]*")
HIDING = re.compile(r"\.\.|---|///|-\s-\s-")
"""Marks that stand for digits, although each alone goes with a number."""


class Written(NamedTuple):
    """The digits with what goes between them, and the extension that came with them (empty = none)."""

    number: str
    extension: str = ""


def written(text: str) -> Written | None:
    """What of the text is the number; None = it is not one number, or not all of one."""
    if len(text) > LONGEST:
        return None
    plain = _undamaged(_in_plain_characters(text))
    if plain is None or HIDING.search(plain):
        return None
    return _with_extension(plain)


def _in_plain_characters(text: str) -> str:
    """In ASCII where that is only another way of writing. Dots that stand for digits must not become plain ones."""
    if text.isascii():
        return text.strip()
    if "…" in text or "‥" in text:
        return "…"
    plain = unicodedata.normalize("NFKC", without_invisible(text)).translate(_DASHES)
    return "".join([str(unicodedata.decimal(sign, sign)) for sign in plain]).strip()


def _undamaged(text: str) -> str | None:
    """Without what spreadsheets add; None where they took digits away."""
    if text.startswith("="):
        formula = _FORMULA.fullmatch(text)
        text = formula[1] if formula else text
    text = text.strip("\"'` \t;,")
    if (exponent := _EXPONENT.fullmatch(text)) is not None:
        whole, decimals, power = exponent[1], exponent[2], int(exponent[3])
        # Fewer decimals than places: the rest was rounded away.
        exact = len(decimals.rstrip("0")) <= power <= len(decimals)
        return whole + decimals[:power] if exact else None
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "").replace("'", "")
    if (decimals_of := _DECIMALS.fullmatch(text)) is not None:
        return decimals_of[1]
    return text


def _with_extension(text: str) -> Written | None:
    if (label := _LABEL.match(text)) is not None:
        text = text[label.end() :]
    text = text.rstrip(" .:")
    number = _NUMBER.match(text)
    if number is None:
        return None
    if number.end() == len(text):
        return Written(text)
    extension = _EXTENSION.fullmatch(text, len(number[0].rstrip()))
    return Written(number[0].rstrip(), extension["extension"]) if extension else None
