"""Many batches at once in this process, or one alone.

A process that dies takes every batch with it that it had in hand: one of them is at fault. A lead over which a process
has died before is therefore taken while nothing else is, so that the next death cannot be another lead's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class NotAlone(TimeoutError):
    """Other batches of this process did not end in time."""


class Gate:
    """`inside` = batches under way, `waiting` = those that wait until they are alone; these come first."""

    def __init__(self) -> None:
        self.inside = 0
        self.waiting = 0
        self._closed = False
        self._moved = asyncio.Event()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """One of many."""
        await self._until(lambda: not self._closed and not self.waiting)
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
            self._move()

    @asynccontextmanager
    async def alone(self, within_s: float) -> AsyncIterator[None]:
        """The only one. Not to be asked for from inside. Raises NotAlone when the others do not end so soon: new
        ones wait meanwhile.
        """
        self.waiting += 1
        try:
            async with asyncio.timeout(within_s):
                await self._until(lambda: not self._closed and not self.inside)
            self._closed = True
        except TimeoutError:
            raise NotAlone(f"other batches of this process did not end within {within_s:g} s") from None
        finally:
            self.waiting -= 1
            self._move()
        try:
            yield
        finally:
            self._closed = False
            self._move()

    async def _until(self, free: Callable[[], bool]) -> None:
        while not free():
            await self._moved.wait()

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
