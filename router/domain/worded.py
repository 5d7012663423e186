"""Sentences that remember how they were made, so that a page can say them in another language. Pure.

What is made into JSON takes the text by `str()`, and the parts by `parts_of`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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


NOTHING = Worded("", (Part("", {}),))
"""No words, in any language."""


def worded(message: str, **values: object) -> Worded:
    """A sentence with values in `{}`."""
    part = Part(message, _kept(values))
    return Worded(_english(part), (part,))


def worded_count(one: str, several: str, count: int, **values: object) -> Worded:
    """A sentence that counts something: `{count}`."""
    part = Part(one, _kept(values), several, count)
    return Worded(_english(part), (part,))


def said_by(error: Exception) -> str:
    """What an exception says, worded where it was made so."""
    said = error.args[0] if len(error.args) == 1 else None
    return said if isinstance(said, Worded) else str(error)


def changed(text: str, change: Callable[[str], str]) -> str:
    """The text with its values changed; not worded any more where that is not the changed text."""
    said = change(str(text))
    if not isinstance(text, Worded):
        return said
    parts = tuple(
        replace(part, values={name: _changed(one, change) for name, one in part.values.items()}) for part in text.parts
    )
    return Worded(said, parts) if "".join(map(_english, parts)) == said else said


def restored(text: str, parts: object) -> str:
    """The text with its `parts`, as `parts_of` had them once; the text alone where they do not make it, as those that
    another release left behind, or that do not fit any more.
    """
    if not isinstance(parts, list) or not parts:
        return text
    try:
        made = tuple(map(_part, parts))
        again = "".join(map(_english, made))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return text
    return Worded(text, made) if again == text else text


def parts_of(text: str) -> list[dict[str, Any]] | None:
    """The parts as plain JSON; None for a text that is not worded."""
    return [_document(part) for part in text.parts] if isinstance(text, Worded) else None


def _kept(values: dict[str, object]) -> dict[str, object]:
    """An exception holds all that was going on where it was raised, and sentences are kept."""
    return {name: str(value) if isinstance(value, BaseException) else value for name, value in values.items()}


def _document(part: Part) -> dict[str, Any]:
    """A value that is worded, too, is an object with its own `parts`."""
    values = {name: _value(value) for name, value in part.values.items()}
    counted = {"plural": part.plural, "count": part.count} if part.plural else {}
    return {"about": part.about, "message": part.message, **counted, "values": values}


def _value(value: object) -> object:
    if isinstance(value, Worded):
        return {"text": str(value), "parts": parts_of(value)}
    return value if isinstance(value, int) else str(value)


def _changed(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, int):
        return value
    return changed(value if isinstance(value, str) else str(value), change)


def _part(document: Mapping[str, Any]) -> Part:
    values = {name: _restored_value(value) for name, value in document["values"].items()}
    return Part(
        document["message"], values, document.get("plural", ""), document.get("count", 0), document.get("about", "")
    )


def _restored_value(value: object) -> object:
    return restored(value["text"], value["parts"]) if isinstance(value, Mapping) else value


def _english(part: Part) -> str:
    if not part.plural:
        return part.message.format(**part.values)
    return (part.message if part.count == 1 else part.plural).format(count=part.count, **part.values)
