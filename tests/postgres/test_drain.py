"""Draining one tenant, against a real database."""

import asyncpg

from router.store.connections import Connections
from tests.world import a_drain, lead, make_tenant, settle, simple_reps


async def test_every_lead_gets_a_rep_and_shares_are_even(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, simple_reps(7))
    await tenant.accept(lead(i) for i in range(700))
    done = await settle(a_drain(connections, ready=100), tenant.tenant_id)
    assert done.assigned == 700
    assert await tenant.states() == {"waiting": 0, "assigned": 700, "parked": 0, "merged": 0, "closed": 0}
    assert set((await tenant.counts()).values()) == {100}
