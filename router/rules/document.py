"""A YAML file that people write: its text, its values with their places, and all that is wrong with it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml

from router.domain.worded import said_by, worded
from router.rules.lists import Lists
from router.rules.problems import InvalidFile, Problem
from router.rules.yaml_nodes import MAX_CHARACTERS, YamlError, compose, line_of

T = TypeVar("T")

MAX_BYTES = 4 * MAX_CHARACTERS
MAX_PROBLEMS = 5_000
"""Nobody reads more of them, and with aliases a short text can have hundreds of thousands."""


def read_file(path: Path) -> str:
    """The text of a file in UTF-8. Raises OSError, and InvalidFile when it is not UTF-8."""
    with path.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InvalidFile([Problem(str(path), 1, "", worded("has more than {limit:,} bytes", limit=MAX_BYTES))])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        said = worded("is not valid UTF-8; save it as UTF-8")
        raise InvalidFile([Problem(str(path), line, "", said)]) from None


class Wrong(ValueError):
    """The value cannot be read; the message says why and what would be right, worded where a page shows it."""


@dataclass(frozen=True, slots=True)
class At:
    """A value in the file: its node, its path, and where to put what is wrong with it.

    `lists` has the lists that conditions name; `lines` takes the line of every field, by its path.
    """

    node: yaml.Node
    path: str
    file: str
    problems: list[Problem]
    lists: Lists = field(default_factory=Lists)
    lines: dict[str, int] = field(default_factory=dict)

    def wrong(self, message: str, node: yaml.Node | None = None) -> None:
        """Notes what is wrong. Raises InvalidFile after MAX_PROBLEMS of them: the rest is not read."""
        line = line_of(node or self.node)
        if len(self.problems) >= MAX_PROBLEMS:
            note = worded("the rest was not read: there are more than {limit:,} problems before it", limit=MAX_PROBLEMS)
            raise InvalidFile([*self.problems, Problem(self.file, line, "", note)])
        self.problems.append(Problem(self.file, line, self.path, message))

    def below(self, name: str, node: yaml.Node) -> "At":
        """The field of that name in this mapping."""
        return self._inside(node, f"{self.path}.{name}" if self.path else name)

    def item(self, number: int, node: yaml.Node) -> "At":
        return self._inside(node, f"{self.path}[{number}]")

    def _inside(self, node: yaml.Node, path: str) -> "At":
        self.lines.setdefault(path, line_of(node))
        return At(node, path, self.file, self.problems, self.lists, self.lines)

    def read(self, reader: "Reader[T]") -> T | None:
        """What the reader makes of the value; None when it is wrong, which is then noted."""
        try:
            return reader(self)
        except Wrong as wrong:
            self.wrong(said_by(wrong))
            return None


Reader = Callable[[At], T]


def top_of(source: str, file: str, lists: Lists | None = None) -> At | None:
    """The one document in the YAML text, None where there is none; `file` stands for it in messages.

    Raises InvalidFile for what is not YAML.
    """
    try:
        node = compose(source)
    except YamlError as error:
        raise InvalidFile([Problem(file, error.line, "", said_by(error))]) from None
    return None if node is None else At(node, "", file, [], lists or Lists())


def read_top(top: At, reader: Reader[T]) -> T:
    """What the reader makes of the document. Raises InvalidFile with all that is wrong."""
    value = top.read(reader)
    if value is None or top.problems:
        raise InvalidFile(top.problems)
    return value
