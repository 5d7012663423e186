"""The parts of an explanation on a screen."""

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.why.lines import Line, Part
from router.domain.text import visible


def rendered(part: Part) -> RenderableType:
    """A part for the screen, whatever the lead's texts hold."""
    if isinstance(part, Line):
        return Text(("\n" if part.gap else "") + visible(part.text), style=part.style)
    table = Table.grid(padding=(0, 2))
    table.add_row(*part.columns, style="dim")
    for row in part.rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    return Padding(table, (0, 0, 0, 5), expand=False)
