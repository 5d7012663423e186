"""A picture of a few numbers side by side, made by the server: a bar for each, with its name and number. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, ROW = 460, 26
_NAMES, _NUMBERS = 150, 70
_THIN = 2.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in pixels, with its texts."""

    name: str
    number: str
    top: int
    middle: int
    width: float
    end: float


@dataclass(frozen=True, slots=True)
class Bars:
    """What the template draws."""

    bars: tuple[Bar, ...]
    height: int
    width: int = WIDTH
    left: int = _NAMES
    thick: int = ROW - 10


def bars(parts: Sequence[tuple[str, int]]) -> Bars:
    """Of names and numbers; what is not nothing is seen, however small beside the others."""
    highest = max((number for _, number in parts), default=0) or 1
    room = WIDTH - _NAMES - _NUMBERS
    drawn = []
    for place, (name, number) in enumerate(parts):
        width = round(max(_THIN, room * number / highest), 1) if number else 0.0
        top = place * ROW
        drawn.append(Bar(name, f"{number:,}", top + 5, top + ROW // 2 + 4, width, _NAMES + width + 6))
    return Bars(tuple(drawn), len(parts) * ROW)
