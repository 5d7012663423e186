"""The same trouble again and again is one line now and then: logs stay readable, and a disk does not fill up."""

import logging
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

_ALLOWED = 10
_WINDOW_S = 60.0
_MAX_KEYS = 2_000
# What tells one trouble from another of the same words.
_ABOUT = ("tenant", "service", "setting", "pid", "view")


class _Seen(NamedTuple):
    since: float
    lines: int


class FewRepeats(logging.Filter):
    """Passes `_ALLOWED` lines of the same words, about the same, in `_WINDOW_S`.

    The first line after a window says how many were left out (`left_out`). Nothing below INFO or from CRITICAL on is
    held back.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[object, ...], _Seen] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is written."""
        if not logging.INFO <= record.levelno < logging.CRITICAL:
            return True
        event = record.msg if isinstance(record.msg, dict) else {"event": str(record.msg)}
        key = (record.name, event.get("event"), *(str(event.get(name)) for name in _ABOUT))
        now = self._clock()
        seen = self._seen.get(key)
        if seen is None or now - seen.since >= _WINDOW_S:
            if seen is not None and seen.lines > _ALLOWED:
                event["left_out"] = seen.lines - _ALLOWED
            if len(self._seen) >= _MAX_KEYS:
                self._seen.clear()
            seen = _Seen(now, 0)
        self._seen[key] = seen._replace(lines=seen.lines + 1)
        return seen.lines < _ALLOWED
