"""A migration tool alters tables while routers work: that costs nobody a batch, and blames nobody."""

import asyncpg
import pytest

from router.store.connections.connections import Connections, Part
from router.store.leads import accept
from router.telemetry.exposition import open_exposition
from tests.world import a_drain, lead, make_tenant, settle, simple_reps


@pytest.mark.parametrize("table", ["lane", "tenant", "lead_pool", "lead", "rep_load"])
async def test_an_altered_table_fails_no_batch_and_is_no_crash(
    conn: asyncpg.Connection, connections: Connections, table: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    drain = a_drain(connections, ready=5)
    with open_exposition("a", "1") as exposition:
        drain.instruments = exposition.instruments
        for number in range(3):
            await tenant.accept([lead(10 * number + n) for n in range(10)])
            await settle(drain, tenant.tenant_id)
            await conn.execute(f"alter table {table} add column altered_{number} int")
        await tenant.accept([lead(99)])
        await settle(drain, tenant.tenant_id)
        text = exposition.text().decode()
    assert (await tenant.states())["assigned"] == 31
    failed = [line for line in text.splitlines() if line.startswith("lead_router_batches_total") and "failed" in line]
    assert [line for line in failed if not line.endswith(" 0.0")] == []
    assert await conn.fetchval("select crashes from lane where tenant_id = $1", tenant.tenant_id) == 0


async def test_intake_goes_on_over_an_altered_table(connections: Connections, conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    for number in range(3):
        async with connections.acquire(Part.INTAKE) as own:
            taken = await accept(own, tenant.tenant_id, [lead(number, phone=f"+86138001380{number:02}")])
        assert taken.new == 1
        await conn.execute(f"alter table customer_key add column altered_{number} int")
        await conn.execute(f"alter table lead add column altered_{number} int")
