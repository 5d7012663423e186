"""PgQueuer: a job for each lead, worked off by its own manager."""

from collections.abc import Sequence

import asyncpg
from pgqueuer import AsyncpgDriver, QueueManager
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

from loadtest.peers.handler import open_assigner
from loadtest.peers.work import Lead, Setting, Work

_PORTION = 10_000


async def install(url: str) -> None:
    """Its tables, with the durability that it asks for by itself."""
    conn = await asyncpg.connect(url)
    await Queries(AsyncpgDriver(conn)).install()
    await conn.close()


async def enqueue(url: str, leads: Sequence[Lead]) -> None:
    conn = await asyncpg.connect(url)
    queries = Queries(AsyncpgDriver(conn))
    for first in range(0, len(leads), _PORTION):
        part = leads[first : first + _PORTION]
        payloads: list[bytes | None] = [f"{tenant_id} {lead_id}".encode() for tenant_id, lead_id in part]
        await queries.enqueue(["lead"] * len(part), payloads, [0] * len(part))
    await conn.close()


async def worker(url: str, setting: Setting, _tenants: Sequence[int]) -> Work:
    """Works until there is no job left."""
    assign = await open_assigner(url, setting["sessions"])
    manager = QueueManager(Queries(AsyncpgDriver(await asyncpg.connect(url))))

    @manager.entrypoint("lead")
    async def _(job: Job) -> None:
        assert job.payload is not None
        tenant_id, lead_id = job.payload.split()
        await assign(int(tenant_id), int(lead_id))

    return lambda: manager.run(batch_size=setting["batch"], mode=QueueExecutionMode.drain)
