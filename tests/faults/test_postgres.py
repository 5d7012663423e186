"""PostgreSQL itself fails: it crashes, throws sessions out, takes no writes, is full, or comes back older."""

import asyncio
import copy
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from loadtest.faults import foreign
from loadtest.faults.arena import Arena, arena
from loadtest.faults.people import SQL
from loadtest.faults.server import FaultServer
from loadtest.faults.small_disk import small_disk
from loadtest.faults.world import ROSTER
from loadtest.until import until
from router.intake.roster_file import read_roster
from router.store.roster import import_reps
from tests.faults.support import full


@asynccontextmanager
async def unharmed(server: FaultServer, database: str, maximum: int = 8) -> AsyncIterator[Arena]:
    """Life goes on around the block, leads are routed after it, and nothing is lost."""
    async with arena(server, database, connections_maximum=maximum) as scene:
        async with scene.life() as monitor:
            await scene.progressed(50)
            yield scene
            await scene.recovered()
            await scene.progressed(50)

            async def looked() -> bool:
                return monitor.looks > 0

            await until(looked, "somebody looked at the promises meanwhile")
        await scene.settled()
        assert await scene.broken_promises() == []
        assert all(daemon.alive for daemon in scene.routers)
        assert scene.surprises() == []


@pytest.mark.parametrize("times", [2, full(10)])
async def test_a_server_that_crashes_again_and_again_loses_no_lead(
    server: FaultServer, database: str, times: int
) -> None:
    rng = random.Random(3)
    async with unharmed(server, database) as scene:
        for _ in range(times):
            await server.crash()
            await asyncio.sleep(rng.random())
            await server.start()
            await scene.recovered()


@pytest.mark.parametrize("seconds", [4, full(30)])
async def test_sessions_that_somebody_ends_at_random_cost_no_lead(
    server: FaultServer, database: str, seconds: int
) -> None:
    async with unharmed(server, database) as scene:
        assert await foreign.terminate_at_random(scene.url, random.Random(4), seconds) > seconds


@pytest.mark.parametrize("seconds", [3, full(20)])
async def test_a_server_that_takes_no_writes_for_a_while_costs_no_lead(
    server: FaultServer, database: str, seconds: int
) -> None:
    async with unharmed(server, database) as scene, foreign.read_only(scene.url):
        await asyncio.sleep(seconds)


@pytest.mark.parametrize("seconds", [3, full(20)])
async def test_connections_used_up_by_others_cost_no_lead(server: FaultServer, database: str, seconds: int) -> None:
    async with unharmed(server, database) as scene, foreign.connections_used_up(scene.url) as taken:
        assert taken > 50
        await asyncio.sleep(seconds)


async def test_a_restart_with_thirty_connections_is_slower_and_loses_no_lead(
    server: FaultServer, database: str
) -> None:
    async with unharmed(server, database, maximum=50):
        await server.stop()
        await server.start(max_connections=30)


@pytest.mark.parametrize("seconds", [3, full(20)])
async def test_a_full_disk_costs_no_lead(server: FaultServer, database: str, seconds: int) -> None:
    with small_disk(server.folder) as disk:
        folder = server.folder_of_ours(disk.path / "space")
        async with foreign.foreigner(server.url("postgres")) as admin:
            await admin.execute(f"create tablespace small location '{folder}'")
            await admin.execute(f'alter database "{database}" set tablespace small')
        try:
            async with unharmed(server, database) as scene:
                disk.fill()
                async with scene.session() as conn:
                    with pytest.raises(asyncpg.DiskFullError):
                        await conn.execute("create table ballast as select generate_series(1, 1000000)")
                await asyncio.sleep(seconds)
                disk.free()
            assert scene.errors.intake["DiskFullError"] > 0
        finally:
            async with foreign.foreigner(server.url("postgres")) as admin:
                await admin.execute(f'drop database "{database}" with (force)')
                await admin.execute("drop tablespace small")


NEWCOMER = "r6,Six,yes,UTC,north,{},1000000\n"


async def test_a_failover_that_loses_the_last_commits_breaks_no_promise_about_the_others(
    server: FaultServer, database: str
) -> None:
    async with arena(server, database) as scene:
        async with scene.life() as monitor:
            await scene.progressed(50)
            await server.stop()
            await server.save_base()
            told = copy.deepcopy(scene.ledger.acknowledged)
            await server.start()
            # A version of the roster that is lost with the rest, and whose number is given again.
            await roster(scene, NEWCOMER.format(40))
            await scene.recovered()
            await scene.progressed(100)
            await server.crash()
            await server.restore_base()
            scene.ledger.acknowledged, monitor.accepted = told, 0
            await server.start()
            await roster(scene, NEWCOMER.format(3))
            await scene.recovered()
            await scene.progressed(100)
        await scene.settled()
        assert await scene.broken_promises() == []
        async with scene.session() as conn:
            assert await SQL.over_cap.fetch(conn) == []


async def roster(scene: Arena, more: str) -> None:
    lines = read_roster((ROSTER + more).encode(), "reps.csv")
    async with scene.session() as conn:
        for tenant_id in scene.tenants:
            await import_reps(conn, tenant_id, lines, "faults")
