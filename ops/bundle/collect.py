"""Collecting the parts of an archive one after the other: one that fails or takes too long stops no other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

_CANCEL_S = 5.0


class NotAsked(Exception):
    """Raised by a part that is only collected on demand; the message says how."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the archive: `file` is its name there, `limit_s` how long it may take (seconds). `collect` returns a
    document of JSON, or lines of text.
    """

    name: str
    file: str
    limit_s: float
    collect: Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of a part: `content`, or the `problem` that kept it from being collected; `asked` False = it was to
    be left out.
    """

    part: Part
    content: Any = None
    problem: str | None = None
    seconds: float = 0.0
    asked: bool = True

    @property
    def result(self) -> str:
        """`collected`, `failed` or `not_asked`."""
        if self.problem is None:
            return "collected"
        return "failed" if self.asked else "not_asked"


async def collect(parts: Sequence[Part], report: Callable[[Collected], None]) -> list[Collected]:
    """Collects all parts in their order; `report` is told of each when it is over."""
    found = []
    for part in parts:
        one = await _collect(part)
        report(one)
        found.append(one)
    return found


async def _collect(part: Part) -> Collected:
    begin = perf_counter()
    # Not in our own task: whoever does not heed being cancelled would keep us, too.
    work = asyncio.ensure_future(part.collect())
    done, _ = await asyncio.wait({work}, timeout=part.limit_s)
    if not done:
        work.cancel()
        await asyncio.wait({work}, timeout=_CANCEL_S)
        return Collected(part, problem=f"it took longer than {part.limit_s:g} s", seconds=perf_counter() - begin)
    seconds = perf_counter() - begin
    try:
        return Collected(part, work.result(), seconds=seconds)
    except NotAsked as error:
        return Collected(part, problem=str(error), seconds=seconds, asked=False)
    except Exception as error:  # whatever went wrong in one part, the others are worth having
        return Collected(part, problem=_named(error), seconds=seconds)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
