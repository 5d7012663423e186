"""A picture of counts per minute, made by the server: readable without a script, printable. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 160
_LEFT, _BOTTOM, _TOP = 40, 20, 8
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the picture: the points of an SVG polyline, for each run of values that are known."""

    name: str
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark at an axis: where, in pixels, and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """What the template draws."""

    lines: tuple[Line, ...]
    across: tuple[Mark, ...]
    up: tuple[Mark, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    bottom: int = HEIGHT - _BOTTOM


def picture(labels: Sequence[str], series: Sequence[tuple[str, Sequence[int | None]]], marks: int = 6) -> Picture:
    """Of several series over the same `labels`; None = not known. `marks` labels are written below."""
    highest = max((value for _, values in series for value in values if value is not None), default=0)
    top = ceiling(highest)
    lines = tuple(Line(name, tuple(_runs(values, top))) for name, values in series)
    every = max(1, -(-len(labels) // marks))
    across = tuple(Mark(_x(at, len(labels)), label) for at, label in enumerate(labels) if at % every == 0)
    up = tuple(Mark(_y(value, top), f"{value:,}") for value in sorted({0, top // 2, top}))
    return Picture(lines, across, up)


def ceiling(highest: int) -> int:
    """The first of 2, 4, 10, 20, 40, 100 … that is not below it: even, so that half of it is whole."""
    size = 1
    while True:
        for step in _STEPS:
            if highest <= 2 * step * size:
                return 2 * step * size
        size *= 10


def _runs(values: Sequence[int | None], top: int) -> list[str]:
    runs: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(f"{_x(at, len(values)):.1f},{_y(value, top):.1f}")
    return [" ".join(run) for run in runs if run]


def _x(at: int, of: int) -> float:
    return round(_LEFT + at * (WIDTH - _LEFT - 4) / max(1, of - 1), 1)


def _y(value: int, top: int) -> float:
    room = HEIGHT - _BOTTOM - _TOP
    return round(_TOP + room - room * value / top, 1)
