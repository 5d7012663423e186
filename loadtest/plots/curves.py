"""The scaling curves: leads a second over what grows, with the spread of the runs; as pictures and as a table. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.load.charts import nice
from loadtest.plots.measured import size_of, spread_of
from loadtest.plots.svg import ACCENT, GREY, line, picture, text

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 280, 64, 24, 72, 52


@dataclass(frozen=True, slots=True)
class Curve:
    """`id` in bench.json; `file` without its folder; `axis` = what grows."""

    id: str
    file: str
    title: str
    axis: str


CURVES = (
    Curve("scaling_routers", "scaling-routers.svg", "Routers", "routers on one machine"),
    Curve("scaling_tenants", "scaling-tenants.svg", "Tenants", "tenants, the same number of leads in all"),
    Curve("scaling_connections", "scaling-connections.svg", "Connections", "connections of one router"),
    Curve("scaling_history", "scaling-history.svg", "History", "ended assignments in the database"),
)


def draw(curve: Curve, figure: Mapping[str, Any]) -> str:
    """One curve. What grows stands at equal distances, since it grows by factors."""
    points = figure["points"]
    top = nice(max(point["spread"][1] for point in points))
    parts = list[str]()
    for step in range(5):
        y = _y(top * step / 4, top)
        parts += [line(_LEFT, y, _WIDTH - _RIGHT, y), text(_LEFT - 6, y + 4, f"{top * step / 4:,.0f}", anchor="end")]
    places = [(_x(number, len(points)), point) for number, point in enumerate(points)]
    middle = " ".join(f"{x:.1f},{_y(point['leads_per_s'], top):.1f}" for x, point in places)
    parts.append(f'<polyline points="{middle}" fill="none" stroke="{ACCENT}" stroke-width="2"/>')
    for x, point in places:
        low, high = point["spread"]
        y = _y(point["leads_per_s"], top)
        parts += [
            line(x, _y(low, top), x, _y(high, top), GREY, 2),
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{ACCENT}"/>',
            text(x, min(_y(high, top), y) - 9, f"{point['leads_per_s']:,.0f}", anchor="middle", weight=600),
            text(x, _HEIGHT - _BOTTOM + 18, f"{point['place']:,}", anchor="middle"),
        ]
    parts.append(text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, curve.axis, anchor="middle", colour=GREY))
    return picture(f"{curve.title}: leads a second", size_of(figure), _WIDTH, _HEIGHT, parts)


def _x(number: int, points: int) -> float:
    inner = _WIDTH - _LEFT - _RIGHT - 80
    return _LEFT + 40 + inner * number / max(1, points - 1)


def _y(value: float, top: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value / top)


def table(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The curves as lines of Markdown: every point with its spread, and what exactly was measured."""
    lines = [
        "| what grows | leads a second, median (spread) at each point | last / first | what exactly |",
        "|---|---|---|---|",
    ]
    for curve in CURVES:
        figure = figures[curve.id]
        points = "; ".join(_words(point) for point in figure["points"])
        last, first = figure["points"][-1]["leads_per_s"], figure["points"][0]["leads_per_s"]
        lines.append(f"| {curve.title.lower()} | {points} | {last / first:.2f} | {figure['note']} |")
    # Curves of several runs may stand in one file.
    sizes = dict.fromkeys(size_of(figures[curve.id]) for curve in CURVES)
    return [*lines, "", *(f"{size}." for size in sizes)]


def _words(point: Mapping[str, Any]) -> str:
    return f"{point['place']:,}: {point['leads_per_s']:,.0f}{spread_of(point)}"


def missing(figures: Mapping[str, Mapping[str, Any]]) -> Sequence[str]:
    """The ids of curves that were not measured."""
    return [curve.id for curve in CURVES if not figures.get(curve.id, {}).get("points")]
