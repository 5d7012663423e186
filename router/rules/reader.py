"""Reading one value of a rules file: the kinds of values there are, and what is said when one is wrong."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeVar

import yaml

from router.domain.roster import MILLI
from router.domain.span import LONGEST, SHORTEST, read_span
from router.rules.lists import Lists
from router.rules.yaml_nodes import line_of

T = TypeVar("T")

MAX_TEXT = 1000
MAX_ITEMS = 10_000

_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = {_TAG + kind for kind in ("null", "bool", "int", "float", "str", "timestamp", "merge", "value")}
_MISREAD = {"bool": "true or false", "int": "a number", "float": "a number", "timestamp": "a date"}
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_WHOLE = re.compile(r"[-+]?(0|[1-9]\d{0,9})", re.ASCII)
_FACTOR = re.compile(r"(\d{1,9})(\.\d{1,12})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where. `line` counts from 1; `field` is a path, rules counted from 0, or empty."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: " + (f"{self.field}: " if self.field else "") + self.message


class Wrong(ValueError):
    """The value cannot be read; the message says why and what would be right."""


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
        self.problems.append(Problem(self.file, line_of(node or self.node), self.path, message))

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
            self.wrong(str(wrong))
            return None


Reader = Callable[[At], T]


def mapping(
    at: At,
    readers: Mapping[str, Reader[Any]],
    required: Iterable[str] = (),
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The fields of a mapping that could be read; those that could not, and missing ones, are noted.

    `renamed` has the new names of fields that were called otherwise once.
    """
    entries = named_entries(at)
    for name in required:
        if name not in entries:
            at.below(name, at.node).wrong("is missing")
    values = {}
    for name, (key, node) in entries.items():
        place = at.below(name, node)
        if name not in readers and name in renamed:
            at.wrong(f"{name} is now {renamed[name]}", key)
        elif name not in readers:
            place.wrong(f"unknown field{meant(name, readers)}", key)
        elif (value := place.read(readers[name])) is not None:
            values[name] = value
    return values


def named_entries(at: At) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """Key and value nodes by field name; what is not a mapping, has no name or is there twice is noted."""
    if not isinstance(at.node, yaml.MappingNode) or at.node.tag != _TAG + "map":
        raise Wrong(f"must be fields with values, not {_what(at.node)}")
    entries: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, node in at.node.value:
        if not isinstance(key, yaml.ScalarNode) or _CONTROL.search(key.value) or len(key.value) > 100:
            at.wrong("the name of a field must be a short text on one line", key)
        elif key.tag == _TAG + "merge":
            at.below("<<", node).wrong("merging is not supported; write the fields out", key)
        elif key.value in entries:
            first = line_of(entries[key.value][0])
            at.below(key.value, node).wrong(f"is there twice, first on line {first}", key)
        else:
            entries[key.value] = (key, node)
    return entries


def meant(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest known one, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(word.strip().casefold(), names, n=1)
    return f'; did you mean "{near[0]}"?' if near else f"; known: {', '.join(names)}"


def items(at: At) -> list[At]:
    """The places of a list's items. An empty list is refused: it would never hold."""
    if not isinstance(at.node, yaml.SequenceNode) or at.node.tag != _TAG + "seq":
        raise Wrong(f"must be a list, not {_what(at.node)}")
    if not at.node.value:
        raise Wrong("is an empty list")
    if len(at.node.value) > MAX_ITEMS:
        raise Wrong(f"has {len(at.node.value):,} items; {MAX_ITEMS:,} are the most")
    return [at.item(number, node) for number, node in enumerate(at.node.value)]


def one_or_many(at: At, reader: Reader[T]) -> list[T]:
    """A single value, or those of a list that could be read."""
    if isinstance(at.node, yaml.SequenceNode):
        return [value for item in items(at) if (value := item.read(reader)) is not None]
    return [reader(at)]


def scalar(at: At) -> yaml.ScalarNode:
    if not isinstance(at.node, yaml.ScalarNode):
        raise Wrong(f"must be a single value, not {_what(at.node)}")
    if at.node.tag not in _KNOWN_TAGS:
        raise Wrong(f"has a tag, {shown(at.node.tag)}; plain values need none")
    if empty(at):
        raise Wrong("is empty; leave the field out, or give it a value")
    return at.node


def empty(at: At) -> bool:
    """Whether nothing is written for the value."""
    return bool(at.node.tag == _TAG + "null")


def text(at: At) -> str:
    """A text of one line, trimmed. What YAML takes for a number, a date or a truth value must be quoted."""
    node = scalar(at)
    kind = node.tag.removeprefix(_TAG)
    if kind != "str":
        raise Wrong(
            f"{shown(node.value)} is {_MISREAD.get(kind, 'a special word')} in YAML, not a text; "
            f'quote it: "{shown(node.value)}"'
        )
    value = node.value.strip()
    if not value:
        raise Wrong("is an empty text")
    if len(value) > MAX_TEXT:
        raise Wrong(f"has {len(value):,} characters; {MAX_TEXT:,} are the most")
    if _CONTROL.search(value):
        raise Wrong("must be on one line, without control characters")
    return str(value)


def word(at: At, known: Iterable[str]) -> str:
    """One of the known words."""
    names = tuple(known)
    value = text(at)
    if value not in names:
        raise Wrong(f"unknown value {shown(value)}{meant(value, names)}")
    return value


def truth(at: At) -> bool:
    node = scalar(at)
    if node.tag != _TAG + "bool":
        raise Wrong(f"must be true or false, not {_what(node)}")
    return _TRUTH[node.value.casefold()]


def whole(least: int, most: int) -> Reader[int]:
    """A reader of whole numbers, both bounds allowed."""

    def read(at: At) -> int:
        node = scalar(at)
        plain = node.tag == _TAG + "int" and _WHOLE.fullmatch(node.value)
        if not plain or not least <= int(node.value) <= most:
            raise Wrong(f"must be a whole number from {least:,} to {most:,}, not {_what(node)}")
        return int(node.value)

    return read


def factor(at: At) -> int:
    """A factor on weights, in thousandths: 0.001 to 1000, as at most three decimals can say."""
    node = scalar(at)
    plain = node.tag in (_TAG + "int", _TAG + "float") and _FACTOR.fullmatch(node.value)
    thousandths = Decimal(node.value) * MILLI if plain else Decimal(0)
    if not 1 <= thousandths <= 1000 * MILLI or thousandths != int(thousandths):
        raise Wrong(f"must be a number from 0.001 to 1000 with at most three decimals, not {_what(node)}")
    return int(thousandths)


def duration(at: At) -> timedelta:
    """A time span such as 90s, 30m, 4h or 2d."""
    node = scalar(at)
    span = read_span(node.value.strip())
    if span is None:
        raise Wrong(f"must be a number with its unit, such as 90s, 30m, 4h or 2d, not {_what(node)}")
    if not SHORTEST <= span <= LONGEST:
        raise Wrong(f"must be between 1s and {LONGEST.days}d, not {shown(node.value)}")
    return span


def days(at: At) -> timedelta:
    """A whole number of days."""
    return timedelta(days=whole(1, LONGEST.days)(at))


def shown(value: str, most: int = 60) -> str:
    """A value as it can stand in a message: short, on one line."""
    line = _CONTROL.sub(" ", value.strip())
    return line if len(line) <= most else line[: most - 3] + "…"


def _what(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "fields"
    if node.tag == _TAG + "null" or not node.value.strip():
        return "nothing"
    return f'the text "{shown(node.value)}"' if node.tag == _TAG + "str" else shown(node.value)
