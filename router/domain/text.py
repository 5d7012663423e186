"""Texts that others wrote: one spelling for comparing them, and a harmless one for showing them."""

import re
import unicodedata

# What moves a terminal's cursor, breaks a line, or turns the direction of what follows.
_COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# Format characters, fillers and variation selectors. All are of one width: none.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef]"
)


def fold(value: str) -> str:
    """The form in which facts and rules are compared: NFKC (full-width becomes plain), trimmed, caseless."""
    # NFKC leaves plain letters as they are, and most words are plain.
    plain = value if value.isascii() else unicodedata.normalize("NFKC", value)
    return plain.strip().casefold()


def visible(text: str, keep: str = "") -> str:
    """The text on one line, with characters that command a terminal written as escapes; those in `keep` stay."""
    return _COMMANDS.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text)


def whole_id(text: str) -> str:
    """The id that a program which knows no whole numbers wrote: `1001.0` is the 1001 of others."""
    return text[:-2] if text[-2:] == ".0" and text != "0.0" and text[:-2].isdecimal() else text


def without_invisible(text: str) -> str:
    """The text without invisible characters, which make two texts of one; cheap where there is none."""
    return text if text.isascii() else _INVISIBLE.sub("", text)
