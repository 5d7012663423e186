"""Draining one tenant, against a real database."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from router.drain.until_idle import drain_until_idle
from router.store.connections.connections import Connections, Part
from router.store.engines import Engines
from router.store.rulesets import load_ruleset
from tests.world import a_drain, lead, make_tenant, settle, simple_reps


async def test_every_lead_gets_a_rep_and_shares_are_even(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(7))
    await tenant.accept(lead(i) for i in range(700))
    done = await settle(a_drain(connections, ready=100), tenant.tenant_id)
    assert done.assigned == 700
    assert await tenant.states() == {"waiting": 0, "assigned": 700, "parked": 0, "merged": 0, "closed": 0}
    assert set((await tenant.counts()).values()) == {100}


async def test_a_lead_that_is_due_and_locked_is_not_called_idle(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    rules = """
rules:
  - {name: fresh, match: {created: {within: 1h}}, assign_to: group:nobody, on_no_candidate: wait}
  - {name: rest, match: {}, assign_to: group:all}
"""
    tenant = await make_tenant(conn, simple_reps(1), rules)
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    await tenant.accept([lead(1, created_at=noon)], noon)
    drain = a_drain(connections)
    await settle(drain, tenant.tenant_id, noon)
    later = noon + timedelta(hours=2)
    async with connections.acquire(Part.DUTIES) as other, other.transaction():
        await other.execute("select from lead_pool for update")
        (left,) = await drain_until_idle(drain, [tenant.tenant_id], now=later, patience_s=0.1)
        assert left.drained.stuck
        assert not left.clean
    (left,) = await drain_until_idle(drain, [tenant.tenant_id], now=later)
    assert (left.clean, left.drained.assigned) == (True, 1)


async def test_rules_are_not_read_again_for_every_batch_however_many_tenants_there_are(
    conn: asyncpg.Connection, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain = a_drain(connections)
    drain.engines = Engines(limit=2)
    tenants = [await make_tenant(conn, simple_reps(1), name=f"t{i}") for i in range(5)]
    for tenant in tenants:
        await drain.drain_tenant(tenant.tenant_id)
    read = []

    async def counted(conn: asyncpg.Connection, tenant_id: int, version: int) -> object:
        read.append(tenant_id)
        return await load_ruleset(conn, tenant_id, version)

    monkeypatch.setattr("router.store.engines.load_ruleset", counted)
    for tenant in tenants:
        await tenant.accept([lead(1)])
        assert (await drain.drain_tenant(tenant.tenant_id)).assigned == 1
    assert not read
