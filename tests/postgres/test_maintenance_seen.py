"""Scripts of others that clean: what is seen of them, with which rights they do, and where their functions are."""

import asyncio
import random

import asyncpg
import pytest

from ops.cli.changes import changes
from ops.cli.maintenance_list import list_
from ops.cli.status import status
from ops.maintenance.watch import MaintenanceWatchService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.store.connections.connections import Connections
from router.store.migrate import migrate
from router.telemetry.exposition import open_exposition
from tests.cleaning import all_runs, done, may_clean, one_row, script
from tests.command_line import CommandLine
from tests.postgres.test_connections import as_role
from tests.support import connected, until
from tests.world import make_tenant, simple_reps


@pytest.mark.direct
async def test_a_role_that_may_only_call_the_functions_can_clean_and_see_nothing_else(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    role = f"crm_{random.getrandbits(40):x}"
    await conn.execute(f"create role {role} login")
    try:
        async with script(as_role(database_url, role)) as crm:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await may_clean(crm)
            await conn.execute(
                f"grant usage on schema lead_router to {role};"
                f"grant execute on all functions in schema lead_router to {role}"
            )
            # What it may make by itself must not be taken for ours.
            await crm.execute(
                "create temp table tenant (tenant_id int, name text); create temp table maintenance_run (turn bigint)"
            )
            got = await may_clean(crm)
            assert got["may_delete"] == 1000
            assert await done(crm, got["turn"], 12) == "done"
            for table in ("public.lead", "public.maintenance_run", "public.change"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await crm.fetch(f"select * from {table}")
        [run] = await all_runs(conn)
        assert (run.role, run.removed) == (role, 12)
    finally:
        await conn.execute(f"drop owned by {role}; drop role {role}")


async def test_asking_is_quick_however_many_leads_wait_also_in_a_session_that_first_asked_when_few_did(
    conn: asyncpg.Connection, database_url: str
) -> None:
    """A plan that was made for one page reads the whole pool, for as long as the session lasts."""
    await make_tenant(conn, simple_reps(1))
    fill = """insert into lead_pool (tenant_id, lead_id, wake_key, rank, queued_at, created_at, last_batch_no,
                                     recheck_at)
              select 1, n, n % 2, -(n % 5), now() - interval '1 h', now(), 1, now()
                from generate_series($1::int, $2) n"""
    await conn.execute(fill, 1, 4)
    await conn.execute("vacuum (analyze) lead_pool")
    async with script(database_url) as nightly:
        for _ in range(10):
            await may_clean(nightly, 0)
        await conn.execute(fill, 5, 100_000)
        by_index = "select coalesce(sum(idx_tup_read), 0)::bigint from pg_stat_user_indexes where relname = 'lead_pool'"
        whole = "select seq_tup_read from pg_stat_user_tables where relname = 'lead_pool'"
        for session in (conn, nightly):
            await session.execute("select pg_stat_force_next_flush()")
        before = await conn.fetchval(by_index), await conn.fetchval(whole)
        assert "200 leads" in (await may_clean(nightly, 0))["reason"]
        await nightly.execute("select pg_stat_force_next_flush()")

        async def counted() -> bool:
            return bool(await conn.fetchval(by_index) >= before[0] + 200)

        await until(counted, "the server counted what was read")
        assert await conn.fetchval(by_index) <= before[0] + 1000
        assert await conn.fetchval(whole) == before[1]


async def test_what_was_cleaned_stands_in_the_list_and_among_the_changes(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with script(database_url) as nightly:
        for _ in range(3):
            got = await may_clean(nightly)
            await done(nightly, got["turn"], 1000)
        got = await may_clean(nightly)
        shown = await CommandLine(list_, database_url).run()
        assert "acme: nightly (role postgres) has the turn until" in shown.output
        assert "3,000 rows removed in 4 turns" in shown.output
        [listed] = (await CommandLine(list_, database_url).json("--tenant", "acme"))["runs"]
        assert (listed["has_turn"], listed["removed"], listed["tenant"]) == (True, 3000, "acme")
        await done(nightly, got["turn"], 500)
    document = await CommandLine(changes, database_url).json("--since", "1h")
    [change] = [one for one in document["changes"] if one["action"] == "maintenance"]
    assert (change["actor"], change["subject"], change["after"]) == (
        "postgres",
        "nightly",
        "3,500 rows removed in 4 turns",
    )


async def test_a_role_called_like_the_schema_keeps_its_tables_where_they_are(empty_database_url: str) -> None:
    """For a role lead_router a schema of that name comes first in the search path: its tables would be gone."""
    async with connected(empty_database_url) as admin:
        there = await admin.fetchval("select exists (select from pg_roles where rolname = 'lead_router')")
        if not there:
            await admin.execute("create role lead_router login")
        try:
            await migrate(empty_database_url)
            assert await admin.fetchval("select to_regnamespace('lead_router')") is None
            await make_tenant(admin, simple_reps(1))
            assert (await one_row(admin, "select * from may_clean('acme', 5)"))["may_delete"] == 5
        finally:
            if not there:
                await admin.execute("drop role lead_router")


async def test_two_lead_routers_in_one_database_have_functions_of_their_own(empty_database_url: str) -> None:
    async with connected(empty_database_url) as admin:
        roles = {}
        for name in ("one", "two"):
            role = roles[name] = f"r{random.getrandbits(40):x}"
            await admin.execute(
                f'create role {role} login; create schema "{name}" authorization {role};'
                f"alter role {role} set search_path = {name}"
            )
            await migrate(as_role(empty_database_url, role))
        try:
            async with connected(as_role(empty_database_url, roles["two"])) as two:
                await make_tenant(two, simple_reps(1), name="second")
                assert await two.fetchval("select may_delete from two.may_clean('second', 5)") == 5
            async with connected(as_role(empty_database_url, roles["one"])) as one:
                with pytest.raises(asyncpg.NoDataFoundError):
                    await one.fetchval("select may_delete from one.may_clean('second', 5)")
        finally:
            for role in roles.values():
                await admin.execute(f"drop owned by {role} cascade; drop role {role}")


async def test_status_and_metrics_show_who_has_a_turn(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with script(database_url) as nightly:
        got = await may_clean(nightly)
        shown = await CommandLine(status, database_url).run()
        assert "maintenance of acme: nightly (role postgres) has the turn until" in shown.output
        document = await CommandLine(status, database_url).json()
        assert [(one["name"], one["has_turn"]) for one in document["maintenance"]] == [("nightly", True)]
        with open_exposition("a", "1") as exposition:
            life = Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None)
            service = MaintenanceWatchService(connections, exposition.instruments)
            await service.once(life)
            text = exposition.text().decode()
            assert 'lead_router_maintenance_turns{state="open"} 1.0' in text
            await done(nightly, got["turn"], 4711)
            await service.once(life)
            text = exposition.text().decode()
            assert 'lead_router_maintenance_turns{state="open"} 0.0' in text
            assert "lead_router_maintenance_removed_in_day 4711.0" in text
