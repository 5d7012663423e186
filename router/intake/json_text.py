"""JSON as people hand it in: every digit of a number is kept, and a key that occurs twice is an error, not a choice."""

import json
from decimal import Decimal
from typing import Any, NoReturn

import msgspec

from router.domain.worded import worded

MAX_DEPTH = 32
MAX_EXPONENT = 400
"""PostgreSQL keeps the digits of larger numbers as written out: a few characters would become kilobytes."""


_NOT_USUAL = -1_000_000_000
_OUT_OF_RANGE = worded("a number has an exponent that is out of range")


def read_json(text: str) -> object:
    """The value; numbers with a point or an exponent are Decimal.

    Raises ValueError, with the reason, or RecursionError.
    """
    try:
        return _DECODER.decode(text)
    except ArithmeticError:
        raise ValueError(_OUT_OF_RANGE) from None


def read_json_quickly(body: bytes) -> object | None:
    """What `read_json` returns for this text in UTF-8, where it is one of the usual kind, and not too deep; None = it
    may not be, or it is no JSON at all, and `read_json` has to say. Half of its time.

    msgspec keeps the last of two values with one key. Then the text has more strings than the value does, which shows
    in its quotes; so a text with escaped ones is not of the usual kind.
    """
    if b"\\" in body or body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        return None
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return value if 2 * _strings(value) == body.count(b'"') else None


def _strings(value: Any) -> int:
    """The strings and keys of a value; far below 0 where a number of it has to be read digit by digit."""
    kind = type(value)
    if kind is str:
        return 1
    if kind is dict:
        found = len(value)
        for one in value.values():
            found += 1 if type(one) is str else _strings(one)
        return found
    if kind is list:
        return sum([_strings(one) for one in value])
    return _NOT_USUAL if kind is float else 0


def read_json_at(text: str, at: int) -> tuple[object, int]:
    """The value that begins at this character, and where it ends. Raises as `read_json`."""
    try:
        return _DECODER.raw_decode(text, at)
    except ArithmeticError:
        raise ValueError(_OUT_OF_RANGE) from None


def may_be_too_deep(text: str, levels: int = MAX_DEPTH) -> bool:
    """Whether a JSON text has so many brackets that its value could be too deep; looking costs next to nothing."""
    return text.count("{") + text.count("[") > levels


def too_deep(value: object, levels: int = MAX_DEPTH) -> bool:
    """Whether a JSON value has more levels than that."""
    level: list[object] = [value]
    for _ in range(levels):
        level = [inner for one in level if isinstance(one, dict | list) for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: "dict[str, object] | list[object]") -> list[object]:
    return [one for one in (value.values() if isinstance(value, dict) else value) if isinstance(one, dict | list)]


def holds_huge_number(value: object) -> bool:
    """Whether a number in a JSON value has more than MAX_EXPONENT digits before or behind the point."""
    level: list[object] = [value]
    while level:
        if any(isinstance(one, Decimal) and abs(one.adjusted()) > MAX_EXPONENT for one in level):
            return True
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(worded("the key {key!r} occurs twice", key=key[:60]))
            seen.add(key)
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(worded("{constant} is not JSON", constant=constant))


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Decimal, parse_constant=_refuse)
