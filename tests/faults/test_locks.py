"""Other people's locks, snapshots and deletions: nobody waits for a locked row, and what was taken away is named."""

import asyncio
import json

import pytest

from loadtest.faults import foreign
from loadtest.faults.arena import Arena, arena
from loadtest.faults.server import FaultServer
from loadtest.faults.world import SOUTH
from router.domain.lead_in import LeadIn
from router.store.leads import accept
from tests.e2e.commands import lead_router
from tests.faults.support import full
from tests.support import until


async def backlog(scene: Arena, count: int) -> None:
    """So many leads of each tenant at once."""
    async with scene.session() as conn:
        for tenant_id in scene.tenants:
            leads = [LeadIn("backlog", f"b{i}", region=SOUTH, product=f"b{i}") for i in range(count)]
            accepted = await accept(conn, tenant_id, leads)
            scene.ledger.note(tenant_id, leads, accepted.lead_ids)


@pytest.mark.parametrize("seconds", [3, full(20)])
async def test_rows_that_a_foreign_script_locks_are_passed_over_and_come_back(
    server: FaultServer, database: str, seconds: int
) -> None:
    async with arena(server, database, routers=0) as scene:
        await backlog(scene, 600)
        async with scene.life():
            async with foreign.half_locked(scene.url) as locked:
                assert locked > 500
                for _ in range(4):
                    await scene.add_router()
                # Half of all is free, and new leads come: nobody waits for the script.
                await scene.progressed(900)
                await asyncio.sleep(seconds)
                await scene.recovered()
            await scene.progressed(locked)
        await scene.settled()
        assert await scene.broken_promises() == []


@pytest.mark.parametrize("seconds", [2, full(20)])
@pytest.mark.parametrize("table", ["lead_pool", "assignment"])
async def test_a_table_that_is_locked_delays_leads_and_loses_none(
    server: FaultServer, database: str, table: str, seconds: int
) -> None:
    async with arena(server, database) as scene:
        async with scene.life():
            await scene.progressed(50)
            async with foreign.table_locked(scene.url, table):
                await asyncio.sleep(seconds)
            await scene.recovered()
        await scene.settled()
        assert await scene.broken_promises() == []
        assert all(daemon.alive for daemon in scene.routers)
        assert scene.surprises() == []


@pytest.mark.parametrize("assignments", [1_500, full(5_000)])
async def test_an_old_snapshot_held_through_the_whole_run_stops_nothing(
    server: FaultServer, database: str, assignments: int
) -> None:
    async with arena(server, database) as scene, foreign.old_snapshot(scene.url):
        async with scene.life(portion=40):
            await scene.progressed(assignments, deadline_s=240)
        await scene.settled()
        assert await scene.broken_promises() == []


async def test_pool_rows_deleted_behind_our_back_are_found_by_the_audit_to_the_last_one(
    server: FaultServer, database: str
) -> None:
    async with arena(server, database) as scene:
        async with scene.life():
            await scene.progressed(50)

            async def some_wait() -> bool:
                async with scene.session() as conn:
                    waiting = await conn.fetchval("select count(*) from lead_pool where wake_key <> 0")
                    return bool(waiting >= 10)

            await until(some_wait, "leads wait")
        await scene.settled()
        async with scene.session() as conn:
            gone = len(await conn.fetch("delete from lead_pool where wake_key <> 0 returning lead_id"))
        code, output, _ = await lead_router("audit", "--json", LEAD_ROUTER_DATABASE_URL=scene.url)
        found = {one["kind"]: one["count"] for one in json.loads(output)["violations"]}
        assert (code, found) == (1, {"lead_without_state": gone, "accepted_differs": gone})
