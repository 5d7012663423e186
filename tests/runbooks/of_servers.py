"""Incidents of processes and the database: nobody works, a lock, no connections, indexes, dead rows, a wrong clock."""

from contextlib import AsyncExitStack, suppress
from datetime import timedelta

import asyncpg

from loadtest.faults.clock import install_clock, set_clock_ahead
from loadtest.faults.server import FaultServer, reachable_folder
from router.outbox.cursor import START
from router.outbox.signing import new_secret
from router.store import webhooks
from router.store.connections.connections import open_connections
from router.store.migrate import migrate
from tests.failure_modes.scene import role_with_connections
from tests.runbooks.world import AsyncIterator, Incident, World, asynccontextmanager
from tests.support import connected, until
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

OTHER_WAYS_TO_END_A_LOCK = {
    "lead-router status": "it needs the locked table, and says so with exit code 2",
    "lead-router blockers --cancel": "the job runs no statement that could be cancelled",
    "select pg_": "by an administrator, where our role may not",
}


@asynccontextmanager
async def no_router(world: World) -> AsyncIterator[Incident]:
    """Leads are ready, and no router works."""
    tenant = await make_tenant(world.conn, simple_reps(1))
    await tenant.accept([lead(1), lead(2)])
    await world.conn.execute("update lead_pool set queued_at = queued_at - interval '5 min'")
    yield Incident(world.name, world.url, world.conn)


@asynccontextmanager
async def no_connections(world: World) -> AsyncIterator[Incident]:
    """F5: another application has all connections of a server; who is on call has one of the reserved ones."""
    with reachable_folder("lead-router-own-") as folder:
        server = FaultServer(folder, {"max_connections": "20"})
        await server.start()
        try:
            await migrate(server.url())
            async with connected(server.url()) as conn, AsyncExitStack() as others:
                tenant = await make_tenant(conn, simple_reps(1))
                await tenant.accept([lead(1), lead(2)])
                await conn.execute("update lead_pool set queued_at = queued_at - interval '5 min'")
                await _taken(conn, server.url(), others)

                async def by_itself() -> None:
                    async with open_connections(server.url()) as ours:
                        await settle(a_drain(ours), tenant.tenant_id)

                yield Incident(world.name, server.url(), conn, by_itself=by_itself)
        finally:
            await server.crash()


async def _taken(conn: asyncpg.Connection, url: str, others: AsyncExitStack) -> None:
    """By idle sessions, of which the doctor names the application."""
    _, its_url = await others.enter_async_context(role_with_connections(conn, url, -1))
    with suppress(asyncpg.TooManyConnectionsError):
        while True:
            await others.enter_async_context(connected(f"{its_url}&application_name=reporting"))

    async def idle() -> bool:
        rows = "select bool_and(state_change < now() - interval '1.1 s') from pg_stat_activity"
        return bool(await conn.fetchval(f"{rows} where application_name = 'reporting'"))

    await until(idle, "the sessions have been idle for long enough to be named")


@asynccontextmanager
async def dropped_index(world: World) -> AsyncIterator[Incident]:
    """Somebody dropped an index."""
    tenant = await make_tenant(world.conn, simple_reps(1))
    await world.conn.execute("drop index lead_pool_recheck")
    yield world.incident(tenant)


@asynccontextmanager
async def dead_rows(world: World) -> AsyncIterator[Incident]:
    """Autovacuum is off for a table that is written all the time."""
    tenant = await make_tenant(world.conn, simple_reps(1))
    await world.conn.execute("update tenant set created_at = created_at - interval '2 hours'")
    async with connected(world.url) as other:
        await other.execute("alter table lane_inbox set (autovacuum_enabled = false)")
        await other.execute("insert into lane_inbox (tenant_id, lead_id) select 1, g from generate_series(1, 100100) g")
        await other.execute("delete from lane_inbox")
        await other.execute("select pg_stat_force_next_flush()")
        await other.execute("select 1")
    yield world.incident(tenant)


@asynccontextmanager
async def webhook_gone(world: World) -> AsyncIterator[Incident]:
    """The receiver once answered 410; it is there again."""
    tenant = await make_tenant(world.conn, simple_reps(1))
    number = await webhooks.add(
        world.conn,
        tenant.tenant_id,
        "https://crm.example.com/hook",
        None,
        new_secret(b"x" * 32),
        START,
        allow_private=False,
        note="",
        actor="ann",
    )
    await webhooks.switch(world.conn, tenant.tenant_id, number, "ann", "gone", enabled=False)
    await world.conn.execute("update webhook set disabled_why = $1", webhooks.GONE)
    elsewhere = "it sends an event to the receiver, an address of an example"
    yield world.incident(tenant, left_out={"lead-router webhooks test": elsewhere})


@asynccontextmanager
async def clock_was_ahead(world: World) -> AsyncIterator[Incident]:
    """The database's clock was two hours ahead while leads came in, and is right again."""
    await install_clock(world.conn)
    tenant = await make_tenant(world.conn, simple_reps(1))
    await set_clock_ahead(world.conn, timedelta(hours=2))
    await tenant.accept([lead(1), lead(2)])
    await set_clock_ahead(world.conn, timedelta(0))
    yield world.incident(tenant)


@asynccontextmanager
async def never_cleaned(world: World) -> AsyncIterator[Incident]:
    """Nobody has switched cleanup on."""
    tenant = await make_tenant(world.conn, simple_reps(1))
    await world.conn.execute("update tenant set created_at = created_at - interval '9 days'")
    yield world.incident(tenant)
