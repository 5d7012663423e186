"""The names of a table's columns as people and programs write them: doubled, empty, padded. Pure."""

import re
from collections import Counter
from collections.abc import Collection, Sequence

from router.domain.text import without_invisible
from router.domain.worded import worded

_SEPARATOR = re.compile(r'\ufeff?"?sep=(.)"?[\r\n]*', re.IGNORECASE)


class HeaderUnusable(ValueError):
    """The first line names no columns; the message says why."""


def separator_line(line: str) -> str | None:
    """The delimiter that a first line such as `sep=;` declares, as Excel writes and reads it."""
    found = _SEPARATOR.fullmatch(line)
    return found[1] if found else None


def unwrapped(cell: str) -> str:
    """The text in `="00123"`, as programs write it to keep spreadsheets from making a number of it."""
    return cell[2:-1].replace('""', '"') if cell[:2] == '="' and cell[-1] == '"' and len(cell) > 2 else cell


def column_names(header: Sequence[str], limit: int) -> tuple[list[str], frozenset[str]]:
    """A name for each column, "" for those without, and the names that came more than once.

    The second of a name is `name (2)`. Raises HeaderUnusable.
    """
    names = [without_invisible(name).strip() for name in header]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise HeaderUnusable(worded("column 1 has no name"))
    if len(names) > limit:
        raise HeaderUnusable(
            worded("names {count:,} columns; at most {limit:,} are allowed", count=len(names), limit=limit)
        )
    counts = Counter(name for name in names if name)
    repeated = frozenset(name for name, count in counts.items() if count > 1)
    if repeated:
        names = _numbered(names)
    return [*names, *[""] * (len(header) - len(names))], repeated


def _numbered(names: Sequence[str]) -> list[str]:
    taken, numbered = set(names), list[str]()
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        new = name
        if name and seen[name] > 1:
            number = seen[name]
            while (new := f"{name} ({number})") in taken:
                number += 1
            taken.add(new)
        numbered.append(new)
    return numbered


def in_use(names: Sequence[str], used: Collection[int]) -> list[str]:
    """The names, with one for each unnamed column (by place, from 0) that has values: those are not lost in silence."""
    taken = set(names)
    result = list(names)
    for place in sorted(used):
        name = f"column {place + 1}"
        while name in taken:
            name += "'"
        taken.add(name)
        result[place] = name
    return result
