"""One answer for all who ask while an earlier one is still being made, and none that is older than the question."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Coalesced(Generic[K, T]):
    """At most one answer of a key is being made at a time. Who asks meanwhile waits for the next one, together with all
    others who do: it begins after they asked, so it shows what they have just changed.

    A caller that stops waiting does not stop the others. An error is raised to all who waited for it.
    """

    def __init__(self) -> None:
        self._turns: dict[K, asyncio.Lock] = {}
        self._next: dict[K, asyncio.Task[T]] = {}

    async def get(self, key: K, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` returns, that of the first of those who share it."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._make(key, make), name="coalesced answer")
            task.add_done_callback(_is_seen)
        return await asyncio.shield(task)

    async def _make(self, key: K, make: Callable[[], Awaitable[T]]) -> T:
        turn = self._turns.setdefault(key, asyncio.Lock())
        try:
            async with turn:
                del self._next[key]
                return await make()
        finally:
            if key not in self._next:
                self._turns.pop(key, None)


def _is_seen(task: "asyncio.Task[T]") -> None:
    """Where nobody waits any more, its error is nobody's."""
    if not task.cancelled():
        task.exception()
