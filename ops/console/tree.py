"""An explanation as a tree: what stands further in belongs to what stands before it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ops.why.lines import Candidates, Line, Part


@dataclass(slots=True)
class Node:
    """A sentence with what belongs to it, or a table (`rows` under `columns`). `style` is bold, yellow or nothing,
    `kind` that of its line.
    """

    text: str = ""
    style: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    children: list["Node"] = field(default_factory=list)
    kind: str = ""


def tree(parts: Iterable[Part]) -> list[Node]:
    """The sections of an explanation: a bold line begins one, whatever is further in is below it."""
    sections: list[Node] = []
    way: list[tuple[int, Node]] = []
    for part in parts:
        if isinstance(part, Candidates):
            _below(way, sections).append(Node(columns=part.columns, rows=part.rows))
            continue
        depth, node = _depth(part), Node(part.text.strip(), part.style, kind=part.kind)
        if part.style == "bold" or part.gap:
            way.clear()
        while way and way[-1][0] >= depth:
            way.pop()
        _below(way, sections).append(node)
        way.append((depth, node))
    return sections


def _depth(line: Line) -> int:
    """How far in a line stands; a heading is further out than all that follows it."""
    if line.style == "bold":
        return -1
    return len(line.text) - len(line.text.lstrip(" "))


def _below(way: list[tuple[int, Node]], sections: list[Node]) -> list[Node]:
    return way[-1][1].children if way else sections
