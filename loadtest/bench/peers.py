"""PgQueuer in the same run: the jobs of a queue on PostgreSQL, with a handler that does nothing.

Each time in a process of its own, as its users run it: it neither gains by how this process is tuned
(router/runtime/garbage.py makes it half as fast again) nor leaves anything in it that slows down what is measured next.
"""

import asyncio
import sys
from time import perf_counter

import asyncpg
from pgqueuer import AsyncpgDriver, QueueManager
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

from loadtest.bench.stage import NotClean
from loadtest.shell import PROJECT

BATCHES = (100, 300, 1000)


async def install(url: str) -> None:
    """Makes PgQueuer's tables, with the durability that it asks for by itself."""
    conn = await asyncpg.connect(url)
    await Queries(AsyncpgDriver(conn)).install()
    await conn.close()


async def run(url: str, jobs: int, batch: int) -> float:
    """Puts so many jobs into the queue and works them off with its own manager; returns seconds of the latter."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.bench.peers", url, str(jobs), str(batch)),
        cwd=PROJECT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise NotClean(f"PgQueuer ended with {process.returncode}")
    if left := await _left(url):
        raise NotClean(f"PgQueuer left {left:,} of {jobs:,} jobs")
    return float(said)


async def _run(url: str, jobs: int, batch: int) -> float:
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
    return seconds


async def _left(url: str) -> int:
    conn = await asyncpg.connect(url)
    try:
        return int(await conn.fetchval("select count(*) from pgqueuer"))
    finally:
        await conn.close()


if __name__ == "__main__":
    print(asyncio.run(_run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
