"""A locked table costs time and says so; it never silences the router and never loses a lead."""

import asyncio

import asyncpg
import pytest

from router.store.connections import Connections
from router.until_idle import PASSING
from tests.support import connected
from tests.world import a_drain, lead, make_tenant, settle, simple_reps


@pytest.mark.parametrize("table", ["lane", "lead_pool", "rep_load", "assignment"])
async def test_a_locked_table_is_an_error_in_seconds_and_every_lead_is_there_afterwards(
    conn: asyncpg.Connection, connections: Connections, database_url: str, table: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept(lead(i) for i in range(30))
    drain = a_drain(connections)
    async with connected(database_url) as other:
        holding = other.transaction()
        await holding.start()
        await other.execute(f"lock table {table} in access exclusive mode")
        async with asyncio.timeout(30):
            with pytest.raises(PASSING):
                await drain.tenants_with_work()
                await drain.drain_tenant(tenant.tenant_id)
        await holding.rollback()
    done = await settle(drain, tenant.tenant_id)
    assert done.assigned == 30
    assert sum((await tenant.states()).values()) == 30
