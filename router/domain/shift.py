"""By how much a clock or a zone is off, as people write it (-8h, +5h45m), and which stamps it explains."""

import re
from datetime import datetime, timedelta

STEP = timedelta(minutes=15)
FARTHEST = timedelta(hours=26)
"""Between the zones of the world that lie farthest from each other."""

# A lead is not created after it arrives; a clock may be a little fast.
_EARLY = timedelta(minutes=5)
_SHIFT = re.compile(r"([+-]?)(?:(\d{1,3})h)?(?:(\d{1,4})m)?", re.ASCII)


def read_shift(text: str) -> timedelta | None:
    """The shift; None when the text is none, or it is not a whole number of quarter hours up to 26 h."""
    match = _SHIFT.fullmatch(text.strip())
    if match is None:
        return None
    size = timedelta(hours=int(match[2] or 0), minutes=int(match[3] or 0))
    if not size or size > FARTHEST or size % STEP:
        return None
    return -size if match[1] == "-" else size


def shift_words(shift: timedelta) -> str:
    """As it is written: `+8h`, `-5h45m`, `+30m`."""
    hours, minutes = divmod(abs(shift) // timedelta(minutes=1), 60)
    return f"{'-' if shift < timedelta(0) else '+'}{f'{hours}h' if hours else ''}{f'{minutes}m' if minutes else ''}"


def explains(created_at: datetime, received_at: datetime, shift: timedelta) -> bool:
    """Whether a lead, shifted, is created nearer to its arrival, and not after it: else its stamp was right, or is off
    by something else.
    """
    ahead = created_at - received_at
    return abs(ahead + shift) < abs(ahead) and ahead + shift <= _EARLY
