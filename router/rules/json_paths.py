"""Paths into nested JSON, as a mapping writes them: `contact.email`, `answers[0].text`, `answers[field.ref=mail].text`.
Pure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_STEP = re.compile(r"(?P<name>[^.\[\]]+)|\[(?P<number>\d{1,4})\]|\[(?P<where>[^\[\]=]+)=(?P<wanted>[^\[\]]*)\]")


class BadPath(ValueError):
    """The text is not a path; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class Where:
    """The first item of a list whose value at `path` is the text `wanted`."""

    path: tuple[str, ...]
    wanted: str


Step = str | int | Where


def parse_path(text: str) -> tuple[Step, ...]:
    """The steps of a path: names of keys, places in lists (from 0), or conditions on items. Raises BadPath."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at + (text[at] == "." and at > 0))
        if found is None or (found["name"] is not None) != (at == 0 or text[at] == "."):
            raise BadPath(f"{text!r} is not a path such as contact.email, items[0].text or items[id=EMAIL].value")
        steps.append(_step(found))
        at = found.end()
    return tuple(steps)


def _step(found: re.Match[str]) -> Step:
    if found["number"] is not None:
        return int(found["number"])
    if found["where"] is not None:
        return Where(tuple(found["where"].split(".")), found["wanted"])
    return found["name"]


def places_of(value: object, steps: Sequence[Step]) -> list[str | int] | None:
    """The keys and places that lead to what the path means in this JSON value; None = nothing is there."""
    places: list[str | int] = []
    for step in steps:
        place = _place(value, step)
        if place is None:
            return None
        value = value[place]  # type: ignore[index]
        places.append(place)
    return places


def _place(value: object, step: Step) -> str | int | None:
    if isinstance(step, str):
        return step if isinstance(value, dict) and step in value else None
    if not isinstance(value, list):
        return None
    if isinstance(step, int):
        return step if step < len(value) else None
    return next((number for number, item in enumerate(value) if _text_at(item, step.path) == step.wanted), None)


def _text_at(value: object, path: Sequence[str]) -> str | None:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value if isinstance(value, str) else str(value) if type(value) is int else None


def value_at(value: object, places: Sequence[str | int]) -> object:
    """What is at these keys and places, which exist."""
    for place in places:
        value = value[place]  # type: ignore[index]
    return value


def without(value: object, gone: Sequence[Sequence[str | int]]) -> object:
    """The JSON value without what is at these places, and without the objects and lists that nothing is left of."""
    if not gone:
        return value
    heads: dict[str | int, list[Sequence[str | int]]] = {}
    for places in gone:
        heads.setdefault(places[0], []).append(places[1:])
    if isinstance(value, list):
        kept = [_left(one, heads.get(number)) for number, one in enumerate(value)]
        return [one for one in kept if one is not _NOTHING]
    assert isinstance(value, dict)
    left = {key: _left(one, heads.get(key)) for key, one in value.items()}
    return {key: one for key, one in left.items() if one is not _NOTHING}


_NOTHING = object()


def _left(value: object, gone: list[Sequence[str | int]] | None) -> object:
    if gone is None:
        return value
    if [] in [list(places) for places in gone]:
        return _NOTHING
    return without(value, gone) or _NOTHING
