"""Lists in pages: the cursor says after what the next page begins, and nobody else has to understand it."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from ops.api.fields import wrong
from router.domain.worded import worded

T = TypeVar("T")
K = TypeVar("K")


def cursor(key: object) -> str:
    """The cursor after the row with this key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode()


def read_cursor(text: str | None, kind: type[K]) -> K | None:
    """The key in a cursor; None = from the start. Raises Refused for what this list never gave."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), type=kind)
    except (binascii.Error, ValueError, RecursionError):
        raise wrong("?after", worded("is not a cursor of this list; take `next` of the page before")) from None


def page(rows: Sequence[T], limit: int, key: Callable[[T], object]) -> tuple[Sequence[T], str | None]:
    """Of `limit` + 1 rows, if there are so many: those of this page, and the cursor of the next one."""
    shown = rows[:limit]
    return shown, cursor(key(shown[-1])) if len(rows) > limit else None
