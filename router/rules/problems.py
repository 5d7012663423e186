"""What is wrong with a file that people write."""

from collections.abc import Iterable
from dataclasses import dataclass

PROBLEMS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where. `line` counts from 1; 0 = nowhere in particular. `field` is a path, or empty."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(filter(None, (place, self.field, self.message)))


class InvalidFile(ValueError):
    """A file cannot be used; `problems` are all there are, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__(problems)
        self.problems = sorted(problems, key=lambda problem: problem.line)

    def __str__(self) -> str:
        more = len(self.problems) - PROBLEMS_SHOWN
        shown = [str(problem) for problem in self.problems[:PROBLEMS_SHOWN]]
        return "\n".join([*shown, f"… and {more} more problems"] if more > 0 else shown)
