"""The floor: the drain's own claim and writes with constant decisions; no rules, roster, credits, flight record.

What the drain cannot go below on this machine and server, with this client. It claims by the same statements, takes
the leads as they come, gives them to reps in turn and writes assignments, loads, owners and the lane.
"""

import asyncio
from time import perf_counter

import asyncpg

from router.store.lane import Book, Closing, LaneLimits, close, hold
from router.store.statements import load
from router.store.transactions import with_lock_timeout

_LANE = load("lane")
_POOL = load("pool")
_LIMITS = LaneLimits()
_FIRST = {"after_rank": -(1 << 31), "after_lead_id": 0}


async def run(url: str, tenants: list[int], connections: int, batch: int) -> float:
    """Empties the tenants' pools over so many connections; returns seconds."""
    todo = list(tenants)
    conns = [await asyncpg.connect(url) for _ in range(connections)]

    async def work(conn: "asyncpg.Connection[asyncpg.Record]") -> None:
        while todo:
            await _empty(conn, todo.pop(), batch)

    begin = perf_counter()
    await asyncio.gather(*(work(conn) for conn in conns))
    seconds = perf_counter() - begin
    for conn in conns:
        await conn.close()
    return seconds


async def _empty(conn: "asyncpg.Connection[asyncpg.Record]", tenant_id: int, batch: int) -> None:
    while await _one(conn, tenant_id, batch):
        pass


async def _one(conn: "asyncpg.Connection[asyncpg.Record]", tenant_id: int, batch: int) -> int:
    async with with_lock_timeout(conn, plans_once=True).transaction():
        lane = await hold(conn, tenant_id, None, _LIMITS)
        assert lane is not None
        rows = await _POOL.claim_ready.fetch(
            conn,
            tenant_id=tenant_id,
            **_FIRST,
            after_queued_at=lane.now.replace(year=1990),
            until=lane.now,
            limit=batch,
        )
        if not rows:
            return 0
        count = len(rows)
        reps = [1 + i % 200 for i in range(count)]
        customers = [row["customer_id"] for row in rows]
        new = sorted({c for c in customers if c is not None and c > 1_000_000_000})
        await _LANE.put_assignments.execute(
            conn,
            tenant_id=tenant_id,
            assigned_at=lane.now,
            batch_no=lane.batch_no + 1,
            ruleset=lane.ruleset,
            previous=None,
            lead_ids=[row["lead_id"] for row in rows],
            rep_nos=reps,
            customers=customers,
            seqs=list(range(count)),
            rules=[1] * count,
            groups=[1] * count,
            owned=new,
            owners=[1] * len(new),
        )
        loads = [(rep, 1, 1) for rep in sorted(set(reps))]
        closing = Closing(lane.now.date(), loads, {}, None, token=1, next_visit_at=None, next_wake_key=1)
        await close(conn, lane, Book(tenant_id, lane.batch_no + 1, lane.now, lane.ruleset), closing)
    return count
