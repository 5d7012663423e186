"""What differs between two texts, line by line, as far as it can be found in a moment. Pure."""

from dataclasses import dataclass
from difflib import SequenceMatcher

MAX_LINES = 1_000
"""So many lines may be left on a side, beside those at the beginning and at the end that are the same."""
_CONTEXT = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `sign` is + or - where it differs, a blank where it does not, … where lines are left out; its number
    (from 1) in the new text, of a removed one in the old.
    """

    sign: str
    number: int
    text: str


def text_diff(old: str, new: str) -> list[Line] | None:
    """The lines that differ, with those around them; empty = none does; None = too much differs to be compared."""
    before, after = old.splitlines(), new.splitlines()
    head = _same(before, after)
    tail = _same(before[head:][::-1], after[head:][::-1])
    left, right = before[head : len(before) - tail], after[head : len(after) - tail]
    if not left and not right:
        return []
    if max(len(left), len(right)) > MAX_LINES:
        return None
    lines = _around(after, max(0, head - _CONTEXT), head)
    for kind, first, last, start, end in SequenceMatcher(None, left, right).get_opcodes():
        if kind == "equal":
            lines += _shortened(_around(after, head + start, head + end))
            continue
        lines += [Line("-", head + at + 1, left[at]) for at in range(first, last)]
        lines += [Line("+", head + at + 1, right[at]) for at in range(start, end)]
    return [*lines, *_around(after, len(after) - tail, min(len(after), len(after) - tail + _CONTEXT))]


def _same(one: list[str], other: list[str]) -> int:
    """How many lines at the beginning are the same."""
    for at, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return at
    return min(len(one), len(other))


def _around(lines: list[str], first: int, last: int) -> list[Line]:
    return [Line(" ", at + 1, lines[at]) for at in range(first, last)]


def _shortened(lines: list[Line]) -> list[Line]:
    """Of a long part that is the same, only its edges."""
    if len(lines) <= 2 * _CONTEXT + 1:
        return lines
    return [*lines[:_CONTEXT], Line("…", 0, ""), *lines[-_CONTEXT:]]
