"""Waiting for something to become true, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable

# A machine that does other things, too, is slow and not wrong: it only takes longer until a failure is known.
DEADLINE_S = 60.0
SLOWER = 1.25


async def until(
    true: Callable[[], Awaitable[bool]],
    what: str,
    deadline_s: float = DEADLINE_S,
    every_s: float = 0.01,
    rarest_s: float = 0.0,
) -> None:
    """Looks every `every_s` until `true()`; after `deadline_s` (seconds) fails, naming `what` was awaited.

    Where `rarest_s` is more, each pause is a little longer than the one before, up to that.
    """
    pause_s = every_s
    try:
        async with asyncio.timeout(deadline_s):
            while not await true():
                await asyncio.sleep(pause_s)
                pause_s = max(every_s, min(pause_s * SLOWER, rarest_s))
    except TimeoutError:
        raise AssertionError(f"not within {deadline_s:g} s: {what}") from None
