"""Leads that are ready but locked by somebody else say so, with whom: a manager must not read "the next batch"."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from ops.cli.status import status as status_command
from ops.status.status import status
from router.store.connections.connections import APPLICATION_NAME, Connections
from tests.command_line import CommandLine
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    made = await make_tenant(conn, simple_reps(3))
    await made.accept(lead(i) for i in range(30))
    return made


@asynccontextmanager
async def locking(url: str, statement: str, name: str = "nightly-cleanup") -> AsyncIterator[asyncpg.Connection]:
    other = await asyncpg.connect(url, server_settings={"application_name": name})
    try:
        await other.execute("begin")
        await other.execute(statement)
        yield other
    finally:
        await other.close()


async def told(url: str) -> dict[str, Any]:
    document: dict[str, Any] = await CommandLine(status_command, url).json()
    return document


@pytest.mark.parametrize(
    ("statement", "holds", "busy"),
    [
        ("select 1 from lead_pool order by lead_id limit 12 for update", "rows", 12),
        ("select 1 from lead_pool order by lead_id limit 12 for key share", "rows", 12),
        ("delete from lead_pool", "rows", 30),
        ("select 1 from lane for update", "lane", 30),
        ("lock table assignment in share mode", "table", 30),
        ("lock table lead_pool in exclusive mode", "table", 30),
    ],
)
async def test_ready_leads_that_somebody_has_locked_are_database_busy(
    tenant: Tenancy, database_url: str, statement: str, holds: str, busy: int
) -> None:
    async with locking(database_url, statement) as other:
        found = await told(database_url)
        shown = (await CommandLine(status_command, database_url).run("--tenant", "acme")).stdout
    reasons = {"database_busy": busy} | ({"ready": 30 - busy} if busy < 30 else {})
    assert found["waiting_by_reason"] == reasons
    (blocked,) = found["tenants"][0]["blocked_by"]
    assert (blocked["pid"], blocked["application"]) == (other.get_server_pid(), "nightly-cleanup")
    assert (blocked["holds"], blocked["leads"]) == (holds, busy)
    assert blocked["since"] is not None
    assert f"nightly-cleanup (process {other.get_server_pid()}, " in shown
    assert (await told(database_url))["waiting_by_reason"] == {"ready": 30}


async def test_rows_that_two_share_are_busy_too(tenant: Tenancy, database_url: str) -> None:
    some = "select 1 from lead_pool order by lead_id limit 5 for share"
    async with locking(database_url, some, "one"), locking(database_url, some, "two"):
        assert (await told(database_url))["waiting_by_reason"] == {"ready": 25, "database_busy": 5}


async def test_leads_that_nobody_could_take_keep_their_own_reason(
    tenant: Tenancy, connections: Connections, database_url: str
) -> None:
    await tenant.roster(simple_reps(3, max_open=1))
    await settle(a_drain(connections), tenant.tenant_id)
    async with locking(database_url, "select 1 from lead_pool for update"):
        assert (await told(database_url))["waiting_by_reason"] == {"all_at_open_cap": 27}
    await tenant.roster(simple_reps(3, max_open=5))
    async with locking(database_url, "select 1 from lead_pool order by lead_id limit 20 for update"):
        # 12 could be taken, and 7 rows are free for them.
        counts = (await told(database_url))["waiting_by_reason"]
    assert counts == {"all_at_open_cap": 15, "ready": 7, "database_busy": 5}


async def test_our_own_router_at_work_is_nobodys_trouble(tenant: Tenancy, database_url: str) -> None:
    async with locking(database_url, "select 1 from lane, lead_pool for update", APPLICATION_NAME):
        assert (await told(database_url))["waiting_by_reason"] == {"ready": 30}


async def test_one_tenants_locks_are_not_told_of_another(tenant: Tenancy, database_url: str) -> None:
    other = await make_tenant(tenant.conn, simple_reps(1), name="globex")
    await other.accept(lead(i) for i in range(4))
    async with locking(database_url, f"select 1 from lane where tenant_id = {tenant.tenant_id} for update"):
        found = {one["tenant"]: one["waiting_by_reason"] for one in (await told(database_url))["tenants"]}
    assert found == {"acme": {"database_busy": 30}, "globex": {"ready": 4}}


async def test_status_beside_routers_at_work_does_not_fail(tenant: Tenancy, connections: Connections) -> None:
    drain = a_drain(connections, ready=1)
    async with asyncio.TaskGroup() as group:
        work = group.create_task(settle(drain, tenant.tenant_id))
        while not work.done():
            assert "database_busy" not in (await status(tenant.conn)).waiting
