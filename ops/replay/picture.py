"""A picture of leads per rep, before and after: plain SVG."""

import re
import unicodedata
from collections.abc import Sequence
from xml.sax.saxutils import escape

from ops.replay.report import Row

MOST_REPS = 40

_BEFORE, _AFTER, _INK, _FAINT = "#9aa5b1", "#1f6feb", "#1f2328", "#d0d7de"
_WIDTH, _LEFT, _RIGHT, _TOP, _LINE, _BAR = 960, 220, 190, 76, 26, 9
_LONGEST_NAME = 28
# XML 1.0 has no way to write these.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def shown_reps(rows: Sequence[Row], limit: int = MOST_REPS) -> list[Row]:
    """The reps with the most leads, before or after, in that order; what is beyond `limit` is summed up as one."""
    ordered = sorted(rows, key=lambda row: (-max(row.before, row.after), row.name))
    if len(ordered) <= limit:
        return ordered
    rest = ordered[limit:]
    total = Row(f"{len(rest):,} other reps", sum(row.before for row in rest), sum(row.after for row in rest))
    return [*ordered[:limit], total]


def draw(rows: Sequence[Row], title: str, subtitle: str) -> str:
    """The picture as SVG: a pair of bars for each rep of `shown_reps`."""
    shown = shown_reps(rows)
    # The sum of the others would dwarf everybody: where it is larger than the largest rep's, it has no bars.
    largest = max((max(row.before, row.after) for row in shown[:MOST_REPS]), default=0) or 1
    height = _TOP + _LINE * max(1, len(shown)) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f"font-family=\"system-ui, 'Segoe UI', 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif\" font-size=\"12\" "
        f'fill="{_INK}">',
        f"<title>{_text(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="16" font-weight="600">{_text(title)}</text>',
        f'<text x="16" y="46">{_text(subtitle)}</text>',
        *_legend(),
        *(part for place, row in enumerate(shown) for part in _pair(row, _TOP + _LINE * place, largest)),
    ]
    if not shown:
        parts.append(f'<text x="16" y="{_TOP + 14}">no lead was assigned</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> list[str]:
    return [
        f'<rect x="{_LEFT}" y="56" width="12" height="{_BAR}" fill="{_BEFORE}"/>',
        f'<text x="{_LEFT + 18}" y="65">before (recorded)</text>',
        f'<rect x="{_LEFT + 150}" y="56" width="12" height="{_BAR}" fill="{_AFTER}"/>',
        f'<text x="{_LEFT + 168}" y="65">after (replayed)</text>',
    ]


def _pair(row: Row, top: int, largest: int) -> list[str]:
    """The bars of one rep, with the numbers behind them."""
    room = _WIDTH - _LEFT - _RIGHT
    sign = f"{row.difference:+,}" if row.difference else "±0"
    lines = [
        f'<line x1="16" x2="{_WIDTH - 16}" y1="{top}" y2="{top}" stroke="{_FAINT}" stroke-width="0.5"/>',
        f'<text x="{_LEFT - 10}" y="{top + 17}" text-anchor="end">{_text(_shortened(row.label or row.name))}</text>',
    ]
    most, end = max(row.before, row.after), _LEFT + 6.0
    if most <= largest:
        for value, y, colour in ((row.before, top + 4, _BEFORE), (row.after, top + 4 + _BAR, _AFTER)):
            width = round(room * value / largest, 1)
            lines.append(f'<rect x="{_LEFT}" y="{y}" width="{width}" height="{_BAR}" fill="{colour}"/>')
        end += round(room * most / largest, 1)
    lines.append(f'<text x="{end}" y="{top + 17}">{row.before:,} → {row.after:,} ({sign})</text>')
    return lines


def _shortened(name: str) -> str:
    """As much of a name as there is room for; Chinese letters are twice as wide."""
    width = 0
    for place, letter in enumerate(name):
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if width > _LONGEST_NAME:
            return f"{name[: place - 1]}…"
    return name


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))
