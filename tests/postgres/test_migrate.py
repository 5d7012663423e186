"""The schema: applied once, safely, and exactly what the migrations say."""

import asyncio
import random
import shutil
from pathlib import Path

import asyncpg
import pytest

from ops.audit.audit import audit
from router.store.assignments import Ending, end
from router.store.blocking.blocked import who_blocks
from router.store.connections.connections import Part, open_connections
from router.store.migrate import MigrationError, known, migrate, migrations_dir, pending, rollback
from tests.postgres.test_connections import as_role
from tests.support import BLOCKED, connected, until
from tests.world import a_drain, lead, make_tenant, settle, simple_reps


async def still_pending(url: str) -> list[str]:
    async with connected(url) as conn:
        return await pending(conn)


async def test_a_new_database_gets_every_migration_and_a_second_run_nothing(empty_database_url: str) -> None:
    assert await still_pending(empty_database_url) == known()
    assert await migrate(empty_database_url) == known()
    assert await still_pending(empty_database_url) == []
    assert await migrate(empty_database_url) == []


async def test_asking_what_is_pending_changes_nothing(empty_database_url: str) -> None:
    await still_pending(empty_database_url)
    async with connected(empty_database_url) as conn:
        assert await conn.fetchval("select count(*) from pg_class where relnamespace = 'public'::regnamespace") == 0


async def test_migrators_at_the_same_time_apply_each_migration_once(empty_database_url: str) -> None:
    applied = await asyncio.gather(*(migrate(empty_database_url) for _ in range(4)))
    assert sorted(applied) == [[], [], [], known()]


