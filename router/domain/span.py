"""Time spans as people write them: 90s, 30m, 4h, 2d."""

import re
from datetime import timedelta

SHORTEST = timedelta(seconds=1)
LONGEST = timedelta(days=3650)

_SPAN = re.compile(r"(\d{1,9}) ?([smhd])", re.ASCII)
_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def read_span(text: str) -> timedelta | None:
    """The span, however long or short; None when the text is not a whole number with its unit."""
    match = _SPAN.fullmatch(text)
    return None if match is None else int(match[1]) * _UNITS[match[2]]
