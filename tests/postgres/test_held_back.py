"""Somebody's old snapshot keeps vacuum back: the drain notices it, and no lead is passed over for long by its cure."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import asyncpg

from router.domain.lead_in import LeadIn
from router.drain.drain import Drain
from router.drain.held_back_service import HeldBackService
from router.drain.hints import Wakeups
from router.drain.scheduler import DrainService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.store.connections.connections import Connections
from router.store.lane import LaneLimits, hold
from router.store.statements import load
from tests.support import connected, until
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

SQL = load("pool")
TAKEN = 20_000


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[None]:
    """As a report keeps it."""
    async with connected(url) as other, other.transaction(isolation="repeatable_read"):
        await other.fetchval("select count(*) from tenant")
        yield


@asynccontextmanager
async def draining(drain: Drain, wakeups: Wakeups) -> AsyncIterator[None]:
    """A router at work in this process."""
    stop = asyncio.Event()
    service = DrainService(drain, wakeups, jitter=random.Random(1).random, poll_interval_s=0.05)
    task = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _: None)))
    try:
        yield
    finally:
        stop.set()
        wakeups.poke()
        await task


async def test_a_snapshot_that_is_held_is_noticed_and_so_is_its_end(
    database_url: str, conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    drain = a_drain(connections)
    watch = HeldBackService(drain)
    life = Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None)
    await watch.once(life)
    assert not drain.held_back
    async with snapshot(database_url):
        for _ in range(700):
            await conn.execute("update lane set state_token = state_token + 1")

        async def noticed() -> bool:
            await watch.once(life)
            return drain.held_back

        await conn.execute("select pg_stat_force_next_flush()")
        await until(noticed, "that vacuum is held back")
    await conn.execute("vacuum lane")
    await conn.execute("select pg_stat_force_next_flush()")
    await until(lambda: _over(watch, life, drain), "that it is over")
    await tenant.accept([lead(1)])
    await settle(drain, tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 1


async def _over(watch: HeldBackService, life: Lifeline, drain: Drain) -> bool:
    await watch.once(life)
    return not drain.held_back


async def test_no_lead_is_passed_over_for_long_whatever_came_between(
    database_url: str, conn: asyncpg.Connection, connections: Connections
) -> None:
    """Locked at the last look, of a rank that never came before, or stamped long before it was committed."""
    tenant = await make_tenant(conn, simple_reps(3))
    drain, wakeups = a_drain(connections), Wakeups()
    drain.held_back = True

    async def assigned(leads: int) -> bool:
        return (await tenant.states())["assigned"] == leads

    async with snapshot(database_url), connected(database_url) as script, draining(drain, wakeups):
        await tenant.accept([lead(number) for number in range(5)])
        wakeups.hint(tenant.tenant_id)
        await until(lambda: assigned(5), "the first ones have reps")
        async with script.transaction():
            await tenant.accept([lead(10)])
            await script.execute("select from lead_pool for update")
            wakeups.hint(tenant.tenant_id)
            await tenant.accept([LeadIn("web", "urgent", priority=5)])
            await tenant.accept([lead(11)])
            await conn.execute("update lead_pool set queued_at = queued_at - interval '1 hour' where xmax = 0")
        await until(lambda: assigned(8), "all have reps")


async def test_claims_do_not_read_what_was_taken_since_the_snapshot(
    database_url: str, conn: asyncpg.Connection
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    arrive = """insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at)
                select $1, n, 0, clock_timestamp(), now() from generate_series($2::int, $3::int) n"""
    async with snapshot(database_url):
        await conn.execute(arrive, tenant.tenant_id, 1, TAKEN)
        await conn.execute("delete from lead_pool")
        since = await conn.fetchval("select clock_timestamp()")
        await conn.execute(arrive, tenant.tenant_id, TAKEN + 1, TAKEN + 3)
        own = {"tenant_id": str(tenant.tenant_id), "limit": "100"}
        recent = await _blocks(conn, "claim_recent", own | {"ranks": "'{0}'", "since": f"'{since.isoformat()}'"})
        after = {"after_rank": "-2147483648", "after_queued_at": "'0001-01-01Z'", "after_lead_id": "0"}
        top = await _blocks(conn, "claim_ready", own | after | {"until": "'infinity'"})
    assert recent < 100 < top / 2


async def _blocks(conn: asyncpg.Connection, name: str, arguments: Mapping[str, str]) -> int:
    """Pages that a claim reads with these SQL literals; it is taken back."""
    statement = getattr(SQL, name)
    await conn.execute(f"prepare {name} as {statement.sql}")
    values = ", ".join(arguments[parameter] for parameter in statement.parameters)
    transaction = conn.transaction()
    await transaction.start()
    try:
        assert await hold(conn, int(arguments["tenant_id"]), None, LaneLimits())
        text = await conn.fetchval(f"explain (analyze, buffers, format json) execute {name}({values})")
    finally:
        await transaction.rollback()
    [answer] = json.loads(text)
    assert answer["Plan"]["Actual Rows"] == 3
    return int(answer["Plan"]["Shared Hit Blocks"] + answer["Plan"]["Shared Read Blocks"])
