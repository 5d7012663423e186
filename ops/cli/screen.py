"""Printing for people: what others wrote is shown as they wrote it, and commands neither colour nor terminal."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from router.domain.text import visible

# Wide as a table needs it: a folded one can be read neither by eyes nor by grep.
_TABLE_WIDTH = 10_000


class Screen(Console):
    """Without markup: names may hold `[red]` or `[/]`. Style by `style=` or `Text` instead."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=not stderr, markup=False, emoji=False)
        if not stderr:
            self.width = _TABLE_WIDTH

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else visible(text, keep="\n"), style, control)
