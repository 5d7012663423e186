"""Reading one value of a YAML file: the kinds of values there are, and what is reported when one is wrong."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import yaml

from router.domain.phrases import suggestion
from router.domain.worded import Worded, worded
from router.rules.document import At, Reader, Wrong
from router.rules.yaml_nodes import line_of

T = TypeVar("T")

MAX_TEXT = 1000
MAX_ITEMS = 10_000

_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = {_TAG + kind for kind in ("null", "bool", "int", "float", "str", "timestamp", "merge", "value")}
_MISREAD = {
    "bool": worded("true or false"),
    "int": worded("a number"),
    "float": worded("a number"),
    "timestamp": worded("a date"),
}
_SPECIAL = worded("a special word")
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_WHOLE = re.compile(r"[-+]?(0|[1-9]\d{0,9})", re.ASCII)


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
            at.below(name, at.node).wrong(worded("is missing"))
    values = {}
    for name, (key, node) in entries.items():
        place = at.below(name, node)
        if name not in readers and name in renamed:
            at.wrong(worded("{name} is now {new}", name=name, new=renamed[name]), key)
        elif name not in readers:
            place.wrong(worded("unknown field{hint}", hint=hint(name, readers)), key)
        elif (value := place.read(readers[name])) is not None:
            values[name] = value
    return values


def named_entries(at: At) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """Key and value nodes by field name; what is not a mapping, has no name or is there twice is noted."""
    if not isinstance(at.node, yaml.MappingNode) or at.node.tag != _TAG + "map":
        raise Wrong(worded("must be fields with values, not {what}", what=what(at.node)))
    entries: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, node in at.node.value:
        if not isinstance(key, yaml.ScalarNode) or _CONTROL.search(key.value) or len(key.value) > 100:
            at.wrong(worded("the name of a field must be a short text on one line"), key)
        elif key.tag == _TAG + "merge":
            at.below("<<", node).wrong(worded("merging is not supported; write the fields out"), key)
        elif key.value in entries:
            first = line_of(entries[key.value][0])
            at.below(key.value, node).wrong(worded("is there twice, first on line {line}", line=first), key)
        else:
            entries[key.value] = (key, node)
    return entries


def hint(word: str, known: Iterable[str]) -> Worded:
    """The end of a message about an unknown word: the nearest known one, or all of them."""
    names = list(known)
    near = suggestion(word, names)
    if near:
        return worded('; did you mean "{near}"?', near=near)
    return worded("; known: {names}", names=", ".join(names))


def items(at: At) -> list[At]:
    """The places of a list's items. An empty list is refused: it would never hold."""
    if not isinstance(at.node, yaml.SequenceNode) or at.node.tag != _TAG + "seq":
        raise Wrong(worded("must be a list, not {what}", what=what(at.node)))
    if not at.node.value:
        raise Wrong(worded("is an empty list"))
    if len(at.node.value) > MAX_ITEMS:
        raise Wrong(worded("has {size:,} items; the maximum is {limit:,}", size=len(at.node.value), limit=MAX_ITEMS))
    return [at.item(number, node) for number, node in enumerate(at.node.value)]


def one_or_many(at: At, reader: Reader[T]) -> list[T]:
    """A single value, or those of a list that could be read."""
    if isinstance(at.node, yaml.SequenceNode):
        return [value for item in items(at) if (value := item.read(reader)) is not None]
    return [reader(at)]


def scalar(at: At) -> yaml.ScalarNode:
    if not isinstance(at.node, yaml.ScalarNode):
        raise Wrong(worded("must be a single value, not {what}", what=what(at.node)))
    if at.node.tag not in _KNOWN_TAGS:
        raise Wrong(worded("has a tag, {tag}; plain values need none", tag=shorten(at.node.tag)))
    if empty(at):
        raise Wrong(worded("is empty; leave the field out, or give it a value"))
    return at.node


def is_number(node: yaml.ScalarNode) -> bool:
    """Whether YAML takes the value for a number."""
    return node.tag in (_TAG + "int", _TAG + "float")


def empty(at: At) -> bool:
    """Whether nothing is written for the value."""
    return bool(at.node.tag == _TAG + "null")


def text(at: At) -> str:
    """A text of one line, trimmed. What YAML takes for a number, a date or a truth value must be quoted."""
    node = scalar(at)
    kind = node.tag.removeprefix(_TAG)
    if kind != "str":
        raise Wrong(
            worded(
                '{value} is {kind} in YAML, not a text; quote it: "{value}"',
                value=shorten(node.value),
                kind=_MISREAD.get(kind, _SPECIAL),
            )
        )
    value = node.value.strip()
    if not value:
        raise Wrong(worded("is an empty text"))
    if len(value) > MAX_TEXT:
        raise Wrong(worded("has {size:,} characters; the maximum is {limit:,}", size=len(value), limit=MAX_TEXT))
    if _CONTROL.search(value):
        raise Wrong(worded("must be on one line, without control characters"))
    return str(value)


def word(at: At, known: Iterable[str]) -> str:
    """One of the known words."""
    names = tuple(known)
    value = text(at)
    if value not in names:
        raise Wrong(worded("unknown value {value}{hint}", value=shorten(value), hint=hint(value, names)))
    return value


def truth(at: At) -> bool:
    node = scalar(at)
    if node.tag != _TAG + "bool":
        raise Wrong(worded("must be true or false, not {what}", what=what(node)))
    return _TRUTH[node.value.casefold()]


def whole(minimum: int, maximum: int) -> Reader[int]:
    """A reader of whole numbers, both bounds allowed."""

    def read(at: At) -> int:
        node = scalar(at)
        plain = node.tag == _TAG + "int" and _WHOLE.fullmatch(node.value)
        if not plain or not minimum <= int(node.value) <= maximum:
            raise Wrong(
                worded(
                    "must be a whole number from {minimum:,} to {maximum:,}, not {what}",
                    minimum=minimum,
                    maximum=maximum,
                    what=what(node),
                )
            )
        return int(node.value)

    return read


def shorten(value: str, limit: int = 60) -> str:
    """A value as it can stand in a message: short, on one line."""
    line = _CONTROL.sub(" ", value.strip())
    return line if len(line) <= limit else line[: limit - 3] + "…"


def what(node: yaml.Node) -> str:
    """What stands there; worded, unless it is the value alone."""
    if isinstance(node, yaml.SequenceNode):
        return worded("a list")
    if isinstance(node, yaml.MappingNode):
        return worded("fields")
    if node.tag == _TAG + "null" or not node.value.strip():
        return worded("nothing")
    value = shorten(node.value)
    return worded('the text "{value}"', value=value) if node.tag == _TAG + "str" else value
