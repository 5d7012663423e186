"""On a distributed database `blockers` shows who waits for whom on the other servers, or says that it cannot.

There is no Citus here: its views are stood in for by views of this server's own sessions and locks.
"""

import asyncio

import asyncpg
import pytest

from ops.cli.blockers import blockers as blockers_command
from router.store.blocking.activity import NO_ROWS, NOT_SEEN
from tests.citus_stand_in import CATALOGUE, EXTENSION, VIEWS
from tests.command_line import CommandLine
from tests.support import until
from tests.world import lead, make_tenant, simple_reps

pytestmark = pytest.mark.direct


async def held_up(conn: asyncpg.Connection, url: str, waiting_name: str) -> tuple[asyncpg.Connection, ...]:
    """A session that has a lead locked and is idle, and one of this name that waits for it."""
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1)])
    holder = await asyncpg.connect(url, server_settings={"application_name": "nightly-cleanup"})
    await holder.execute("begin")
    await holder.execute("select from lead_pool where tenant_id = 1 for update /* password=hunter2 */")
    waiter = await asyncpg.connect(url, server_settings={"application_name": waiting_name, "lock_timeout": "20s"})
    return holder, waiter


@pytest.mark.parametrize(("name", "code"), [("lead-router 16 host-1", 1), ("psql", 0)])
async def test_who_waits_on_another_server_is_shown_with_what_ends_it(
    conn: asyncpg.Connection, database_url: str, name: str, code: int
) -> None:
    await conn.execute(EXTENSION + CATALOGUE + VIEWS)
    holder, waiter = await held_up(conn, database_url, name)
    waits = asyncio.create_task(waiter.execute("update lead_pool set rank = 1 where tenant_id = 1"))
    try:

        async def is_waiting() -> bool:
            return bool(await conn.fetchval("select exists (select from citus_lock_waits)"))

        await until(is_waiting, "one session waits for the other")
        pid = 20_000_000_000 + holder.get_server_pid()
        command = CommandLine(blockers_command, database_url)
        shown = await command.json("--older-than", "3600", code=code)
        [wait] = shown["elsewhere"]
        assert wait["blocking"]["pid"] == pid
        assert wait["blocking"]["server"] == "db2.example.com:5432"
        assert wait["blocking"]["application"] == "nightly-cleanup"
        assert "hunter2" not in str(shown)
        assert wait["waiting"]["application"] == name
        assert wait["do"] == f"select pg_terminate_backend({pid})"
        assert shown["notes"] == [NO_ROWS]
        text = (await command.run("--older-than", "3600")).stdout
        assert f"nightly-cleanup (process {pid} on db2.example.com:5432, postgres)" in text
        assert f"do, on the coordinator: select pg_terminate_backend({pid})" in text
        assert "no blocking sessions" not in text
    finally:
        await holder.close()
        await waits
        await waiter.close()


async def test_where_the_views_cannot_be_read_that_is_said(conn: asyncpg.Connection, database_url: str) -> None:
    await conn.execute(EXTENSION)
    shown = await CommandLine(blockers_command, database_url).json()
    assert "elsewhere" not in shown
    assert any(note.startswith(f"{NOT_SEEN}: UndefinedTableError") for note in shown["notes"])


async def test_without_waits_nothing_blocks(conn: asyncpg.Connection, database_url: str) -> None:
    await conn.execute(EXTENSION + CATALOGUE + VIEWS)
    done = await CommandLine(blockers_command, database_url).run()
    assert done.exit_code == 0
    assert "no blocking sessions" in done.stdout
