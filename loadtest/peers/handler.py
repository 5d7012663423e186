"""What the peers' handlers do with one lead: the same result rows as lead-router, written by one statement."""

from collections.abc import Sequence
from itertools import cycle

import asyncpg

from router.store.statements import load

SQL = load("peers")


class Assigner:
    """Gives leads to reps in turn over a pool of so many connections of asyncpg, which all peers have alike."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", reps: Sequence[int]) -> None:
        self._pool = pool
        self._reps = cycle(reps)

    async def __call__(self, tenant_id: int, lead_id: int) -> None:
        async with self._pool.acquire() as conn:
            await SQL.assign.execute(conn, tenant_id=tenant_id, lead_id=lead_id, rep_no=next(self._reps))


async def open_assigner(url: str, sessions: int) -> Assigner:
    """Reps are the same of all tenants, who have one roster. It stays open until the process ends."""
    pool = await asyncpg.create_pool(url, min_size=sessions, max_size=sessions)
    async with pool.acquire() as conn:
        reps = [row[0] for row in await conn.fetch("select distinct rep_no from rep order by 1")]
    return Assigner(pool, reps)
