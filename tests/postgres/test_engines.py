"""Rosters and rules that are kept for whoever asks again: read once, and not believed once the database lost them."""

import asyncpg

from router.store.engines import Engines
from tests.world import make_tenant, simple_reps


async def test_what_was_read_is_kept_and_not_believed_once_its_number_means_something_else(
    conn: asyncpg.Connection,
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    kept, believing = Engines(verify=True), Engines()
    versions = (1, 1, 0)
    first = await kept.get(conn, tenant.tenant_id, versions)
    assert await believing.get(conn, tenant.tenant_id, versions) is not first
    assert await kept.get(conn, tenant.tenant_id, versions) is first
    # As after a failover to a server that is behind: the number is given again, to another roster.
    await conn.execute("update roster_version set at = at + interval '1 min' where tenant_id = $1", tenant.tenant_id)
    again = await kept.get(conn, tenant.tenant_id, versions)
    assert again is not first
    assert await kept.get(conn, tenant.tenant_id, versions) is again
    assert await believing.get(conn, tenant.tenant_id, versions) is not again
