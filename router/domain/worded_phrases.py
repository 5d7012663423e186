"""Parts of sentences as `phrases` has them, that a page can say in another language. Pure."""

from collections.abc import Iterable, Sequence
from functools import reduce

from router.domain.worded import Part, Worded, worded

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_NEXT_LINE = Worded("\n", (Part("\n", {}),))
"""Without words it is the same in any language."""


def worded_duration(seconds: float) -> Worded:
    """As `duration`."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return worded("{seconds} s", seconds=whole)
    if whole < _HOUR:
        return worded("{minutes} min", minutes=whole // _MINUTE)
    if whole < _DAY:
        return worded("{hours} h {minutes} min", hours=whole // _HOUR, minutes=whole % _HOUR // _MINUTE)
    return worded("{days} d {hours} h", days=whole // _DAY, hours=whole % _DAY // _HOUR)


def worded_list(items: Iterable[object], limit: int = 5) -> str:
    """As `listed`; items that are worded stay so. A few names are the same in any language, and a plain text."""
    said = [item if isinstance(item, Worded) else str(item) for item in items]
    shown, more = said[:limit], len(said) - limit
    if any(isinstance(item, Worded) for item in shown):
        names = reduce(lambda before, item: worded("{names}, {name}", names=before, name=item), shown)
    else:
        names = ", ".join(shown)
    return worded("{names} and {more:,} more", names=names, more=more) if more > 0 else names


def in_a_row(sentences: Sequence[str]) -> str:
    """Sentences parted by semicolons; worded where all of them are."""
    first, *others = sentences
    if not all(isinstance(one, Worded) for one in sentences):
        return "; ".join(sentences)
    return reduce(lambda before, one: before + worded("; ") + one, others, first)


def in_lines(sentences: Sequence[str]) -> str:
    """Each on a line of its own; worded where all of them are."""
    first, *others = sentences
    if not all(isinstance(one, Worded) for one in sentences):
        return "\n".join(sentences)
    return reduce(lambda before, one: before + _NEXT_LINE + one, others, first)


def placed(place: str, problem: str) -> str:
    """What is wrong with the value at this place; worded where the problem is."""
    if isinstance(problem, Worded):
        return worded("{place}: {problem}", place=place, problem=problem)
    return f"{place}: {problem}"
