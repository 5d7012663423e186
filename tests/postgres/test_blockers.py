"""A session that blocks us is named, with what to do; and only they can be ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest

from ops.blocking.ending_words import advice_for
from ops.cli.blockers import blockers as blockers_command
from router.store.blocking.activity import our_tables
from router.store.blocking.work import Work
from tests.command_line import CommandLine
from tests.support import until
from tests.world import Tenancy, lead, make_tenant, simple_reps


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    made = await make_tenant(conn, simple_reps(3))
    await made.accept(lead(i) for i in range(30))
    return made


@asynccontextmanager
async def somebody(url: str, name: str = "nightly-cleanup", **options: Any) -> AsyncIterator[asyncpg.Connection]:
    """A session of somebody else, in a transaction that is rolled back at the end, if it is still there."""
    other = await asyncpg.connect(url, server_settings={"application_name": name}, **options)
    await other.execute("begin")
    try:
        yield other
    finally:
        # It may have been ended without having heard of it yet.
        with suppress(OSError):
            await other.close()


def kinds(document: dict[str, Any], pid: int) -> list[str]:
    return [h["kind"] for one in document["blockers"] if one["pid"] == pid for h in one["hindrances"]]


async def test_every_table_of_ours_is_looked_at(conn: asyncpg.Connection) -> None:
    there = await conn.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " and not relispartition"
    )
    assert {row[0] for row in there} - {"_lead_router_migration"} <= set(our_tables())


async def test_who_reads_now_but_changed_rows_before_is_not_said_to_lose_nothing(
    tenant: Tenancy, database_url: str
) -> None:
    async with somebody(database_url) as other:
        await other.execute("delete from lead_pool")
        reading = asyncio.create_task(other.execute("select pg_sleep(600)"))
        try:
            document = await CommandLine(blockers_command, database_url).json(code=1)
        finally:
            other.terminate()
            await asyncio.gather(reading, return_exceptions=True)
    assert [(one["query"], one["work"]) for one in document["blockers"]] == [("select pg_sleep(600)", "change")]


async def test_who_is_about_to_end_a_session_reads_what_is_lost_with_it(tenant: Tenancy, database_url: str) -> None:
    async with somebody(database_url, "psql") as other:
        await other.execute("lock table parked in exclusive mode")
        text = (await CommandLine(blockers_command, database_url).run()).stdout
    words = " ".join(text.split())
    assert f"wait or end it? {advice_for(Work.IDLE)} do: lead-router blockers --terminate" in words, text


async def test_nobody_in_the_way_is_exit_code_0(tenant: Tenancy, database_url: str) -> None:
    result = await CommandLine(blockers_command, database_url).run()
    assert (result.exit_code, result.stdout) == (
        0,
        "database: embedded, in .lead-router\nno blocking sessions\n",
    )


@pytest.mark.parametrize(
    ("before", "work"),
    [("update lead_pool set rank = rank", "change"), ("lock table lead_pool in access exclusive mode", "schema")],
)
async def test_who_changed_something_and_reads_now_is_not_called_a_reader_with_nothing_to_lose(
    tenant: Tenancy, database_url: str, before: str, work: str
) -> None:
    command = CommandLine(blockers_command, database_url)
    async with somebody(database_url) as other:
        await other.execute(before)
        reading = asyncio.create_task(other.execute("select pg_sleep(3600)"))
        pid = other.get_server_pid()

        async def reads() -> bool:
            runs = "select wait_event = 'PgSleep' from pg_stat_activity where pid = $1"
            return bool(await tenant.conn.fetchval(runs, pid))

        await until(reads, "it reads now")
        (blocker,) = (await command.json(code=1))["blockers"]
        other.terminate()
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await reading
        # A server that sleeps does not see that nobody is left.
        await tenant.conn.execute("select pg_terminate_backend($1, 5000)", pid)
    assert (blocker["pid"], blocker["work"]) == (pid, work)


@pytest.mark.parametrize("table", ["lead_pool", "tenant", "change", "flight_rest"])
async def test_a_table_that_nobody_can_read_still_tells_who_has_it(
    tenant: Tenancy, database_url: str, table: str
) -> None:
    command = CommandLine(blockers_command, database_url)
    async with somebody(database_url) as other:
        await other.execute("select 1 from lead_pool for update")
        await other.execute(f"lock table {table} in access exclusive mode")
        async with asyncio.timeout(15):
            found = await command.json(code=1)
            shown = await command.run("--tenant", "acme")
    (blocker,) = found["blockers"]
    assert (blocker["pid"], blocker["application"]) == (other.get_server_pid(), "nightly-cleanup")
    assert blocker["hindrances"][0]["kind"] == "table_lock"
    assert blocker["hindrances"][0]["mode"] == "ACCESS EXCLUSIVE"
    assert f"--terminate {blocker['pid']}" in shown.stdout
    assert "lock table" in blocker["query"]
    assert bool(found["notes"]) == (table in ("lead_pool", "tenant"))


@pytest.mark.parametrize(
    ("statement", "table", "rows"),
    [
        ("select 1 from lead_pool order by lead_id limit 7 for update", "lead_pool", 7),
        ("delete from lead_pool where lead_id in (select lead_id from lead_pool limit 3)", "lead_pool", 3),
        ("update rep_load set open = open", "rep_load", 3),
    ],
)
async def test_whoever_has_rows_locked_is_named_with_how_many(
    tenant: Tenancy, conn: asyncpg.Connection, database_url: str, statement: str, table: str, rows: int
) -> None:
    await conn.execute(
        "insert into rep_load (tenant_id, rep_no, open, day, today) select tenant_id, rep_no, 0, now(), 0 from rep"
    )
    async with somebody(database_url) as other:
        await other.execute(statement)
        found = await CommandLine(blockers_command, database_url).json(code=1)
    (hindrance,) = found["blockers"][0]["hindrances"]
    assert (hindrance["kind"], hindrance["tables"], hindrance["rows"]) == ("row_locks", [table], rows)
    assert hindrance["tenants"] == ["acme"]


async def test_rows_that_several_sessions_share_are_told_of_each(tenant: Tenancy, database_url: str) -> None:
    async with somebody(database_url, "one") as one, somebody(database_url, "two") as two:
        for session in (one, two):
            await session.execute("select 1 from lead_pool order by lead_id limit 5 for share")
        await one.execute("savepoint a")
        await one.execute("select 1 from lead_pool order by lead_id desc limit 2 for update")
        found = await CommandLine(blockers_command, database_url).json(code=1)
    told = {b["application"]: b["hindrances"][0]["rows"] for b in found["blockers"]}
    assert told == {"one": 7, "two": 5}


async def test_the_lane_and_the_queue_behind_a_table_lock_come_first(tenant: Tenancy, database_url: str) -> None:
    async with (
        somebody(database_url, "reader") as reader,
        somebody(database_url, "alter") as alter,
        somebody(database_url, "lane") as lane,
    ):
        await reader.fetch("select * from lead_pool")
        await lane.execute("select 1 from lane for update")
        waiting = asyncio.create_task(alter.execute("alter table lead_pool add column x int"))
        command = CommandLine(blockers_command, database_url)

        async def queued() -> bool:
            pid = alter.get_server_pid()
            return bool(await tenant.conn.fetchval("select true from pg_locks where pid = $1 and not granted", pid))

        await until(queued, "the ALTER TABLE waits")
        found = await command.json(code=1)
        assert [b["application"] for b in found["blockers"]] == ["alter", "lane", "reader"]
        assert kinds(found, alter.get_server_pid()) == ["table_lock_wanted"]
        assert kinds(found, reader.get_server_pid()) == ["awaited"]
        assert found["blockers"][0]["waits_for"] == [reader.get_server_pid()]
        shown = await command.run("--cancel", str(alter.get_server_pid()), "--note", "not now")
        assert (shown.exit_code, "cancel request sent" in shown.stdout) == (0, True), shown.output
        with pytest.raises(asyncpg.QueryCanceledError):
            await waiting
    change = await tenant.conn.fetchrow("select action, subject, why from change")
    assert change is not None and (change[0], change[2]) == ("cancel", "not now")
    assert change["subject"].startswith("alter (process")


async def test_ending_a_session_that_is_in_nobodys_way_is_refused(tenant: Tenancy, database_url: str) -> None:
    command = CommandLine(blockers_command, database_url)
    async with somebody(database_url) as other:
        await other.fetch("select 1 from tenant")
        pid = other.get_server_pid()
        refused = await command.run("--terminate", str(pid))
        assert refused.exit_code == 1
        assert f"process {pid} does not block us (no blocking sessions)" in refused.output
        assert await other.fetchval("select 1") == 1
        await other.execute("lock table lead_pool in share mode")
        refused = await command.run("--cancel", str(pid))
        assert (refused.exit_code, "runs no statement that could be cancelled" in refused.output) == (1, True)
        assert (await command.run("--cancel", "1", "--terminate", "2")).exit_code == 2
        assert (await command.run("--terminate", "99999999999999999999")).exit_code == 1
        assert (await command.run("--terminate", "-1")).exit_code == 2
        assert (await command.run("--tenant", "nobody")).exit_code == 2
        ended = await command.run("--terminate", str(pid))
        assert ended.exit_code == 0, ended.output
    assert await tenant.conn.fetchval("select action from change") == "terminate"


async def test_what_cannot_be_recorded_is_done_and_says_so(tenant: Tenancy, database_url: str) -> None:
    command = CommandLine(blockers_command, database_url)
    async with somebody(database_url, "a") as one, somebody(database_url, "b") as two:
        await one.execute("lock table change in access exclusive mode")
        await two.execute("lock table lead_pool in access exclusive mode")
        ended = await command.run("--terminate", str(two.get_server_pid()))
        assert (ended.exit_code, "NOT recorded" in ended.stdout) == (0, True), ended.output
        # Whoever locks the record itself is recorded once the lock is gone with them.
        ended = await command.run("--terminate", str(one.get_server_pid()))
        assert (ended.exit_code, "NOT recorded" in ended.stdout) == (0, False), ended.output
    assert await tenant.conn.fetchval("select count(*) from change") == 1


async def test_idle_transactions_and_old_snapshots_are_told_once_they_are_old(
    tenant: Tenancy, database_url: str
) -> None:
    command = CommandLine(blockers_command, database_url)
    async with somebody(database_url, "idle") as idle, somebody(database_url, "report") as report:
        await idle.execute("select 1")
        await report.execute("set transaction isolation level repeatable read")
        await report.fetch("select count(*) from lead_pool")
        await tenant.conn.execute("update lane set batch_no = batch_no")
        assert (await command.json(code=0))["blockers"] == []
        found = await command.json("--older-than", "0", code=1)
    assert kinds(found, idle.get_server_pid()) == ["idle_in_transaction"]
    assert kinds(found, report.get_server_pid()) == ["old_snapshot", "idle_in_transaction"]
    assert not any(one["holds_leads"] for one in found["blockers"])


async def test_no_password_and_no_command_to_the_terminal_is_shown(tenant: Tenancy, database_url: str) -> None:
    async with somebody(database_url, "\x1b[31mred") as other:
        await other.execute(
            "lock table lead_pool in share mode;"
            "/* postgresql://u:hunter2@h/d */ set local a.x = 'password=hunter2';"
            " alter role current_user password 'hunter2'"
        )
        command = CommandLine(blockers_command, database_url)
        shown, found = await command.run(), await command.json(code=1)
    assert "hunter2" not in shown.output + str(found)
    assert "\x1b" not in shown.stdout


@pytest.mark.direct
async def test_a_role_without_privileges_is_told_what_to_grant(
    tenant: Tenancy, conn: asyncpg.Connection, database_url: str
) -> None:
    role = f"plain_{conn.get_server_pid()}"
    await conn.execute(f"create role {role} login password 'x'")
    try:
        await conn.execute(f"grant select, insert, update, delete on all tables in schema public to {role}")
        host = database_url.replace("postgresql://", "").split("@", 1)[-1]
        plain = CommandLine(blockers_command, f"postgresql://{role}:x@{host}")
        async with somebody(database_url) as other:
            await other.execute("lock table lead_pool in access exclusive mode")
            shown = await plain.run()
            refused = await plain.run("--terminate", str(other.get_server_pid()))
        assert (shown.exit_code, "grant pg_read_all_stats to our role" in shown.stdout) == (1, True), shown.output
        assert (refused.exit_code, "grant pg_signal_backend" in refused.output) == (1, True), refused.output
    finally:
        await conn.execute(f"drop owned by {role}; drop role {role}")
