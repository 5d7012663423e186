"""What is wrong with the database itself is found: indexes, vacuum, tables of dead rows; a sound one is not."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ops.doctor.checks import disk_filling
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.runtime.upkeep_watch import UpkeepService
from router.store.connections.connections import open_connections
from router.store.upkeep import HeldBack, held_now, vacuum_held_back_by
from router.telemetry.exposition import open_exposition
from tests.findings import findings
from tests.support import connected
from tests.world import make_tenant, simple_reps

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    async with connected(database_url) as conn:
        yield conn


async def test_an_index_that_is_gone_or_broken_is_named_with_the_statement_that_makes_it(
    conn: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await make_tenant(conn, simple_reps(1))
    assert await findings(conn, "index_missing") == []
    await other.execute("drop index lead_pool_recheck")
    await other.execute("alter table lead drop constraint lead_tenant_id_source_external_id_key")
    await other.execute("alter table closed drop constraint closed_pkey")
    await other.execute("update pg_index set indisvalid = false where indexrelid = 'lead_pool_claim'::regclass")
    found = {one.subject.name: one for one in await findings(conn, "index_missing")}
    assert found.keys() == {
        *("lead_pool_recheck", "lead_tenant_id_source_external_id_key", "closed_pkey", "lead_pool_claim")
    }
    assert {one.severity for one in found.values()} == {"warning"}
    assert "is not valid" in found["lead_pool_claim"].sentence
    assert "can be there twice" in found["lead_tenant_id_source_external_id_key"].sentence
    for name in ("lead_pool_recheck", "lead_tenant_id_source_external_id_key"):
        await other.execute(found[name].evidence[0]["makes_it"])
    await other.execute("alter table closed add primary key (tenant_id, lead_id)")
    await other.execute("reindex index lead_pool_claim")
    assert await findings(conn, "index_missing") == []


async def test_a_transaction_that_is_open_for_hours_is_found_and_a_short_one_is_not(
    conn: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await make_tenant(conn, simple_reps(1))
    await other.execute("begin isolation level repeatable read")
    await other.execute("select count(*) from lead")
    assert await findings(conn, "vacuum_held_back") == []
    later = await conn.fetchval("select clock_timestamp()") + timedelta(hours=2)
    [found] = await findings(conn, "vacuum_held_back", later)
    assert found.subject.name == str(other.get_server_pid())
    assert "has a transaction open for 2 h 0 min" in found.sentence
    assert found.command == f"lead-router blockers --terminate {found.subject.name}"
    await other.execute("rollback")
    assert await findings(conn, "vacuum_held_back", later) == []


async def test_a_slot_that_keeps_the_log_is_found_until_it_is_dropped(conn: asyncpg.Connection) -> None:
    slot = f"held_{random.getrandbits(40):x}"

    async def found() -> list[HeldBack]:
        return [one for one in await vacuum_held_back_by(conn, LONG_AGO, 1 << 30, -1) if one.name == slot]

    assert await found() == []
    await conn.execute("select pg_create_physical_replication_slot($1, true)", slot)
    try:
        [held] = await found()
        assert (held.kind, held.state, held.since) == ("slot", "not in use", None)
        now = {one.kind: one for one in await held_now(conn)}
        assert now["slot"].wal_bytes >= held.wal_bytes
    finally:
        await conn.execute("select pg_drop_replication_slot($1)", slot)
    assert await found() == []


async def test_the_age_of_the_oldest_snapshot_and_dead_rows_are_measured_before_they_hurt(
    database_url: str, conn: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await make_tenant(conn, simple_reps(1))
    await other.execute("begin isolation level repeatable read")
    await other.execute("select count(*) from lead")
    await conn.execute("insert into lane_inbox (tenant_id, lead_id) select 1, g from generate_series(1, 100) g")
    await conn.execute("delete from lane_inbox")
    await conn.execute("select pg_stat_force_next_flush()")
    with open_exposition("a", "1") as exposition:
        async with open_connections(database_url) as connections:
            life = Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None)
            await UpkeepService(connections, exposition.instruments.upkeep).once(life)
        shown = exposition.text().decode()
    assert re.search(r'^lead_router_vacuum_held_transactions\{kind="transaction"\} [1-9]', shown, re.M)
    assert re.search(r'^lead_router_table_dead_rows\{table="lane_inbox"\} 100', shown, re.M)
    assert re.search(r'^lead_router_vacuum_held_seconds\{kind="prepared"\} 0', shown, re.M)


async def test_a_table_of_dead_rows_is_found_once_nothing_has_vacuumed_it_for_an_hour(
    conn: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await make_tenant(conn, simple_reps(1))
    await other.execute("alter table lane_inbox set (autovacuum_enabled = false)")
    await other.execute("insert into lane_inbox (tenant_id, lead_id) select 1, g from generate_series(1, 100100) g")
    await other.execute("delete from lane_inbox")
    await other.execute("select pg_stat_force_next_flush()")
    await other.execute("select 1")
    assert await findings(conn, "tables_bloated") == []
    await conn.execute("update tenant set created_at = created_at - interval '2 hours'")
    [found] = await findings(conn, "tables_bloated")
    assert found.subject.name == "lane_inbox"
    assert "100,100 dead rows beside 0 live ones, last vacuumed never" in found.sentence
    assert "autovacuum is switched off" in found.sentence
    await other.execute("vacuum lane_inbox")
    assert await findings(conn, "tables_bloated") == []


async def test_a_disk_that_is_nearly_full_is_found_where_it_can_be_seen(
    conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_tenant(conn, simple_reps(1))
    monkeypatch.setattr(disk_filling, "nearly_full", lambda _free, _total: True)
    if await conn.fetchval("select inet_server_addr()") is not None:
        assert await findings(conn, "disk_filling") == []
        return
    [found] = await findings(conn, "disk_filling")
    assert found.evidence[0]["path"] == await conn.fetchval("show data_directory")
    assert found.evidence[0]["total_mb"] > found.evidence[0]["free_mb"] >= 0
    monkeypatch.setattr(disk_filling, "nearly_full", lambda _free, _total: False)
    assert await findings(conn, "disk_filling") == []
