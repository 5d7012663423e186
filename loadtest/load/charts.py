"""Line charts as SVG, small enough to stand in a page without anything else. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from xml.sax.saxutils import escape

COLOURS = ("#0969da", "#cf222e", "#1a7f37", "#9a6700", "#8250df")
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 560, 240, 56, 12, 30, 40
_FAINT, _SHADE = "#d0d7de", "#ffebe9"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; a point without a value leaves a gap."""

    name: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Chart:
    """`shaded` = from when to when something was broken on purpose (seconds)."""

    title: str
    unit: str
    lines: Sequence[Line]
    seconds: float
    shaded: tuple[float, float] | None = None


def draw(chart: Chart) -> str:
    """The chart as an SVG element."""
    values = [value for line in chart.lines for _, value in line.points if value is not None]
    top = nice(max(values, default=0.0))
    seconds = max(chart.seconds, 1.0)

    def place(at_s: float, value: float) -> tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(max(at_s / seconds, 0.0), 1.0)
        return x, _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / top)

    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(chart.title)}">',
        f'<text x="{_LEFT}" y="16" class="title">{escape(chart.title)}, {escape(chart.unit)}</text>',
    ]
    if chart.shaded:
        (x, y), (right, base) = place(chart.shaded[0], top), place(chart.shaded[1], 0.0)
        parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{right - x:.1f}" height="{base - y:.1f}" fill="{_SHADE}"/>')
    for step in range(5):
        x, y = place(0.0, top * step / 4)
        parts.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" stroke="{_FAINT}"/>')
        parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{top * step / 4:,g}</text>')
        x, y = place(seconds * step / 4, 0.0)
        parts.append(f'<text x="{x:.1f}" y="{y + 15:.1f}" text-anchor="middle">{seconds * step / 4:,.0f} s</text>')
    for number, line in enumerate(chart.lines):
        colour = COLOURS[number % len(COLOURS)]
        for run in _runs(line):
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(at_s, value) for at_s, value in run))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        x = _LEFT + number * (_WIDTH - _LEFT - _RIGHT) / len(chart.lines)
        parts.append(f'<rect x="{x:.1f}" y="{_HEIGHT - 14}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14:.1f}" y="{_HEIGHT - 5}">{escape(line.name)}</text>')
    return "\n".join([*parts, "</svg>"])


def nice(highest: float) -> float:
    """A round number that is not below the highest value: 1, 2, 4 or 8 times a power of ten, at least 1."""
    if highest <= 1:
        return 1.0
    power = 10.0 ** floor(log10(highest))
    return next(factor * power for factor in (1, 2, 4, 8, 10, 20) if factor * power >= highest)


def _runs(line: Line) -> list[list[tuple[float, float]]]:
    """The line's parts without gaps; a single point becomes a short dash, so that it can be seen."""
    found: list[list[tuple[float, float]]] = [[]]
    for at_s, value in line.points:
        if value is None:
            found.append([])
        else:
            found[-1].append((at_s, value))
    return [run if len(run) > 1 else [run[0], (run[0][0] + 0.5, run[0][1])] for run in found if run]
