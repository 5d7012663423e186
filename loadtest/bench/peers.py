"""PgQueuer in the same run: the jobs of a queue on PostgreSQL, with a handler that does nothing."""

from time import perf_counter

import asyncpg
from pgqueuer import AsyncpgDriver, QueueManager
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

BATCHES = (100, 300, 1000)


async def install(url: str) -> None:
    """Makes PgQueuer's tables, with the durability that it asks for by itself."""
    conn = await asyncpg.connect(url)
    await Queries(AsyncpgDriver(conn)).install()
    await conn.close()


async def run(url: str, jobs: int, batch: int) -> float:
    """Puts so many jobs into the queue and works them off with its own manager; answers seconds of the latter."""
    conn = await asyncpg.connect(url)
    driver = AsyncpgDriver(conn)
    queries = Queries(driver)
    for first in range(0, jobs, 10_000):
        count = min(10_000, jobs - first)
        await queries.enqueue(["lead"] * count, [b"1"] * count, [0] * count)
    await conn.execute("vacuum analyze")
    await conn.execute("checkpoint")
    manager = QueueManager(queries)

    @manager.entrypoint("lead")
    async def _(job: Job) -> None:
        pass

    begin = perf_counter()
    await manager.run(batch_size=batch, mode=QueueExecutionMode.drain)
    seconds = perf_counter() - begin
    await conn.close()
    left = await _left(url)
    if left:
        raise RuntimeError(f"PgQueuer left {left:,} of {jobs:,} jobs")
    return seconds


async def _left(url: str) -> int:
    conn = await asyncpg.connect(url)
    try:
        return int(await conn.fetchval("select count(*) from pgqueuer"))
    finally:
        await conn.close()
