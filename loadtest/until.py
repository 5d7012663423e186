"""Waiting for something to become true, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable

DEADLINE_S = 30.0


async def until(
    true: Callable[[], Awaitable[bool]], what: str, deadline_s: float = DEADLINE_S, every_s: float = 0.01
) -> None:
    """Looks every `every_s` until `true()`; after `deadline_s` (seconds) fails, naming `what` was awaited."""
    try:
        async with asyncio.timeout(deadline_s):
            while not await true():
                await asyncio.sleep(every_s)
    except TimeoutError:
        raise AssertionError(f"not within {deadline_s:g} s: {what}") from None
