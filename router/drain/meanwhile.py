"""Working here while the server works there: an executing statement leaves this side's core idle."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Answer = TypeVar("Answer")
Made = TypeVar("Made")


async def meanwhile(statement: Coroutine[Any, Any, Answer], work: Callable[[], Made]) -> tuple[Answer, Made]:
    """Sends the statement, does `work` while the server executes it, waits for it; answers both.

    Raises what either raises; whichever fails, the statement is over when this returns.
    """
    sent = asyncio.create_task(statement)
    try:
        # One turn of the loop: a prepared statement is on the wire after it.
        await asyncio.sleep(0)
        made = work()
    except BaseException:
        sent.cancel()
        await asyncio.wait([sent])
        raise
    return await sent, made
