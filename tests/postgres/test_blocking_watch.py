"""The blocking watch frees lanes whose router does not answer, and touches sessions of others only when told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from ops.blocking.blocking_watch import BlockingWatchService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import LockSettings
from router.store.connections.connections import APPLICATION_NAME, Connections
from router.telemetry.exposition import open_exposition
from router.telemetry.instruments import Instruments
from tests.support import until
from tests.world import lead, make_tenant, simple_reps

QUICK = {"look_every_s": 0.1, "own_stuck_after_s": 1.0}


@asynccontextmanager
async def watching(
    connections: Connections, settings: LockSettings, instruments: Instruments | None = None
) -> AsyncIterator[None]:
    """A blocking watch at work."""
    stop = asyncio.Event()
    watch = BlockingWatchService(connections, settings, instruments or Instruments.silent(), "this test")
    task = asyncio.create_task(watch.run(Lifeline(stop, MonotonicClock(), lambda _: None)))
    try:
        yield
    finally:
        stop.set()
        await task


@asynccontextmanager
async def session(url: str, name: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(url, server_settings={"application_name": name})
    try:
        yield conn
    finally:
        conn.terminate()


async def gone(conn: asyncpg.Connection, pid: int) -> None:
    async def ended() -> bool:
        return not await conn.fetchval("select count(*) from pg_stat_activity where pid = $1", pid)

    await until(ended, f"process {pid} is ended")


async def changes(conn: asyncpg.Connection) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in await conn.fetch("select action, actor from change order by id")]


@pytest.mark.parametrize("how", ["does not read", "idle"])
async def test_a_router_that_froze_with_the_lane_loses_it(
    conn: asyncpg.Connection, connections: Connections, database_url: str, how: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with session(database_url, APPLICATION_NAME) as frozen:
        pid = frozen.get_server_pid()
        await frozen.execute("begin")
        await frozen.execute("select 1 from lane for update")
        claim = None
        if how == "does not read":
            transport = frozen._transport  # type: ignore[attr-defined]
            transport.pause_reading()
            claim = asyncio.create_task(frozen.fetch("select repeat('x', 1000) from generate_series(1, 100000)"))
        async with watching(connections, LockSettings(**QUICK)), asyncio.timeout(60):
            await gone(conn, pid)
        assert await conn.fetchval("select tenant_id from lane for update nowait")
        if claim is not None:
            claim.cancel()
            await asyncio.gather(claim, return_exceptions=True)
    assert await changes(conn) == [("terminate", "this test")]


async def test_an_intake_that_died_in_the_middle_of_a_statement_gives_its_customers_back(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1, phone="+8613800138000")])
    async with session(database_url, APPLICATION_NAME) as frozen:
        await frozen.execute("begin")
        await frozen.execute("update customer_key set people = people")
        transport = frozen._transport  # type: ignore[attr-defined]
        transport.pause_reading()
        asking = asyncio.create_task(frozen.fetch("select repeat('x', 1000) from generate_series(1, 100000)"))
        async with watching(connections, LockSettings(**QUICK)), asyncio.timeout(60):
            await gone(conn, frozen.get_server_pid())
        assert await conn.fetch("select key from customer_key for update nowait")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert await changes(conn) == [("terminate", "this test")]


async def test_two_watches_end_a_session_once(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    settings = LockSettings(**QUICK)
    async with session(database_url, APPLICATION_NAME) as frozen:
        await frozen.execute("begin")
        await frozen.execute("select 1 from lane for update")
        async with watching(connections, settings), watching(connections, settings):
            await gone(conn, frozen.get_server_pid())
    assert await changes(conn) == [("terminate", "this test")]


async def test_a_router_at_work_and_the_sessions_of_others_are_left_alone(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1)])
    async with session(database_url, APPLICATION_NAME) as router, session(database_url, "nightly") as other:
        await other.execute("begin")
        await other.execute("select 1 from lead_pool for update")
        await router.execute("begin")
        await router.execute("select 1 from lane for update")
        with open_exposition("test", "1", 10) as exposition:
            # At work until it is told to end: between two statements it would be a router that is stuck.
            work = asyncio.create_task(router.execute("select pg_sleep(600)"))
            since = "select clock_timestamp() - query_start from pg_stat_activity where pid = $1 and state = 'active'"

            async def seen() -> bool:
                """It worked for longer than a stuck one may have the lane, and the watch saw who else blocks."""
                at_work = await conn.fetchval(since, router.get_server_pid())
                shows = 'lead_router_locks_blockers{kind="row_locks"} 1.0' in exposition.text().decode()
                return at_work is not None and at_work > timedelta(seconds=2.5) and shows

            async with watching(connections, LockSettings(**QUICK), exposition.instruments):
                await until(seen, "the watch shows who blocks")
                shown = exposition.text().decode()
            assert not work.done()
            await conn.execute("select pg_cancel_backend($1)", router.get_server_pid())
            with pytest.raises(asyncpg.QueryCanceledError):
                await work
            await router.execute("rollback")
            assert await other.fetchval("select 1") == 1
    assert 'lead_router_locks_sessions_ended_total{deed="terminate",whose="own"} 0.0' in shown
    assert await changes(conn) == []


async def test_who_blocks_for_longer_than_configured_is_cancelled_or_ended(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1)])
    async with session(database_url, "report") as report, session(database_url, "nightly") as nightly:
        await report.execute("begin")
        await report.execute("lock table rep_load in share mode")
        await nightly.execute("begin")
        await nightly.execute("select 1 from lead_pool for update")
        settings = LockSettings(look_every_s=0.1, cancel_foreign_after_s=1.0, terminate_foreign_after_s=3.0)
        async with watching(connections, settings), asyncio.timeout(60):
            with pytest.raises(asyncpg.QueryCanceledError):
                await report.execute("select pg_sleep(60)")
            await report.execute("rollback")
            await gone(conn, nightly.get_server_pid())
        assert await report.fetchval("select 1") == 1
    assert await changes(conn) == [("cancel", "this test"), ("terminate", "this test")]
    why = await conn.fetchval("select why from change where action = 'terminate'")
    assert "longer than locks.terminate_foreign_after_s (3)" in why
