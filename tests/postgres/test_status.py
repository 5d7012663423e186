"""Why leads wait and what `status` tells of them, against a real database."""

import asyncpg

from router.store.connections import Connections
from router.store.engines import Engines
from router.waiting import waiting_by_reason
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle


async def reasons(tenant: Tenancy) -> dict[str, int]:
    """Why the tenant's leads wait now."""
    return (await waiting_by_reason(tenant.conn, Engines(), tenant.tenant_id)).counts


async def test_the_reason_follows_the_roster_without_a_batch(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, reps_csv(["r1,Rep,yes,UTC,other,10,10"]))
    await tenant.accept(lead(i) for i in range(3))
    assert await reasons(tenant) == {"ready": 3}
    await settle(a_drain(connections), tenant.tenant_id)
    assert await reasons(tenant) == {"group_empty": 3}
    await tenant.roster(reps_csv(["r1,Rep,no,UTC,all,10,10"]))
    assert await reasons(tenant) == {"nobody_available": 3}
    await tenant.roster(reps_csv(["r1,Rep,yes,UTC,all,10,0"]))
    assert await reasons(tenant) == {"all_at_daily_cap": 3}
    await tenant.roster(reps_csv(["r1,Rep,yes,UTC,all,0,10"]))
    assert await reasons(tenant) == {"all_at_open_cap": 3}
    await tenant.roster(reps_csv(["r1,Rep,yes,UTC,all,2,10"]))
    assert await reasons(tenant) == {"ready": 2, "all_at_open_cap": 1}
