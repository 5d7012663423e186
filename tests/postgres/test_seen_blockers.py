"""Who blocks us is remembered with its end, without the values of its query; what comes each night is a finding."""

import asyncpg

from router.settings.model import LockSettings
from router.store.connections.connections import Connections
from tests.findings import findings
from tests.postgres.test_blocking_watch import QUICK, session, watching
from tests.support import until
from tests.world import lead, make_tenant, simple_reps


async def test_a_script_that_blocks_us_is_on_record_with_its_end_and_without_the_values_of_its_query(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1)])
    await conn.execute(
        """insert into seen_blocker (began_at, pid, application, role, client, kind, seen_at)
           select clock_timestamp() - d, 0, 'old', '', '', '', clock_timestamp() - d
             from unnest(array['1 day', '31 days']::interval[]) d"""
    )

    async def rows(name: str) -> list[asyncpg.Record]:
        return await conn.fetch("select * from seen_blocker where application = $1 order by began_at", name)

    async with watching(connections, LockSettings(**QUICK)), watching(connections, LockSettings(**QUICK)):
        async with session(database_url, "nightly") as nightly:
            await nightly.execute("begin")
            await nightly.execute("select 's3cret' from lead_pool where lead_id < 4711 for update")
            await until(lambda: _some(rows("nightly")), "it is on record")
            [row] = await rows("nightly")
            assert (row["tables"], row["kind"], row["ended_at"]) == (["lead_pool"], "row_locks", None)
            assert "from lead_pool where lead_id < ?" in row["query"]
            assert "s3cret" not in str(dict(row))

        async def ended() -> bool:
            return all(row["ended_at"] for row in await rows("nightly"))

        await until(ended, "its end is on record")
        assert len(await rows("nightly")) == 1
        await until(lambda: _some(_ended(rows("old"))), "the end of what nobody watched is on record")
        assert len(await rows("old")) == 1


async def _some(rows: object) -> bool:
    return bool(await rows)  # type: ignore[misc]


async def _ended(rows: object) -> list[asyncpg.Record]:
    return [row for row in await rows if row["ended_at"]]  # type: ignore[misc]


async def test_a_script_that_blocks_us_each_night_is_found_with_the_next_time_and_one_of_two_nights_is_not(
    conn: asyncpg.Connection,
) -> None:
    await make_tenant(conn, simple_reps(1))

    async def night(day: int) -> None:
        await conn.execute(
            """insert into seen_blocker (began_at, pid, application, role, client, kind, tables, query, seen_at,
                                         ended_at)
               select at, 7, 'cleanup', 'crm', '10.0.0.9', 'row_locks', '{lead_pool}', 'delete from lead_pool',
                      at + interval '1 s', at + interval '61 s'
                 from (select clock_timestamp() - make_interval(days => $1, hours => 1) as at) x""",
            day,
        )

    assert await findings(conn, "blocked_nightly") == []
    await night(6)
    await night(1)
    assert await findings(conn, "blocked_nightly") == []
    await night(0)
    [found] = await findings(conn, "blocked_nightly")
    assert (found.severity, found.subject.name, len(found.evidence)) == ("warning", "cleanup", 3)
    assert "on 3 days of the last 7, for up to 1 min (lead_pool); next expected" in found.sentence
    assert found.since == await conn.fetchval("select min(seen_at) from seen_blocker")


async def test_the_watch_goes_on_while_its_record_cannot_be_written_and_writes_it_later(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1)])
    await conn.execute("alter table seen_blocker rename to away")
    settings = LockSettings(**QUICK, terminate_foreign_after_s=0.3)
    async with watching(connections, settings), session(database_url, "nightly") as nightly:
        await nightly.execute("begin")
        await nightly.execute("select 1 from lead_pool for update")
        pid = nightly.get_server_pid()

        async def ended() -> bool:
            return not await conn.fetchval("select count(*) from pg_stat_activity where pid = $1", pid)

        await until(ended, "the blocker is ended all the same")
        await conn.execute("alter table away rename to seen_blocker")

        async def noted() -> bool:
            return bool(await conn.fetchval("select count(ended_at) from seen_blocker where pid = $1", pid))

        await until(noted, "what could not be written is written later")
