"""Services of the daemon that run in the process of a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.runtime.lifeline import Lifeline, MonotonicClock
from router.runtime.supervisor import Service


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[list[str | None]]:
    """Services until the end of the block; what they report as failing, None = works again."""
    stop, reported = asyncio.Event(), list[str | None]()
    tasks = [
        asyncio.create_task(one.run(Lifeline(stop, MonotonicClock(), lambda _: None, reported.append)))
        for one in services
    ]
    try:
        yield reported
        assert not [task for task in tasks if task.done()]
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks)
