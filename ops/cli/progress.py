"""How far long work is: on stderr, on a terminal only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_of(what: str, total: int | None, *, hidden: bool = False) -> Iterator[Callable[[int], None]]:
    """Tells it by how many of `total` (None = not known) are done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    from ops.cli.screen import Screen  # noqa: PLC0415 - slow to read, as the above

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = Screen(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=hidden or not screen.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
