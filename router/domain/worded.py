"""Sentences that remember how they were made, so that a page can say them in another language. Pure.

What is made into JSON takes the text by `str()`, and the parts by `parts_of`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, overload


@dataclass(frozen=True, slots=True)
class Part:
    """One message with its values, which may be worded, too; `plural` and `count` where it counts something, `about` =
    the column that it is about.
    """

    message: str
    values: Mapping[str, object]
    plural: str = ""
    count: int = 0
    about: str = ""


class Worded(str):
    """The sentence in English, as any other text; `parts` follow each other."""

    __slots__ = ("parts",)
    parts: tuple[Part, ...]

    def __new__(cls, text: str, parts: tuple[Part, ...]) -> "Worded":
        made = super().__new__(cls, text)
        made.parts = parts
        return made

    def __getnewargs__(self) -> tuple[str, tuple[Part, ...]]:  # type: ignore[override]
        """For copies."""
        return str(self), self.parts

    @overload
    def __add__(self, other: "Worded") -> "Worded": ...

    @overload
    def __add__(self, other: str) -> str: ...

    def __add__(self, other: str) -> str:
        """With another worded text it stays worded."""
        text = super().__add__(other)
        return Worded(text, self.parts + other.parts) if isinstance(other, Worded) else text


def worded(message: str, **values: object) -> Worded:
    """A sentence with values in `{}`."""
    return Worded(message.format(**values), (Part(message, values),))


def worded_count(one: str, several: str, count: int, **values: object) -> Worded:
    """A sentence that counts something: `{count}`."""
    text = (one if count == 1 else several).format(count=count, **values)
    return Worded(text, (Part(one, values, several, count),))


def parts_of(text: str) -> list[dict[str, Any]] | None:
    """The parts as plain JSON; None for a text that is not worded."""
    return [_document(part) for part in text.parts] if isinstance(text, Worded) else None


def _document(part: Part) -> dict[str, Any]:
    """A value that is worded, too, is an object with its own `parts`."""
    values = {name: _value(value) for name, value in part.values.items()}
    counted = {"plural": part.plural, "count": part.count} if part.plural else {}
    return {"about": part.about, "message": part.message, **counted, "values": values}


def _value(value: object) -> object:
    if isinstance(value, Worded):
        return {"text": str(value), "parts": parts_of(value)}
    return value if isinstance(value, int) else str(value)
