"""A long batch is claimed in two parts and decided on the way: one batch all the same, whoever looks at it."""

from datetime import timedelta

import asyncpg
import pytest

from ops.audit.audit import audit
from router.drain.lane_transaction import run_lane_transaction
from router.drain.session import TenantSession
from router.store.connections.connections import Connections, Part
from router.telemetry.instruments import Phase
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

RULES = """
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner}
  - {name: rest, match: {}, assign_to: group:all}
"""


@pytest.mark.parametrize("leads", [9, 10, 14, 20, 21])
async def test_a_batch_in_two_parts_is_one_batch_and_its_record_gives_the_same_again(
    conn: asyncpg.Connection, connections: Connections, leads: int
) -> None:
    tenant = await make_tenant(conn, simple_reps(7), RULES)
    # Every third is of the same customer, who gets an owner in the first part.
    of_one = {"declared_customer": "c", "company": "Blumen AG"}
    await tenant.accept(lead(i, name=f"n{i}", **(of_one if i % 3 == 0 else {})) for i in range(leads))
    drain = a_drain(connections, ready=20)
    done = await drain.drain_tenant(tenant.tenant_id, batch_limit=1)
    assert done.assigned == min(leads, 20)
    [(batch_no, recorded)] = await conn.fetch("select batch_no, leads from flight")
    assert (batch_no, recorded) == (1, min(leads, 20))
    places = [row[0] for row in await conn.fetch("select seq from assignment order by lead_id")]
    assert places == list(range(min(leads, 20)))
    await settle(drain, tenant.tenant_id)
    assert len({row[0] for row in await conn.fetch("select rep_no from assignment where customer_id is not null")}) == 1
    assert (await audit(conn)).ok


async def test_no_lead_is_given_before_it_came_although_its_batch_had_begun(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    now = await conn.fetchval("select clock_timestamp()")
    await tenant.accept([lead(i) for i in range(10)], now)
    await tenant.accept([lead(i) for i in range(10, 15)], now + timedelta(seconds=0.9))
    done = await a_drain(connections, ready=20).drain_tenant(tenant.tenant_id)
    assert done.assigned == 15
    early = "select count(*) from assignment a join lead l using (tenant_id, lead_id) where assigned_at < received_at"
    assert await conn.fetchval(early) == 0
    assert (await audit(conn)).ok


async def test_no_part_of_a_batch_s_time_is_missing_from_the_metrics(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept([lead(i) for i in range(10)])
    async with connections.acquire(Part.DRAIN) as lent:
        result = await run_lane_transaction(lent, TenantSession(tenant.tenant_id), token=1)
    assert result.assigned == 10
    assert result.phases_s.keys() == set(Phase)
