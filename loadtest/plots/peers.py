"""lead-router beside other ways on PostgreSQL: a bar for each, with what it does and what it does not. Pure."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from loadtest.plots.measured import size_of, spread_of
from loadtest.plots.svg import ACCENT, GREY, bar, line, picture, text

_WIDTH, _LEFT, _LONGEST, _TOP, _BAR, _LINE, _LETTERS = 860, 16, 560, 64, 18, 15, 130


def draw(peers: Mapping[str, Mapping[str, Any]]) -> str:
    """The picture; lead-router is blue."""
    ordered = _ordered(peers)
    top = max(one["value"] for one in ordered)
    y, parts = float(_TOP), list[str]()
    for one in ordered:
        length = max(2.0, _LONGEST * one["value"] / top)
        colour = ACCENT if one["id"] == "lead_router" else GREY
        parts += [
            text(_LEFT, y + 12, f"{one['name']} ({one['setting']})", weight=600),
            bar(_LEFT, y + _LINE + 3, length, _BAR, colour),
            text(_LEFT + length + 8, y + _LINE + 16, f"{one['value']:,.0f} leads/s{spread_of(one)}"),
        ]
        y += _LINE + _BAR + 18
        for words in _sentences(one):
            parts.append(text(_LEFT, y, words, colour=GREY, size=11))
            y += _LINE
        parts.append(line(_LEFT, y - 4, _WIDTH - _LEFT, y - 4))
        y += 14
    return picture("Leads a second, beside other ways on PostgreSQL", size_of(ordered[0]), _WIDTH, int(y), parts)


def _sentences(one: Mapping[str, Any]) -> list[str]:
    does = f"does: {'; '.join(one['does'])}"
    does_not = f"does not: {'; '.join(one['does_not'])}" if one["does_not"] else ""
    return [*wrap(does, _LETTERS), *wrap(does_not, _LETTERS)]


def table(peers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The same as lines of Markdown."""
    lines = [
        "| what | leads a second, median (spread) | its best setting, of those tried | does | does not |",
        "|---|---|---|---|---|",
    ]
    for one in _ordered(peers):
        tried = "; ".join(f"{setting}: {rate:,.0f}" for setting, rate in one["tried"].items())
        lines.append(
            f"| {one['name']} | **{one['value']:,.0f}**{spread_of(one)}, {one['leads']:,} leads | "
            f"{one['setting']} ({tried}) | {'; '.join(one['does'])} | {'; '.join(one['does_not']) or '-'} |"
        )
    return [*lines, "", f"{size_of(_ordered(peers)[0])}. {_ordered(peers)[0]['note']}"]


def _ordered(peers: Mapping[str, Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return sorted(peers.values(), key=lambda one: -one["value"])
