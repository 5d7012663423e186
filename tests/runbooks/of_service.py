"""Incidents of the outage while the service runs and leads stream in: what waits is routed without another hand."""

from contextlib import suppress
from functools import partial

import asyncpg

from ops.roster_sync.sync import _LOCK_CLASS
from tests.failure_modes.scene import running, web
from tests.runbooks.of_reps import GROUP_WEB
from tests.runbooks.of_servers import OTHER_WAYS_TO_END_A_LOCK
from tests.runbooks.world import AsyncIterator, Incident, World, asynccontextmanager
from tests.support import connected
from tests.world import CATCH_ALL, make_tenant, reps_csv

ROUTED_WITHIN_S = 120.0
"""Not how fast it is, but when to give up: the machine may be busy."""


@asynccontextmanager
async def availability_as_text(world: World) -> AsyncIterator[Incident]:
    """F1: the CRM's view gives the availability a word that nothing else knows."""
    tenant = await make_tenant(world.conn, reps_csv(["r1,Rep 1,yes,UTC,all,100000,100000"]), CATCH_ALL)
    await world.conn.execute("create table crm_people as select 'r1' as rep_id, 'yes' as available, 'all' as groups")
    world.has("sync.yaml", "tenants: {acme: {view: crm_people, every: 1s, unknown_holds_for: 1s}}")
    async with running(tenant, world.url, web, roster_sync_file=world.folder / "sync.yaml") as service:
        await service.all_routed()
        await world.conn.execute("update crm_people set available = 'oncall'")
        await service.waits("nobody_available")
        # What is set by hand holds until a sync reads that word again, which is seconds here and minutes elsewhere: the
        # next sync is not due before the leads are routed and, as the page has it, the view is corrected.
        await world.conn.execute("select pg_advisory_lock($1, $2)", _LOCK_CLASS, tenant.tenant_id)

        async def routed_and_corrected() -> None:
            await service.all_routed(ROUTED_WITHIN_S)
            await world.conn.execute("update crm_people set available = 'yes'")
            assert await world.conn.fetchval("select pg_advisory_unlock($1, $2)", _LOCK_CLASS, tenant.tenant_id)

        yield Incident(world.name, world.url, world.conn, by_itself=routed_and_corrected)
        await service.audited()


@asynccontextmanager
async def new_reps_without_group(world: World) -> AsyncIterator[Incident]:
    """F2: five new reps came without a group, and the rules give the leads to theirs."""
    rows = ["r1,One,yes,UTC,rest,1,1", *(f"n{n},New {n},yes,UTC,,100000,100000" for n in range(5))]
    tenant = await make_tenant(world.conn, reps_csv(rows), GROUP_WEB)
    async with running(tenant, world.url, lambda number: web(number, region="web")) as service:
        await service.waits("group_empty")
        yield Incident(world.name, world.url, world.conn, by_itself=partial(service.all_routed, ROUTED_WITHIN_S))
        await service.audited()


@asynccontextmanager
async def locked_table(world: World) -> AsyncIterator[Incident]:
    """F4: a cleanup job has the pool locked."""
    tenant = await make_tenant(world.conn, reps_csv(["r1,Rep 1,yes,UTC,all,100000,100000"]), CATCH_ALL)
    async with running(tenant, world.url, web) as service, connected(world.url) as holder:
        await service.all_routed()
        await holder.execute("set application_name = 'nightly cleanup'")
        await holder.execute("begin; lock table lead_pool in access exclusive mode")
        routed = partial(service.all_routed, ROUTED_WITHIN_S)
        yield Incident(world.name, world.url, world.conn, by_itself=routed, left_out=OTHER_WAYS_TO_END_A_LOCK)
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await holder.execute("rollback")
        await service.audited()