async def test_a_lead_cannot_have_two_current_assignments(conn: asyncpg.Connection) -> None:
    insert = """insert into assignment (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq)
                values (1, 1, $1, now(), 1, 0)"""
    await conn.execute(insert, 1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await conn.execute(insert, 2)


async def test_taking_all_migrations_back_leaves_nothing(empty_database_url: str) -> None:
    await migrate(empty_database_url)
    assert await rollback(empty_database_url) == known()[::-1]
    assert await still_pending(empty_database_url) == known()
    async with connected(empty_database_url) as conn:
        left = await conn.fetch("select relname from pg_class where relnamespace = 'public'::regnamespace")
    assert {row["relname"] for row in left if not row["relname"].startswith("_lead_router")} == set()


async def test_an_index_on_a_hot_table_is_built_while_others_write_and_again_after_it_was_broken_off(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = "insert into parked (tenant_id, lead_id, reason, parked_at) values (1, {}, 'lead_invalid', now())"
    valid = "select indisvalid from pg_index where indexrelid = to_regclass('parked_reason')"
    with monkeypatch.context() as before:
        before.setattr("router.store.migrate.known", lambda: [one for one in known() if one < "0014"])
        await migrate(empty_database_url)
    async with connected(empty_database_url) as conn, connected(empty_database_url) as other:
        await other.execute("set lock_timeout = '2s'")
        for broken_off in (True, False):
            transaction = conn.transaction()
            await transaction.start()
            await conn.execute(add.format(int(broken_off)))
            migrating = asyncio.create_task(migrate(empty_database_url))

            async def is_building() -> bool:
                return await other.fetchval(valid) is False

            await until(is_building, "the index is being built")
            # No lock is in the way of those who write.
            await other.execute(add.format(10 + broken_off))
            if broken_off:
                await other.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%migrate'"
                    " and datname = current_database()"
                )
                with pytest.raises((MigrationError, asyncpg.PostgresError, OSError)):
                    await migrating
            await transaction.commit()
        assert "0014_parked_reason" in await migrating
        assert await other.fetchval(valid) is True and await pending(other) == []


async def with_default_partitions(conn: asyncpg.Connection) -> None:
    """The partitions as releases before 0023 had them."""
    for parent in ("flight", "assignment_history"):
        await conn.execute(f"alter table {parent} detach partition {parent}_rest")
        await conn.execute(f"alter table {parent}_rest rename to {parent}_default")
        await conn.execute(f"alter table {parent} attach partition {parent}_default default")


async def test_records_in_the_default_partitions_of_an_earlier_release_stay_where_they_can_be_read(
    empty_database_url: str,
) -> None:
    await migrate(empty_database_url)
    async with open_connections(empty_database_url) as connections, connected(empty_database_url) as conn:
        tenant = await make_tenant(conn, simple_reps(2))
        taken = await tenant.accept([lead(n) for n in range(5)])
        await settle(a_drain(connections), tenant.tenant_id)
        await end(conn, tenant.tenant_id, taken.lead_ids[0], Ending.WON)
        before = {
            name: await conn.fetchval(f"select count(*) from {name}") for name in ("flight", "assignment_history")
        }
        await conn.execute("drop table archived, archived_count, removed, cleanup_lease, cleanup_run")
        await conn.execute("drop index closed_at, merged_into")
        await with_default_partitions(conn)
        await conn.execute("delete from _lead_router_migration where migration_id ~ '^002[234]'")
        again = ["0022_cleanup_indexes", "0023_history_partitions", "0024_cleanup"]
        assert await migrate(empty_database_url) == again
        after = {name: await conn.fetchval(f"select count(*) from {name}") for name in before}
        assert after == before and min(after.values()) > 0
        await tenant.accept([lead(n) for n in range(5, 9)])
        await settle(a_drain(connections), tenant.tenant_id)
        assert (await audit(conn)).violations == []


async def test_endings_go_on_while_their_tables_get_indexes_and_partitions(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("router.store.migrate.known", lambda: [one for one in known() if one < "0022"])
        await migrate(empty_database_url)
    async with connected(empty_database_url) as conn, connected(empty_database_url) as other:
        await conn.execute("set lock_timeout = '5s'")
        transaction = conn.transaction()
        await transaction.start()
        # In the order in which an ending takes its tables.
        await conn.execute("lock table assignment_history in row exclusive mode")
        migrating = asyncio.create_task(migrate(empty_database_url))

        async def waits() -> bool:
            asked = "select 1 from pg_stat_activity where application_name like '%migrate' and wait_event_type = 'Lock'"
            return await other.fetchval(f"{asked} and datname = current_database()") is not None

        await until(waits, "the migration waits for the ending")
        await conn.execute("insert into closed (tenant_id, lead_id, closed_at, outcome) values (1, 1, now(), 'won')")
        await transaction.commit()
        await migrating
        assert await pending(other) == []


async def test_what_an_earlier_release_applied_is_not_applied_again(empty_database_url: str) -> None:
    await migrate(empty_database_url)
    async with connected(empty_database_url) as conn:
        await conn.execute(
            """create table _pogo_migration (migration_hash varchar(64), migration_id varchar(255), applied timestamptz,
                                             schema_name varchar(64) not null);
               insert into _pogo_migration select md5(migration_id), migration_id, applied_at, 'public'
                 from _lead_router_migration where migration_id < '0007';
               insert into _pogo_migration values ('x', 'of somebody else', now(), 'other');
               drop table _lead_router_migration, process, mute, stall, hour_count, hour_count_reached, seen_blocker,
                          token, idempotency, event, event_feed, webhook, webhook_secret, webhook_delivery,
                          lead_correction, journal, journalled, source_reject, source_secret, source_key, source,
                           maintenance_run, archived, archived_count, removed, cleanup_lease, cleanup_run,
                           notify_look, notify_channel, notify_alert, notify_message,
                           lead_import, lead_import_part, removed_lead, removed_count, job;
               alter table lead drop column enquiry;
               alter table ruleset drop column synonyms;
               alter table rep_row drop column holidays;
                drop sequence maintenance_turn_seq;
                drop index parked_at, parked_reason, closed_at, merged_into;
               alter table tenant drop column events_since;
               alter table roster_sync drop column problem_parts, drop column warning_parts;
               alter table assignment_history drop column ended_by, drop column note;
               alter table lane drop column aborted_at, drop column crashed_by, drop column noted_by,
                                drop column latest_at, drop column clock_confirmed_until"""
        )
        await with_default_partitions(conn)
        assert await pending(conn) == [one for one in known() if one >= "0007"]
        assert await migrate(empty_database_url) == [one for one in known() if one >= "0007"]
        assert await pending(conn) == []
        assert [row[0] for row in await conn.fetch("select migration_id from _pogo_migration")] == ["of somebody else"]


async def test_a_role_without_a_right_on_public_has_its_own_schema_and_another_one_beside_it_is_another_product(
    empty_database_url: str,
) -> None:
    async with connected(empty_database_url) as admin:
        for name in ("one", "two"):
            role = f"r{random.getrandbits(40):x}"
            await admin.execute(
                f'create role {role} login; create schema "{name}"; alter schema "{name}" owner to {role}'
            )
            await admin.execute("revoke all on schema public from public")
            await admin.execute(f"alter role {role} set search_path = {name}")
            url = as_role(empty_database_url, role)
            assert await migrate(url) == known()
            async with open_connections(url) as connections, connections.acquire(Part.CONSOLE) as conn:
                tenant = await make_tenant(conn, simple_reps(2))  # type: ignore[arg-type]
                await tenant.accept([lead(1)])
                await settle(a_drain(connections), tenant.tenant_id)
                assert (await tenant.states())["assigned"] == 1
                assert (await audit(conn)).violations == []
                async with connected(empty_database_url) as other:
                    await other.execute(f'begin; lock table "{name}".lane')
                    assert "lane locked" in await who_blocks(conn)
        tables = await admin.fetch("select relname from pg_class where relnamespace = 'public'::regnamespace")
        assert tables == []


async def test_a_migration_that_meets_batches_over_its_tables_is_done_anew(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(empty_database_url)
    folder = Path(shutil.copytree(migrations_dir(), tmp_path / "migrations"))
    (folder / "9999_next.sql").write_text(
        f"-- Two tables at once.\n-- depends: {known()[-1]}\n\n-- migrate: apply\n\n"
        "alter table lead add column next int;\nalter table assignment add column next int;\n\n-- migrate: rollback\n"
    )
    monkeypatch.setattr("router.store.migrate.migrations_dir", lambda: folder)
    async with (
        connected(empty_database_url) as reader,
        connected(empty_database_url) as batch,
        connected(empty_database_url) as other,
    ):

        async def waits(for_whom: str, query: str) -> None:
            asked = f"{BLOCKED} and query ~ $1"
            await until(lambda: other.fetchval(asked, query), f"{for_whom} waits")

        await reader.execute("begin; lock table lead in access share mode")
        # The migration is the one that finds the deadlock: it waits last, and with the shorter patience.
        await batch.execute("set deadlock_timeout = '60s'; begin; lock table assignment in row exclusive mode")
        migrating = asyncio.create_task(migrate(empty_database_url))
        await waits("the migration", "alter table lead add column next")
        batching = asyncio.create_task(batch.execute("lock table lead in row exclusive mode; commit"))
        await waits("the batch", "lock table lead in row exclusive mode; commit")
        await reader.execute("rollback")
        assert await migrating == ["9999_next"]
        await batching
        assert await pending(other) == []


async def test_jobs_that_ran_twice_before_one_of_a_kind_was_held_do_not_stop_the_migration(
    empty_database_url: str,
) -> None:
    with pytest.MonkeyPatch.context() as before:
        before.setattr("router.store.migrate.known", lambda: [one for one in known() if one < "0037"])
        await migrate(empty_database_url)
    async with connected(empty_database_url) as conn:
        await conn.execute(
            """insert into job (tenant_id, job_id, kind, started_by, started_at, alive_at)
select t, j, k, 'me', now(), now() - make_interval(secs => length(j))
from (values (1, 'a', 'audit'), (1, 'aa', 'audit'), (1, 'b', 'retry'), (2, 'a', 'audit')) t (t, j, k)"""
        )
        assert "0037_one_job_of_a_kind" in await migrate(empty_database_url)
        ended = await conn.fetch("select tenant_id, job_id from job where ended_at is not null")
        assert [tuple(row) for row in ended] == [(1, "aa")]
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.execute(
                "insert into job (tenant_id, job_id, kind, started_by, started_at)"
                " values (1, 'c', 'audit', 'me', now())"
            )
