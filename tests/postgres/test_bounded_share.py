"""What comes back in bulk by itself, with new rules or by the clock, never fills the batches of new leads."""

from datetime import UTC, datetime, timedelta

import asyncpg

from router.store.connections.connections import Connections
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle, simple_reps

MIDNIGHT = datetime(2026, 3, 3, tzinfo=UTC)
EVENING = MIDNIGHT - timedelta(hours=2)
READY = 100
SHARE = 25
TODAY = """
rules:
  - {name: fresh, match: {created: today}, assign_to: "group:nobody", on_no_candidate: wait}
  - {name: rest, match: {}, assign_to: "group:all"}
"""


async def new_ones_first(tenant: Tenancy, connections: Connections, now: datetime) -> None:
    """With as many new leads as a batch takes, one batch takes all of them, and a share of what came back."""
    await tenant.accept((lead(10_000 + i, region="north") for i in range(READY)), now)
    await a_drain(connections, ready=READY).drain_tenant(tenant.tenant_id, now=now, batch_limit=1)
    assert await tenant.conn.fetchval("select count(*) from lead_pool where region = 'north' and wake_key = 0") == 0
    # Waiting leads for which there is room have a share, those whose time has come another.
    assert READY + SHARE <= await tenant.conn.fetchval("select leads from flight order by batch_no desc") <= READY + 50


async def test_new_rules_for_many_waiting_leads_leave_new_leads_their_place(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), TODAY.replace("match: {}", "match: {region: [north]}"))
    await tenant.accept((lead(i, region="west") for i in range(500)), EVENING)
    await settle(a_drain(connections), tenant.tenant_id, EVENING)
    await tenant.rules(TODAY)
    await new_ones_first(tenant, connections, EVENING + timedelta(minutes=1))


async def test_rechecks_at_midnight_leave_new_leads_their_place(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, reps_csv(["r1,Rep,yes,UTC,all,1000,1000"]), TODAY)
    await tenant.accept((lead(i, region="west", created_at=EVENING) for i in range(500)), EVENING)
    await settle(a_drain(connections), tenant.tenant_id, EVENING)
    assert (await tenant.states())["waiting"] == 500
    await new_ones_first(tenant, connections, MIDNIGHT)
    await settle(a_drain(connections), tenant.tenant_id, MIDNIGHT)
    assert (await tenant.states())["assigned"] >= 500
