"""A plain router: fetch one lead, pick the rep with the fewest, write, commit; some sessions side by side.

It writes what lead-router's batch writes of a lead, without its checks; so it stands for the loop that people write
first.
"""

import asyncio
from collections.abc import Sequence

import asyncpg

from loadtest.peers.handler import SQL
from loadtest.peers.work import Setting, Work


async def worker(url: str, setting: Setting, tenants: Sequence[int]) -> Work:
    """Works until no lead is left that others have not locked; each session begins at another tenant."""
    sessions = setting["sessions"]
    conns = [await asyncpg.connect(url) for _ in range(sessions)]

    async def work() -> None:
        await asyncio.gather(*(_empty(conn, _from(tenants, number)) for number, conn in enumerate(conns)))

    return work


def _from(tenants: Sequence[int], number: int) -> list[int]:
    first = number % len(tenants)
    return [*tenants[first:], *tenants[:first]]


async def _empty(conn: "asyncpg.Connection[asyncpg.Record]", tenants: Sequence[int]) -> None:
    for tenant_id in tenants:
        while await _one(conn, tenant_id):
            pass


async def _one(conn: "asyncpg.Connection[asyncpg.Record]", tenant_id: int) -> bool:
    async with conn.transaction():
        lead_id = await SQL.next_lead.value(conn, tenant_id=tenant_id)
        if lead_id is None:
            return False
        rep_no = await SQL.owner_of.value(conn, tenant_id=tenant_id, lead_id=lead_id)
        if rep_no is None:
            rep_no = await SQL.least_loaded.value(conn, tenant_id=tenant_id)
        await SQL.assign.execute(conn, tenant_id=tenant_id, lead_id=lead_id, rep_no=rep_no)
        await SQL.take.execute(conn, tenant_id=tenant_id, lead_id=lead_id)
        await SQL.count_load.execute(conn, tenant_id=tenant_id, rep_no=rep_no)
    return True
