"""The fields of a tree of frozen dataclasses: found by path, read from text, kept inside their bounds."""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Tree = TypeVar("Tree")

_WHOLE_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)
_TRUTH = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a number, both allowed: `Annotated[int, Between(1, 100)]`."""

    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Url:
    """A URL with one of these schemes. It may hold a password, so its value is never shown."""

    schemes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One leaf of the tree. `path` is where it stands: `("drain", "batch_leads")`."""

    path: tuple[str, ...]
    kind: type
    optional: bool
    choices: tuple[str, ...]
    limits: Between | None
    url: Url | None

    @property
    def name(self) -> str:
        """As in the file, with dots: `drain.batch_leads`."""
        return ".".join(self.path)

    def expected(self) -> str:
        """What a value must be, in words."""
        if self.url:
            return "a URL that begins with " + " or ".join(f"{s}://" for s in self.url.schemes)
        if self.choices:
            return "one of " + ", ".join(self.choices)
        words = {
            bool: "true or false",
            int: "a whole number",
            float: "a number",
            Path: "a path",
            str: "a text",
        }
        within = f" from {self.limits.least:g} to {self.limits.most:g}" if self.limits else ""
        return words[self.kind] + within

    def parse(self, text: str) -> Any:
        """The value that `text` stands for. Raises ValueError when it stands for none."""
        value = _PARSERS[self.kind](text.strip().lower() if self.choices else text.strip())
        if self.limits and not self.limits.least <= value <= self.limits.most:
            raise ValueError(text)
        if self.choices and value not in self.choices:
            raise ValueError(text)
        if self.url and not any(text.startswith(f"{scheme}://") for scheme in self.url.schemes):
            raise ValueError(text)
        return value


def _whole_number(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise ValueError(text)
    return _TRUTH[text.lower()]


def _text(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _path(text: str) -> Path:
    return Path(_text(text)).expanduser()


_PARSERS: dict[type, Any] = {int: _whole_number, float: _number, bool: _truth, str: _text, Path: _path}


def fields_of(tree: type, path: tuple[str, ...] = ()) -> Iterator[Field]:
    """All leaves of a dataclass of dataclasses, in their order."""
    for name, hint in get_type_hints(tree, include_extras=True).items():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from fields_of(hint, (*path, name))
        else:
            yield _field((*path, name), hint)


def _field(path: tuple[str, ...], hint: Any) -> Field:
    marks: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        marks = tuple(rest)
    optional = get_origin(hint) in (Union, UnionType)
    if optional:
        (hint,) = (part for part in get_args(hint) if part is not NoneType)
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    limits = next((mark for mark in marks if isinstance(mark, Between)), None)
    url = next((mark for mark in marks if isinstance(mark, Url)), None)
    return Field(path, str if choices else hint, optional, choices, limits, url)


def value_at(tree: Any, path: tuple[str, ...]) -> Any:
    """The value of one leaf."""
    for name in path:
        tree = getattr(tree, name)
    return tree


def with_values(tree: Tree, values: Mapping[tuple[str, ...], Any]) -> Tree:
    """A copy of `tree` in which the leaves of `values` have these values."""
    changed: dict[str, Any] = {path[0]: value for path, value in values.items() if len(path) == 1}
    for branch in {path[0] for path in values if len(path) > 1}:
        below = {path[1:]: value for path, value in values.items() if path[0] == branch}
        changed[branch] = with_values(getattr(tree, branch), below)
    return dataclasses.replace(tree, **changed)  # type: ignore[type-var]
