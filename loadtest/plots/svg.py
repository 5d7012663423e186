"""Standing SVG pictures with axes for points and bars: what the pictures of the pages have in common. Pure.

Written by hand, so that the same figures give the same bytes: Matplotlib would be 30 MB more to install, and its files
change with its version and with the fonts of the machine.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

INK, FAINT, GREY, ACCENT = "#1f2328", "#d0d7de", "#57606a", "#0969da"


def picture(title: str, subtitle: str, width: int, height: int, parts: Sequence[str]) -> str:
    """The parts as a file of its own, with a title on top. Sizes in pixels; the parts begin below 56."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'font-family="system-ui, \'Segoe UI\', sans-serif" font-size="12" fill="{INK}">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            text(16, 24, title, size=15, weight=600),
            text(16, 42, subtitle, colour=GREY, size=11),
            *parts,
            "</svg>",
            "",
        ]
    )


def text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    colour: str = INK,
    size: int = 12,
    weight: int = 400,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )


def line(x: float, y: float, to_x: float, to_y: float, colour: str = FAINT, width: float = 1) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}" stroke-width="{width:g}"/>'
    )


def bar(x: float, y: float, width: float, height: float, colour: str = ACCENT) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
