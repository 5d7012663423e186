"""E-mail addresses in one spelling, so that a customer is known again; only addresses that can be somebody's. Pure."""

import re
import unicodedata

from router.domain.text import without_invisible

_MAX_EMAIL = 254
_MAX_LOCAL = 64
_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]*[a-z0-9]@[a-z0-9][a-z0-9.-]*\.[a-z]{2,63}")
"""What nearly all addresses look like; of two signs in a row one may stand for what was taken out."""
_HOST = re.compile(r"(?:[^\W_]+(?:-+[^\W_]+)*\.)+(?:xn--[a-z0-9-]+|[^\W\d_]{2,63})")
_SIGNS = frozenset("!$%&'+-/=^_`{|}~.")
"""Beside letters and digits. Addresses may have `*`, `#` and `?` too; those that come with them are masked."""
_HIDING = re.compile(r"xxx|\.\.|___|---|^\.|\.$")
"""What stands for letters that were taken out. The few real addresses that have it tie nobody, the smaller harm."""
_DISPLAY_NAME = re.compile(r"[^<>@]*<([^<>]*)>[\s;,.]*")
_AROUND = " \t\r\n\"'`“”‘’«»()[]{}<>;,:"
_LABEL = re.compile(r"(?:mailto:|e-?mail\s*:|mail\s*:|邮箱\s*:)\s*")


def read_email(text: str) -> str | None:
    """The address in lower case, or None when the text is not one address."""
    address = text.lower()
    if len(address) <= _MAX_LOCAL and _PLAIN.fullmatch(address) is not None and not _has_run(address):
        return address
    address = _inside(text)
    return address if is_address(address) else None


def _has_run(address: str) -> bool:
    """Whether signs come in a row that could stand for others. Nearly all addresses are asked: a pattern is slower."""
    return (
        "xxx" in address or ".." in address or "__" in address or "--" in address or ".-" in address or "-." in address
    )


def is_address(text: str) -> bool:
    """Whether the text has the form of one e-mail address in lower case, and nothing of it is hidden."""
    local, at, host = text.rpartition("@")
    if not at or len(text) > _MAX_EMAIL or not 1 <= len(local) <= _MAX_LOCAL or _hides(text):
        return False
    fine = all(sign in _SIGNS or sign.isalnum() or unicodedata.category(sign)[0] == "M" for sign in local)
    return fine and _HOST.fullmatch(host) is not None


def _hides(address: str) -> bool:
    local, _, host = address.rpartition("@")
    if "xxx" in host and any(not part.strip("x") for part in host.split(".")):
        return True
    return _HIDING.search(local) is not None or len(local) > _MAX_LOCAL


def _inside(text: str) -> str:
    """The address within what mail programs and web pages put around it."""
    if len(text) > 4 * _MAX_EMAIL or "…" in text or "‥" in text:
        return ""
    plain = unicodedata.normalize("NFKC", without_invisible(text)).lower().strip()
    named = _DISPLAY_NAME.fullmatch(plain)
    plain = (named[1] if named else plain).strip(_AROUND)
    if (label := _LABEL.match(plain)) is not None:
        plain = plain[label.end() :].partition("?")[0]
    # Not dots before it: they may stand for letters.
    return plain.strip(_AROUND).rstrip(f".{_AROUND}")
