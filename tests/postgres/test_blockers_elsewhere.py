"""On a distributed database `blockers` shows who waits for whom on the other servers, or says that it cannot.

There is no Citus here: its views are stood in for by views of this server's own sessions and locks.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from ops.cli.blockers import blockers as blockers_command
from router.domain.access import EVERY_TENANT, TokenRole
from router.store.blocking.activity import NO_ROWS, NOT_SEEN
from router.store.connections.connections import open_connections
from tests.citus_stand_in import CATALOGUE, EXTENSION, VIEWS
from tests.command_line import CommandLine
from tests.http.console import serving_console
from tests.http.support import make_token, serving_api
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


@asynccontextmanager
async def a_wait(conn: asyncpg.Connection, url: str, waiting_name: str) -> AsyncIterator[int]:
    """One of the sessions waits for the other; the number of the one that has the lock, as Citus counts."""
    await conn.execute(EXTENSION + CATALOGUE + VIEWS)
    holder, waiter = await held_up(conn, url, waiting_name)
    waits = asyncio.create_task(waiter.execute("update lead_pool set rank = 1 where tenant_id = 1"))

    async def is_waiting() -> bool:
        return bool(await conn.fetchval("select exists (select from citus_lock_waits)"))

    try:
        await until(is_waiting, "one session waits for the other")
        yield 20_000_000_000 + holder.get_server_pid()
    finally:
        await holder.close()
        await waits
        await waiter.close()


@pytest.mark.parametrize(("name", "code"), [("lead-router 16 host-1", 1), ("psql", 0)])
async def test_who_waits_on_another_server_is_shown_with_what_ends_it(
    conn: asyncpg.Connection, database_url: str, name: str, code: int
) -> None:
    async with a_wait(conn, database_url, name) as pid:
        command = CommandLine(blockers_command, database_url)
        shown = await command.json("--older-than", "3600", code=code)
        [wait] = shown["elsewhere"]
        assert wait["blocking"]["pid"] == pid
        assert wait["blocking"]["server"] == "db2.example.com:5432"
        assert wait["blocking"]["application"] == "nightly-cleanup"
        assert "hunter2" not in str(shown)
        assert wait["waiting"]["application"] == name
        assert wait["do"] == f"select pg_terminate_backend({pid})"
        assert wait["work"] == "idle"
        assert shown["notes"] == [NO_ROWS]
        text = (await command.run("--older-than", "3600")).stdout
        assert f"nightly-cleanup (process {pid} on db2.example.com:5432, postgres)" in text
        assert f"do, on the coordinator: select pg_terminate_backend({pid})" in text
        assert "no blocking sessions" not in text
        assert text.count("wait or end it? It does nothing now: a program has left a transaction open.") >= 1
        advice = text.index("wait or end it?", text.index("waits for its locks"))
        assert advice < text.index("do, on the coordinator")


async def test_over_http_and_in_the_console_the_same_waits_are_shown(
    conn: asyncpg.Connection, database_url: str
) -> None:
    command = CommandLine(blockers_command, database_url)
    async with a_wait(conn, database_url, "lead-router 16 host-1") as pid, open_connections(database_url) as routing:
        token = await make_token(conn, EVERY_TENANT, TokenRole.OPERATOR)
        async with serving_api(routing) as api:
            api.token = token
            shown = (await api.get("/v1/blockers?older_than=3600")).document
            own = await make_token(conn, 1, TokenRole.OPERATOR)
            of_tenant = (await api.get("/v1/blockers?older_than=3600", token=own)).document
        of_command = await command.json("--older-than", "3600", code=1)
        assert (shown["elsewhere"], shown["notes"]) == (of_command["elsewhere"], of_command["notes"])
        [wait] = of_tenant["elsewhere"]
        assert wait["blocking"]["pid"] == pid
        assert wait["blocking"]["query"] != shown["elsewhere"][0]["blocking"]["query"], "a tenant sees no values"
        async with serving_console(routing) as served, served.browser(token) as browser:
            page = await browser.get("/blockers")
            assert f"process {pid} on db2.example.com:5432" in page.words
            assert "has a lock that lead-router 16 host-1" in page.words
            assert f"select pg_terminate_backend({pid})" in page.words
            assert "leads from being assigned" in page.words
            assert "No session blocks us" not in page.words
            here = page.words.index(f"process {pid} on db2")
            assert "Wait or end it?" in page.words[here:], "the wait on the other server has its advice"
            rows = list(csv.DictReader(io.StringIO((await browser.get("/blockers.csv")).text.lstrip("\ufeff"))))
        assert {row["elsewhere"] for row in rows if int(row["pid"]) < pid} <= {""}
        [row] = [row for row in rows if row["elsewhere"]]
        assert (row["pid"], row["elsewhere"]) == (str(pid), "db2.example.com:5432")
        assert (row["application"], row["holds_leads"], row["work"]) == ("nightly-cleanup", "yes", "idle")
        assert "lead-router 16 host-1" in row["hindrances"] and row["do"] == f"select pg_terminate_backend({pid})"


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
