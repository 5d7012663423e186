"""The doctor reads a real PgBouncer's console where it may, and nothing fails where it may not."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ops.cli.doctor import doctor
from ops.doctor.checks.pooler_saturated import findings
from ops.doctor.look import Checked, examine
from ops.doctor.scene import open_scene
from router.settings.model import ConnectionSettings, Settings
from router.store.connections.connect import Session
from router.store.connections.pooler import pooler_of
from router.store.connections.pooler_console import NoConsole, ask_console, console_of
from router.store.connections.single import open_connection
from tests.command_line import CommandLine
from tests.pgbouncer import pooler, through
from tests.support import until
from tests.world import make_tenant, simple_reps

CODE = "pooler_saturated"
LOOK = {"stats_users": "postgres"}
Pooled = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
async def pooled(database_url: str, reachable_folder: Path) -> AsyncIterator[Pooled]:
    """Starts a pooler with these settings in front of the test's database; gives the URL through it."""

    @asynccontextmanager
    async def started(**settings: Any) -> AsyncIterator[str]:
        folder = Path(tempfile.mkdtemp(prefix="pooler-", dir=reachable_folder))
        with tempfile.TemporaryFile() as log, pooler(folder, database_url, log, **settings):
            yield through(str(folder), database_url)

    yield started


async def checked(url: str, settings: ConnectionSettings | None = None) -> Checked:
    async with open_connection(url, settings or ConnectionSettings()) as conn, open_scene(conn, thorough=True) as scene:
        [one] = await examine(scene, [CODE])
    return one


@asynccontextmanager
async def holding(url: str) -> AsyncIterator[None]:
    """Somebody keeps a session of the pool, in a transaction."""
    conn = await asyncpg.connect(url, connection_class=Session, statement_cache_size=0)
    await conn.execute("begin; select 1")
    yield
    await conn.execute("commit")
    await conn.close()


@asynccontextmanager
async def waiting_for(holder: AbstractAsyncContextManager[None], url: str) -> AsyncIterator[None]:
    """Somebody waits for the session that somebody else keeps."""
    async with holder:
        waiter = asyncio.create_task(asyncpg.connect(url, connection_class=Session, statement_cache_size=0))
        yield
    conn = await waiter
    await conn.close()


@pytest.mark.servers
@pytest.mark.direct
async def test_whoever_waits_for_the_pooler_is_told_by_whom_although_the_database_cannot_be_asked(
    conn: asyncpg.Connection, pooled: Pooled, admin_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with pooled(**LOOK, default_pool_size=1) as url, waiting_for(holding(url), url):
        settings = Settings(database_url=url, connections=ConnectionSettings(connect_deadline_s=0.5))
        command = CommandLine(doctor, url, settings=settings)

        async def is_found() -> bool:
            document = await command.json(code=1)
            found = [one for one in document["findings"] if one["code"] == CODE]
            return bool(found) and "1 of 1 sessions of its pool are in use" in found[0]["sentence"]

        await until(is_found, "the doctor names the pool")


@pytest.mark.servers
@pytest.mark.direct
async def test_a_pooler_with_room_is_fine_and_one_that_the_server_cannot_serve_is_named(
    conn: asyncpg.Connection, pooled: Pooled
) -> None:
    async with pooled(**LOOK, default_pool_size=2) as url:
        one = await checked(url)
        assert (one.failure, one.not_applicable, list(one.findings)) == (None, None, [])
    async with pooled(**LOOK, default_pool_size=5000) as url:
        [found] = (await checked(url)).findings
        assert "may open 5000 sessions for our database" in found.sentence
        assert any(row.get("pool_size") == 5000 for row in found.evidence)


@pytest.mark.servers
@pytest.mark.direct
async def test_where_it_may_not_look_nothing_fails(conn: asyncpg.Connection, pooled: Pooled, database_url: str) -> None:
    async with pooled() as url:
        one = await checked(url)
        assert one.failure is None and not one.findings
        assert one.not_applicable and "not allowed" in one.not_applicable and "stats_users" in one.not_applicable
    elsewhere = ConnectionSettings(pooler_console_url="postgresql://postgres:secret@127.0.0.1:1/pgbouncer")
    one = await checked(database_url, elsewhere)
    assert one.failure is None and one.not_applicable and "secret" not in one.not_applicable


@pytest.mark.servers
@pytest.mark.direct
async def test_what_the_console_refuses_is_its_own_words(pooled: Pooled) -> None:
    async with pooled(**LOOK) as url:
        console, database = console_of(url, ConnectionSettings())
        assert database and [row["database"] for row in (await ask_console(console, ["show pools"]))[0]] == [
            "pgbouncer"
        ]
        with pytest.raises(NoConsole, match="show nonsense"):
            await ask_console(console, ["show pools", "show nonsense"])


async def test_without_a_pooler_the_check_does_not_apply(database_url: str) -> None:
    one = await checked(database_url)
    assert one.failure is None and one.not_applicable and not one.findings


def test_what_a_console_of_another_version_leaves_out_is_no_finding() -> None:
    assert findings(pooler_of("leads", [{}], [{}], [{}], [{}]), 100) == []
    assert findings(pooler_of("leads", [], [], [], []), None) == []


def test_instances_that_may_open_more_than_the_pooler_takes_are_named() -> None:
    clients = [{"database": "leads", "application_name": f"lead-router 60 host-{n}"} for n in range(2)]
    seen = pooler_of("leads", [], clients, [], [{"key": "max_client_conn", "value": "100"}])
    [found] = findings(seen, None)
    assert found.sentence.startswith("PgBouncer takes 100 clients, and our instances may open 120")
    pool = {
        "database": "leads",
        "user": "r",
        "cl_waiting": "7",
        "sv_active": "4",
        "maxwait": "2",
        "maxwait_us": "500000",
    }
    [waits] = findings(pooler_of("leads", [pool], [], [{"name": "leads", "pool_size": "4"}], []), 100)
    assert "7 of our database's sessions wait" in waits.sentence and "longest for 2.5 s" in waits.sentence
    assert (
        findings(pooler_of("leads", [{**pool, "maxwait": "0"}], [], [{"name": "leads", "pool_size": "4"}], []), 9) == []
    )
