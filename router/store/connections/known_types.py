"""PostgreSQL's own types, asked for once in a process instead of by each connection anew.

The driver asks the server about each type that it has no codec for, arrays of numbers among them, on every connection:
a round trip and several milliseconds of the server's time before the first statements that use them.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

# Below it PostgreSQL's source assigns the numbers, for good: they mean the same on every server (pg_type.dat).
_FIRST_OF_ONE_SERVER = 10_000

Answer = tuple[Any, Any]
"""The rows about the types, and the statement that asked."""
Ask = Callable[[Iterable[int], float | None], Awaitable[Answer]]

_known: dict[frozenset[int], Any] = {}


@dataclass(frozen=True, slots=True)
class _NotAsked:
    """In the place of the statement that would have asked: none, so that what is being prepared is still in place."""

    name: str = "not asked"


async def about_types(ask: Ask, type_oids: Iterable[int], timeout_s: float | None) -> Answer:
    """What `ask` (the driver's method, of one connection) answers, from memory where the same was asked before.

    Types of extensions and tables are asked for each time: their numbers are a database's own.
    """
    wanted = frozenset(type_oids)
    if wanted in _known:
        return _known[wanted], _NotAsked()
    rows, statement = await ask(wanted, timeout_s)
    if all(oid < _FIRST_OF_ONE_SERVER for oid in wanted):
        _known[wanted] = rows
    return rows, statement
