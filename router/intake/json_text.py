"""JSON as people hand it in: every digit of a number is kept, and a key that occurs twice is an error, not a choice."""

import json
from decimal import Decimal
from typing import Any, NoReturn


def read_json(text: str) -> object:
    """The value; numbers with a point or an exponent are Decimal.

    Raises ValueError, with the reason, or RecursionError.
    """
    return json.loads(text, object_pairs_hook=_object, parse_float=Decimal, parse_constant=_refuse)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:60]!r} occurs twice")
            seen.add(key)
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
