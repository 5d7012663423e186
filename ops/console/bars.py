"""A picture of what each of several got, against what was due: a bar, and a mark where it should end. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, ROW = 360, 24
_LEFT, _RIGHT, _TOP = 88, 88, 6
_NAME = 12


@dataclass(frozen=True, slots=True)
class Bar:
    """One line: in pixels from the left, how long the bar is and where the mark is; `text` beside it."""

    name: str
    top: int
    length: float
    mark: float
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """What the template draws."""

    bars: tuple[Bar, ...]
    left: int
    width: int
    height: int


def bars_of(values: Sequence[tuple[str, float, float]]) -> Bars:
    """Of (name, got, due), in this order."""
    highest = max((max(got, due) for _, got, due in values), default=0) or 1
    room = WIDTH - _LEFT - _RIGHT
    bars = tuple(
        Bar(
            name if len(name) <= _NAME else f"{name[: _NAME - 1]}…",
            _TOP + number * ROW,
            round(got / highest * room, 1),
            round(_LEFT + due / highest * room, 1),
            f"{got:,.0f} / {due:,.1f}",
        )
        for number, (name, got, due) in enumerate(values)
    )
    return Bars(bars, _LEFT, WIDTH, 2 * _TOP + ROW * len(bars))
