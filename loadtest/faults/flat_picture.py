"""A picture of a flat run: a panel for each series, with its samples, its slope and the verdict; plain SVG."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from loadtest.faults.flat import FlatRun, Judged

_COLUMNS, _WIDTH, _HEIGHT, _GAP, _TOP = 3, 340, 120, 16, 72
_PLOT_TOP, _PLOT_HEIGHT = 44, 64
_INK, _FAINT, _SAMPLES, _FLAT, _DRIFTS = "#1f2328", "#d0d7de", "#9aa5b1", "#1a7f37", "#cf222e"


def draw(run: FlatRun) -> str:
    """The picture as SVG: what is not within noise first; series that never changed are only counted."""
    moving = [one for one in run.judged if len(set(one.series.values)) > 1]
    ordered = sorted(moving, key=lambda one: (one.flat, one.series.name))
    rows = -(-len(ordered) // _COLUMNS)
    width = _COLUMNS * (_WIDTH + _GAP) + _GAP
    height = _TOP + rows * (_HEIGHT + _GAP)
    still = len(run.judged) - len(moving)
    subtitle = (
        f"{run.seconds:,.0f} s at {run.rate:,.0f} leads/s, 60% of the {run.maximum:,.0f} measured before; "
        f"{len(run.drifting)} of {len(run.judged)} series not within noise; {still} never changed and are not drawn"
    )
    panels = [
        part
        for place, one in enumerate(ordered)
        for part in _panel(one, _GAP + place % _COLUMNS * (_WIDTH + _GAP), _TOP + place // _COLUMNS * (_HEIGHT + _GAP))
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, \'Segoe UI\', sans-serif" font-size="11" fill="{_INK}">'
    )
    return "\n".join(
        [
            head,
            "<title>Slopes of a run without faults</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            f'<text x="{_GAP}" y="28" font-size="16" font-weight="600">Slopes of a run without faults</text>',
            f'<text x="{_GAP}" y="50">{escape(subtitle)}</text>',
            *panels,
            "</svg>",
            "",
        ]
    )


def _panel(one: Judged, left: int, top: int) -> list[str]:
    """One series: samples as a line, the fitted slope over it."""
    found, unit = one.slope, one.series.unit
    colour = _FLAT if one.flat else _DRIFTS
    slope = f"{found.per_hour:+,.3g} {unit}/h ({found.low:+,.3g} to {found.high:+,.3g})"
    times, values = one.series.at_s, one.series.values
    hours = (times[-1] - times[0]) / 3600
    fitted = (found.at_first, found.at_first + found.per_hour * hours)
    lowest, highest = min(*values, *fitted), max(*values, *fitted)
    points = [_place(left, top, times, at_s, value, lowest, highest) for at_s, value in zip(times, values, strict=True)]
    ends = [
        _place(left, top, times, at_s, value, lowest, highest)
        for at_s, value in zip((times[0], times[-1]), fitted, strict=True)
    ]
    return [
        f'<rect x="{left}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="{_FAINT}"/>',
        f'<text x="{left + 8}" y="{top + 16}" font-weight="600">{escape(one.series.name)}</text>',
        f'<text x="{left + 8}" y="{top + 32}" fill="{colour}">{escape(slope)}</text>',
        f'<text x="{left + _WIDTH - 8}" y="{top + 16}" text-anchor="end">{lowest:,.4g} to {highest:,.4g} {unit}</text>',
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{_SAMPLES}"/>',
        f'<polyline points="{" ".join(ends)}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
    ]


def _place(
    left: int, top: int, times: Sequence[float], at_s: float, value: float, lowest: float, highest: float
) -> str:
    x = left + 8 + (_WIDTH - 16) * (at_s - times[0]) / (times[-1] - times[0])
    y = top + _PLOT_TOP + _PLOT_HEIGHT * (highest - value) / ((highest - lowest) or 1)
    return f"{x:.1f},{y:.1f}"
