"""What is dear to look at may be a few seconds old: a page of it is there at once, and looked at again behind it.

Counting a million leads takes longer than a page may take. Of smaller tenants every page is as of its question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from time import monotonic
from typing import Any

LARGE = 100_000
"""A tenant, or all of them together, with so many leads is large."""

_FRESH_S, _FRESH_TIMES = 1.0, 3.0
_OLD_S, _OLD_TIMES, _OLDEST_S = 6.0, 10.0, 20.0
_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class _Seen:
    value: Any
    begun: float
    took: float

    @property
    def fresh_s(self) -> float:
        """So long it is not looked at again: looking takes a quarter of the time at most."""
        return max(_FRESH_S, _FRESH_TIMES * self.took)

    @property
    def old_s(self) -> float:
        """From then on it is not shown any more."""
        return max(_OLD_S, min(_OLDEST_S, _OLD_TIMES * self.took))


class Looks:
    """The last look by key, of what is large. One per process; `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: dict[Hashable, _Seen] = {}
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self._forgotten = 0

    async def get(self, key: Hashable, look: Callable[[], Awaitable[Any]], is_large: Callable[[Any], bool]) -> Any:
        """The last look, if it was of something large and is not old, while the next one is begun behind it; else a
        new one. What that raises is raised, and nothing older is shown afterwards.
        """
        seen = self._seen.get(key)
        if seen is None:
            return await self._look(key, look, is_large)
        age = self._clock() - seen.begun
        if age < seen.fresh_s:
            return seen.value
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._look(key, look, is_large), name="console look")
            task.add_done_callback(lambda done: self._over(key, done))
        return seen.value if age < seen.old_s else await asyncio.shield(task)

    def forget(self) -> None:
        """Somebody has changed something here, and looks whether it helps."""
        self._seen.clear()
        self._forgotten += 1

    async def _look(self, key: Hashable, look: Callable[[], Awaitable[Any]], is_large: Callable[[Any], bool]) -> Any:
        begun, forgotten = self._clock(), self._forgotten
        try:
            value = await look()
        except BaseException:
            self._seen.pop(key, None)
            raise
        large = is_large(value)
        if forgotten != self._forgotten:
            # Begun before the change: it may not show it, and is not for those who look after it.
            return value
        if large:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen[key] = _Seen(value, begun, self._clock() - begun)
        else:
            self._seen.pop(key, None)
        return value

    def _over(self, key: Hashable, task: "asyncio.Task[Any]") -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            # Nobody may wait for it; who comes next meets the error by asking.
            task.exception()
