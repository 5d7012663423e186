"""PostgreSQL is away while 200 leads a second are posted: whatever was answered 202 is there afterwards, once."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from loadtest.daemon import Daemon, serving
from loadtest.faults.server import FaultServer
from ops.audit.audit import audit
from tests.faults.support import full
from tests.http.posting import Posting, port_of
from tests.http.support import make_token
from tests.support import connected, until
from tests.world import Tenancy, make_tenant, simple_reps


@asynccontextmanager
async def posting_to(daemon: Daemon, token: str, prefix: str) -> AsyncIterator[Posting]:
    """Clients that post during the block."""
    posting = Posting(await port_of(daemon), token, prefix)
    clients = asyncio.create_task(posting.run())
    try:
        yield posting
    finally:
        posting.stop()
        await clients


async def all_are_there(conn: asyncpg.Connection, tenant: Tenancy, answered: set[str]) -> None:
    """Every lead that was answered 202 is stored, in exactly one state, and nothing else is wrong."""

    async def stored() -> bool:
        found = {row[0] for row in await conn.fetch("select external_id from lead")}
        return answered <= found and (await tenant.states()).get("waiting", 0) == 0

    await until(stored, "all leads that were taken are stored and routed", 120)
    assert sum((await tenant.states()).values()) == await conn.fetchval("select count(*) from lead")
    assert (await audit(conn)).violations == []


@pytest.mark.parametrize("seconds", [3, full(30)])
async def test_leads_that_come_while_postgresql_is_away_are_taken_and_none_is_missing(
    server: FaultServer, database: str, tmp_path: Path, seconds: int
) -> None:
    async with connected(server.url(database)) as conn:
        tenant = await make_tenant(conn, simple_reps(3, max_open=100_000, max_per_day=100_000))
        token = await make_token(conn, tenant.tenant_id)
    settings = {"api_port": 0, "journal_file": tmp_path / "journal.db"}
    async with serving(server.url(database), "serve", **settings) as daemon:
        async with posting_to(daemon, token, "a") as posting:
            await posting.took(100)
            await server.crash()
            await posting.took(20, "journalled")
            await asyncio.sleep(seconds)
            await posting.took(20, "journalled")
            await server.start()
            await posting.took(200)
        async with connected(server.url(database)) as conn:
            await all_are_there(conn, Tenancy(conn, tenant.tenant_id), set(posting.answered))
        assert await daemon.stop() == 0


@pytest.mark.parametrize("seconds", [1, full(15)])
async def test_leads_in_the_journal_of_a_process_that_is_killed_are_there_after_its_restart(
    server: FaultServer, database: str, tmp_path: Path, seconds: int
) -> None:
    async with connected(server.url(database)) as conn:
        tenant = await make_tenant(conn, simple_reps(3, max_open=100_000, max_per_day=100_000))
        token = await make_token(conn, tenant.tenant_id)
    settings = {"api_port": 0, "journal_file": tmp_path / "journal.db"}
    async with (
        serving(server.url(database), "serve", **settings) as daemon,
        posting_to(daemon, token, "a") as posting,
    ):
        await posting.took(100)
        await server.crash()
        await posting.took(100, "journalled")
        await asyncio.sleep(seconds)
        await daemon.stop(signal.SIGKILL)
    answered = set(posting.answered)
    async with serving(server.url(database), "serve", **settings) as daemon:
        await server.start()
        async with posting_to(daemon, token, "b") as posting:
            await posting.took(100)
        answered |= set(posting.answered)
        async with connected(server.url(database)) as conn:
            await all_are_there(conn, Tenancy(conn, tenant.tenant_id), answered)
        assert await daemon.stop() == 0
