"""Partitions by time: old ones go as a whole, and whatever still needs or uses one keeps it."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cleanup.plan import would_remove
from router.outbox.feed import read_named
from router.settings.model import CleanupSettings
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from router.store.leads import accept_here, begin_accepting
from router.store.partitions import mark_removed, partitions
from tests.postgres.cleanup_world import a_cleaner, a_past, age, clean, once, sane, tenants
from tests.support import connected
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

OLD_HISTORY = "assignment_history_p20240101"
ARCHIVED = "tenant_id, lead_id, source, external_id, created_at, received_at, closed_at, outcome"
ALWAYS = CleanupSettings(service="on", window="always")


async def test_the_first_cleanup_gives_the_open_partition_an_end(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_past(conn, connections, days=1)
    cleaner = a_cleaner(connections)
    assert [one.name for one in await partitions(conn, "flight")] == ["flight_rest"]
    assert await cleaner.partitions() is not None
    old, rest = await partitions(conn, "flight")
    assert old.lower is None and old.upper == rest.lower and rest.upper is None
    assert rest.lower is not None and rest.lower > datetime.now(UTC) + timedelta(days=6)
    assert (
        await conn.fetchval(f'select count(*) from "{old.name}"')
        == await conn.fetchval("select count(*) from flight")
        > 0
    )
    assert await conn.fetchval("select count(*) from pg_constraint where conname like '%_bound'") == 0
    assert await cleaner.partitions() is None
    await tenant.accept([lead(n) for n in range(100, 110)])
    await settle(a_drain(connections), tenant.tenant_id)
    await sane(conn)


async def with_old_partition(conn: asyncpg.Connection, connections: Connections) -> str:
    """All flight records so far are in a partition that is old as a whole; returns its name."""
    await a_past(conn, connections)
    await conn.execute("alter table flight detach partition flight_rest")
    await conn.execute("alter table flight_rest rename to flight_p20250101")
    await conn.execute(
        """alter table flight attach partition flight_p20250101
           for values from (minvalue) to ('2025-01-01 00:00+00')"""
    )
    await conn.execute(
        "create table flight_rest partition of flight for values from ('2025-01-01 00:00+00') to (maxvalue)"
    )
    return "flight_p20250101"


async def test_an_old_partition_goes_as_a_whole(conn: asyncpg.Connection, connections: Connections) -> None:
    name = await with_old_partition(conn, connections)
    rows = await conn.fetchval("select count(*) from flight")
    assert (await would_remove(conn, await tenants(conn), ALWAYS))[""]["flight"] == rows
    found = await a_cleaner(connections).partitions()
    assert found is not None and found.removed["flight"] == rows
    assert await conn.fetchval("select to_regclass($1)", name) is None
    await sane(conn)


async def test_a_partition_that_somebody_has_locked_hangs_nothing_and_goes_later(
    conn: asyncpg.Connection, connections: Connections, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await with_old_partition(conn, connections)
    tenant = (await tenants(conn))[0]
    monkeypatch.setattr("ops.cleanup.cleaner.DETACH_DEADLINE_S", 0.5)
    async with connected(database_url) as foreign:
        transaction = foreign.transaction()
        await transaction.start()
        await foreign.execute("select from flight limit 1")  # holds the table and all its partitions
        async with asyncio.timeout(60):
            found = await a_cleaner(connections).partitions()
        assert found is not None and "locked" in found.note and found.removed["flight"] == 0
        async with asyncio.timeout(60):
            await settle(a_drain(connections), tenant.tenant_id)
        assert await conn.fetchval("select to_regclass($1)::text", name) == name
        await sane(conn)
        await transaction.rollback()
    found = await a_cleaner(connections).partitions()
    assert found is not None and not found.note
    assert await conn.fetchval("select to_regclass($1)", name) is None
    await sane(conn)


async def test_a_partition_that_was_let_go_but_not_dropped_is_dropped_later(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    name = await with_old_partition(conn, connections)
    await a_cleaner(connections).partitions(["assignment_history"])
    old = next(one for one in await partitions(conn, "flight") if one.name == name)
    await mark_removed(conn, "flight", old)
    await conn.execute(f"alter table flight detach partition {name}")
    await a_cleaner(connections).partitions()
    assert await conn.fetchval("select to_regclass($1)", name) is None
    await sane(conn)


async def test_a_partition_that_a_person_detached_to_keep_it_stays(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    name = await with_old_partition(conn, connections)
    await conn.execute(f"alter table flight detach partition {name}")
    await a_cleaner(connections).partitions()
    assert await conn.fetchval("select to_regclass($1)::text", name) == name


async def test_two_old_partitions_in_use_keep_no_tenant_from_being_cleaned(
    conn: asyncpg.Connection, connections: Connections, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await with_old_partition(conn, connections)
    bounds = "for values from ('2025-01-01 00:00+00') to"
    await conn.execute("drop table flight_rest")
    await conn.execute(f"create table flight_p20250201 partition of flight {bounds} ('2025-02-01 00:00+00')")
    await conn.execute(
        "create table flight_rest partition of flight for values from ('2025-02-01 00:00+00') to (maxvalue)"
    )
    monkeypatch.setattr("ops.cleanup.cleaner.DETACH_DEADLINE_S", 0.5)
    await conn.execute(
        "insert into change (tenant_id, at, actor, action, subject) select 1, '2020-01-01', 'a', 'b', 'c'"
    )
    async with connected(database_url) as foreign, foreign.transaction():
        await foreign.execute("select from flight limit 1")
        for _ in range(2):
            async with asyncio.timeout(30):
                await once(connections, ALWAYS)
        assert await conn.fetchval("select count(*) from change where at < '2021-01-01'") == 0
    await once(connections, ALWAYS)
    left = [one.name for one in await partitions(conn, "flight")]
    assert name not in left and "flight_p20250201" not in left
    await sane(conn)


async def with_old_history(conn: asyncpg.Connection) -> None:
    """All ended assignments so far are in a partition of which every row is older than 750 days."""
    upper = f"'{datetime.now(UTC) - timedelta(days=750):%Y-%m-%d} 00:00+00'"
    history = "assignment_history"
    await conn.execute(f"alter table {history} detach partition {history}_rest")
    await conn.execute(f"alter table {history}_rest rename to {OLD_HISTORY}")
    await conn.execute(f"alter table {history} attach partition {OLD_HISTORY} for values from (minvalue) to ({upper})")
    await conn.execute(f"create table {history}_rest partition of {history} for values from ({upper}) to (maxvalue)")


async def is_there(conn: asyncpg.Connection) -> bool:
    return await conn.fetchval("select to_regclass($1)", OLD_HISTORY) is not None


async def test_a_rep_who_returned_a_lead_does_not_get_it_again_because_the_record_is_old(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    (number,) = (await tenant.accept([lead(1)])).lead_ids
    await settle(a_drain(connections), tenant.tenant_id)
    first = await conn.fetchval("select rep_no from assignment")
    await end(conn, tenant.tenant_id, number, Ending.RETURNED)
    await settle(a_drain(connections), tenant.tenant_id)
    await age(conn, 900)
    await conn.execute("delete from flight")
    await with_old_history(conn)
    await a_cleaner(connections).partitions()
    assert await is_there(conn)
    await end(conn, tenant.tenant_id, number, Ending.RETURNED)
    await settle(a_drain(connections), tenant.tenant_id)
    assert await conn.fetchval("select count(*) from assignment where rep_no = $1", first) == 0
    # Both have returned it; once it is closed nothing needs the record.
    await conn.execute("insert into closed select tenant_id, lead_id, now(), 'lost' from lead_pool")
    await conn.execute("delete from lead_pool")
    await conn.execute("delete from flight")
    await a_cleaner(connections).partitions()
    assert not await is_there(conn)


async def test_rules_that_look_back_further_keep_ended_assignments(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_past(conn, connections)
    await conn.execute("delete from flight")
    await with_old_history(conn)
    looks_back = "weights: {close_rate: {lookback_days: 900}}\nrules: [{name: all, match: {}, assign_to: group:all}]\n"
    await tenant.rules(looks_back)
    await a_cleaner(connections).partitions()
    assert await is_there(conn)
    await tenant.rules("rules: [{name: all, match: {}, assign_to: group:all}]\n")
    await a_cleaner(connections).partitions()
    assert not await is_there(conn)


async def test_a_row_of_one_tenant_that_cannot_be_archived_keeps_no_other_tenant_from_being_cleaned(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    bad = await a_past(conn, connections)
    good = await a_past(conn, connections, name="beta", days=800)
    await conn.execute(
        f"""insert into archived ({ARCHIVED})
            select tenant_id, lead_id, 'x', lead_id::text, now(), now(), now(), 'won'
              from closed where tenant_id = $1""",
        bad.tenant_id,
    )
    await once(connections, ALWAYS)
    assert (await bad.states())["closed"] == 17
    assert (await good.states())["closed"] == 0


async def test_a_lead_that_is_archived_while_it_is_handed_in_again_is_no_new_lead(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await a_past(conn, connections)
    again = lead(0, declared_customer="c0")
    async with connected(database_url) as other, other.transaction():
        begun = await begin_accepting(other, tenant.tenant_id, 1)
        assert (await clean(connections, conn))["closed"] == 18
        accepted = await accept_here(other, tenant.tenant_id, [again], begun)
    assert (accepted.new, accepted.repeated) == (0, 1)
    await sane(conn)


async def test_a_lead_that_was_taken_for_new_though_it_is_archived_is_named_and_stops_nothing(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_past(conn, connections)
    await conn.execute(
        f"""with one as (
                insert into archived ({ARCHIVED})
                select tenant_id, 999999, source, external_id, created_at, received_at, closed_at, outcome
                  from closed join lead using (tenant_id, lead_id) order by lead_id desc limit 1
                returning tenant_id)
            insert into archived_count select tenant_id, 1 from one"""
    )
    assert (await clean(connections, conn))["closed"] == 17
    assert (await tenant.states())["closed"] == 1
    (found,) = (await audit(conn)).violations
    assert (found.kind.name, found.examples) == (
        "archived_differs",
        ("acme: 18 counted, 18 there, 1 of them also leads",),
    )


async def test_an_event_of_a_lead_that_is_archived_meanwhile_is_still_delivered_with_its_identity(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_past(conn, connections)
    row = await conn.fetchrow("select event_no, leads from event where type = 'lead.ended' order by event_no limit 1")
    assert row is not None
    await conn.execute("update event set position = event_no where position is null")
    (before,) = await read_named(conn, tenant.tenant_id, [(row["event_no"], 1)])
    assert (await clean(connections, conn))["closed"] == 18
    (after,) = await read_named(conn, tenant.tenant_id, [(row["event_no"], 1)])
    assert after == before and before.data["external_id"]
