"""Where a reader of events is: pure. People and programs treat it as one word."""

import re
from typing import NamedTuple

from router.domain.worded import worded

_TEXT = re.compile(r"(\d{1,18})(?:-(\d{1,9}))?", re.ASCII)


class CursorError(ValueError):
    """A cursor cannot be used; the message says why and what to do."""


class CursorTooOld(CursorError):
    """Events after the cursor were removed, since they are older than the retention: going on would leave a gap."""


class Cursor(NamedTuple):
    """Everything up to `place` of the row at `position`, and all before it, was read."""

    position: int
    place: int

    def __str__(self) -> str:
        return f"{self.position}-{self.place}"


START = Cursor(0, 0)
"""Before the first event that ever was."""


def parse_cursor(text: str) -> Cursor:
    """Reads what `str` of a cursor gives, and `0` for the beginning. Raises CursorError."""
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise CursorError(
            worded("invalid cursor {cursor!r}: use 0, or one that came with an event, such as 1042-17", cursor=text)
        )
    return Cursor(int(found[1]), int(found[2] or 0))


def after_row(position: int) -> Cursor:
    """All of the row at this position was read."""
    return Cursor(position + 1, 0)


def check_cursor(cursor: Cursor, last_position: int, removed_upto: int) -> None:
    """Raises CursorTooOld where events after the cursor are gone, CursorError where it is not of this feed."""
    if removed_upto and cursor.position <= removed_upto:
        raise CursorTooOld(
            f"events after cursor {cursor} were removed (events.retention_days); the oldest event that is left comes "
            f"after cursor {after_row(removed_upto)}. What is missing is in the leads themselves: read their state anew"
        )
    if cursor.position > last_position + 1:
        raise CursorError(
            f"cursor {cursor} is ahead of the last event ({last_position}): it is of another tenant or database, or "
            "this database was restored from a backup. Read the state of the leads anew, and go on with cursor 0"
        )
