"""A picture of counts before and after: a pair of bars for each name, made by the server. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """One name with its counts; `before_width` and `after_width` in per cent of the longest bar."""

    name: str
    label: str
    before: int
    after: int
    before_width: float
    after_width: float

    @property
    def difference(self) -> str:
        """With its sign."""
        return f"{self.after - self.before:+,}" if self.after != self.before else "±0"


@dataclass(frozen=True, slots=True)
class Bars:
    """Those with the highest counts; `others` are left out of the picture, and in the table."""

    pairs: tuple[Pair, ...]
    others: int


def bars(rows: Iterable[Mapping[str, Any]], shown: int = SHOWN) -> Bars:
    """Of rows with `name`, `label`, `before` and `after`."""
    ordered = sorted(rows, key=lambda row: (-max(row["before"], row["after"]), row["name"]))
    largest = max((max(row["before"], row["after"]) for row in ordered), default=0) or 1
    return Bars(tuple(_pair(row, largest) for row in ordered[:shown]), max(0, len(ordered) - shown))


def _pair(row: Mapping[str, Any], largest: int) -> Pair:
    before, after = row["before"], row["after"]
    widths = (round(100 * count / largest, 2) for count in (before, after))
    return Pair(row["name"], row["label"], before, after, *widths)


def share(count: int, total: int) -> str:
    """A part in per cent; nothing of nothing is a dash."""
    return f"{100 * count / total:.1f} %" if total else "–"
