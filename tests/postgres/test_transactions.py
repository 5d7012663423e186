"""What every transaction of the product states for itself, whatever server, role or pooler it meets."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from router.domain.lead_in import LeadIn
from router.store import tenants
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS, LockNotAvailable, NotCommitted
from router.store.leads import accept
from router.store.transactions import with_lock_timeout
from tests.support import until

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def test_two_imports_at_once_both_succeed_where_the_server_is_serializable_by_default(
    connections: Connections, conn: asyncpg.Connection
) -> None:
    tenant_id = (await tenants.add(conn, "acme", "UTC")).tenant_id
    name = await conn.fetchval("select current_database()")
    await conn.execute(f"alter database \"{name}\" set default_transaction_isolation = 'serializable'")

    async def load(first: int) -> int:
        async with connections.acquire(Part.INTAKE) as own:
            assert await own.fetchval("show transaction_isolation") == "read committed"
            leads = [
                LeadIn("web", f"x{number}", created_at=NOON, phone=f"+86138001{number % 7:05}")
                for number in range(first, first + 50)
            ]
            return (await accept(own, tenant_id, leads)).new

    taken = await asyncio.gather(*(load(first * 25) for first in range(8)))
    assert sum(taken) == await conn.fetchval("select count(*) from lead") == 225


async def test_a_statement_outside_of_a_transaction_does_not_wait_for_a_lock_for_ever(
    connections: Connections, conn: asyncpg.Connection
) -> None:
    async with conn.transaction():
        await conn.execute("lock table rep_row")
        async with connections.acquire(Part.DUTIES) as lent:
            assert await lent.fetchval("show lock_timeout") == "2s"
            with pytest.raises(LockNotAvailable):
                await with_lock_timeout(lent, 0.1).fetch("select * from rep_row")
            assert await lent.fetchval("select 1") == 1


async def test_a_caller_who_swallows_an_error_is_told_that_nothing_was_committed(
    connections: Connections, conn: asyncpg.Connection
) -> None:
    async with connections.acquire(Part.INTAKE) as lent:
        with pytest.raises(NotCommitted):
            async with lent.transaction():
                await lent.execute("insert into tenant (name, time_zone) values ('new', 'UTC')")
                with pytest.raises(asyncpg.PostgresError):
                    await lent.fetchval("select 1 / 0")
        assert not lent.is_in_transaction()
    assert await conn.fetchval("select count(*) from tenant where name = 'new'") == 0


async def test_what_fails_inside_a_savepoint_leaves_the_rest_of_the_transaction_alone(
    connections: Connections, conn: asyncpg.Connection
) -> None:
    async with connections.acquire(Part.INTAKE) as lent, lent.transaction():
        await lent.execute("insert into tenant (name, time_zone) values ('kept', 'UTC')")
        with pytest.raises(asyncpg.PostgresError):
            async with lent.transaction():
                await lent.execute("insert into tenant (name, time_zone) values ('lost', 'UTC')")
                await lent.fetchval("select 1 / 0")
        async with lent.transaction():
            await lent.execute("insert into tenant (name, time_zone) values ('too', 'UTC')")
    names = {row["name"] for row in await conn.fetch("select name from tenant")}
    assert {"kept", "too"} <= names
    assert "lost" not in names


async def test_why_it_failed_is_told_and_not_what_the_broken_wire_did_to_the_rollback(
    connections: Connections, conn: asyncpg.Connection
) -> None:
    async with connections.acquire(Part.INTAKE) as lent:
        with pytest.raises(ZeroDivisionError):
            async with lent.transaction():
                pid = await lent.fetchval("select pg_backend_pid()")
                await conn.execute("select pg_terminate_backend($1)", pid)

                async def gone() -> bool:
                    return not await conn.fetchval("select count(*) from pg_stat_activity where pid = $1", pid)

                await until(gone, "the session is gone")
                raise ZeroDivisionError


@pytest.mark.parametrize("part", list(Part))
async def test_who_is_frozen_in_a_transaction_keeps_its_locks_for_seconds_only(
    connections: Connections, conn: asyncpg.Connection, part: Part
) -> None:
    async with connections.acquire(part) as lent:
        assert await lent.fetchval("show idle_in_transaction_session_timeout") == "5s"
        with pytest.raises(TRANSIENT_ERRORS):
            async with lent.transaction():
                await lent.execute("set local idle_in_transaction_session_timeout = 100")  # the same, sooner
                await lent.execute("lock table tenant in share mode")
                await conn.execute("set lock_timeout = '20s'; alter table tenant add column altered int")
                await lent.fetchval("select 1")


async def test_a_connection_that_was_closed_meanwhile_is_a_passing_trouble_and_no_fault_of_ours(
    connections: Connections,
) -> None:
    async with connections.acquire(Part.DRAIN) as lent:
        lent.terminate()
        for ask in (lent.fetchval, lent.execute):
            with pytest.raises(TRANSIENT_ERRORS):
                await ask("select 1")
        with pytest.raises(TRANSIENT_ERRORS):
            async with lent.transaction():
                pass
