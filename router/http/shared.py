"""One answer for all who ask at the same time, or shortly after."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """What `make` returns, for everybody who asks while it is made and for `holds_s` seconds afterwards.

    A caller that stops waiting does not stop the others. An error is raised to all who waited for it, and not kept.
    """

    def __init__(self, make: Callable[[], Awaitable[T]], holds_s: float) -> None:
        self._make = make
        self._holds_s = holds_s
        self._making: asyncio.Task[T] | None = None
        self._made_at = 0.0

    async def get(self) -> T:
        """The answer."""
        task = self._making
        old = task is not None and task.done() and monotonic() - self._made_at >= self._holds_s
        if task is None or old or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._making = asyncio.create_task(self._made(), name="shared answer")
        return await asyncio.shield(task)

    async def _made(self) -> T:
        made = await self._make()
        self._made_at = monotonic()
        return made
