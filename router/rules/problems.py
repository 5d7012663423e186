"""What is wrong with a file that people write."""

from collections.abc import Iterable
from dataclasses import dataclass

from router.domain.worded import Worded, worded
from router.domain.worded_phrases import in_lines, placed

PROBLEMS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where. `line` counts from 1; 0 = nowhere in particular. `field` is a path, or empty.
    `message` is worded where a page shows it.
    """

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (self._place, self.field, self.message)))

    @property
    def said(self) -> str:
        """The same, worded where the message is."""
        if not isinstance(self.message, Worded):
            return str(self)
        of_field = placed(self.field, self.message) if self.field else self.message
        return placed(self._place, of_field) if self._place else of_field

    @property
    def _place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class InvalidFile(ValueError):
    """A file cannot be used; `problems` are all there are, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__(problems)
        self.problems = sorted(problems, key=lambda problem: problem.line)

    def __str__(self) -> str:
        more = len(self.problems) - PROBLEMS_SHOWN
        shown = [str(problem) for problem in self.problems[:PROBLEMS_SHOWN]]
        return "\n".join([*shown, str(_more(more))] if more > 0 else shown)

    @property
    def said(self) -> str:
        """The same, worded where all of it is."""
        more = len(self.problems) - PROBLEMS_SHOWN
        shown = [problem.said for problem in self.problems[:PROBLEMS_SHOWN]]
        return in_lines([*shown, _more(more)] if more > 0 else shown)


def _more(count: int) -> Worded:
    return worded("… and {count} more problems", count=count)
