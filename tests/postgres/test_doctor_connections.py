"""Too few connections are found, with who has them and who changed the number; beside other causes, both are named."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from loadtest.faults.server import FaultServer, reachable_folder
from ops.cli.doctor import doctor
from ops.doctor.idle_sessions import LIST
from ops.doctor.look import examine, findings_of
from ops.doctor.scene import open_scene
from router.settings.reload import Difference
from router.store.configuration import record_reload
from router.store.connections.connections import open_connections
from router.store.migrate import migrate, rollback
from tests.command_line import CommandLine
from tests.findings import findings
from tests.postgres.test_doctor_time import TODAY, stream
from tests.support import connected
from tests.world import a_drain, lead, make_tenant, settle, simple_reps, zone_away_from_midnight

CODE = "connections_short"


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    """A server of our own: others of the test's server have connections too."""
    with reachable_folder("lead-router-own-") as folder:
        server = FaultServer(folder, {"max_connections": "20"})
        asyncio.run(server.start())
        yield server.url()
        asyncio.run(server.crash())


@pytest.fixture
async def own_url(server_url: str) -> AsyncIterator[str]:
    await migrate(server_url)
    yield server_url
    await rollback(server_url)


@asynccontextmanager
async def all_taken(url: str) -> AsyncIterator[None]:
    """Somebody else opens whatever the server gives."""
    async with AsyncExitStack() as stack:
        while True:
            try:
                other = await asyncpg.connect(url, server_settings={"application_name": "greedy"})
            except asyncpg.TooManyConnectionsError:
                break
            stack.push_async_callback(other.close)
        yield


async def lowered(conn: asyncpg.Connection, before: str, after: str) -> None:
    await record_reload(conn, "host-1", "drain", [Difference("connections.maximum", before, after)])


async def test_leads_that_stand_because_others_have_all_connections_are_critical_and_nobody_else_is_blamed(
    own_url: str,
) -> None:
    async with connected(own_url) as conn:
        tenant = await make_tenant(conn, simple_reps(1))
        await tenant.accept([lead(1), lead(2)])
        await conn.execute("update lead_pool set queued_at = queued_at - interval '5 min'")
        assert await findings(conn, CODE) == []
        async with all_taken(own_url):
            [found] = await findings(conn, CODE)
            assert await findings(conn, "nobody_takes_leads") == []
        assert (found.severity, found.held_back) == ("critical", 2)
        assert "most are used by: greedy" in found.sentence
        assert "greedy" in [row.get("application") for row in found.evidence]
        assert (found.command or "").startswith(("lead-router connections end --application=greedy", LIST))
        assert await findings(conn, CODE) == []
        assert len(await findings(conn, "nobody_takes_leads")) == 1


async def test_connections_all_in_use_while_nothing_stands_are_a_warning(own_url: str) -> None:
    async with connected(own_url) as conn:
        await make_tenant(conn, simple_reps(1))
        async with all_taken(own_url):
            [found] = await findings(conn, CODE)
        assert (found.severity, found.held_back) == ("warning", 0)


async def test_two_causes_at_once_are_both_named_before_anything_else(own_url: str) -> None:
    async with connected(own_url) as conn:
        tenant = await make_tenant(conn, simple_reps(2), TODAY, zone=await zone_away_from_midnight(conn))
        await stream(tenant, 24)
        async with open_connections(own_url) as connections:
            await settle(a_drain(connections), tenant.tenant_id)
        await tenant.accept([lead(900 + i) for i in range(3)])
        await conn.execute("update lead_pool set queued_at = queued_at - interval '5 min' where wake_key = 0")
        await conn.execute("update flight set at = at - interval '5 min'")
        await lowered(conn, "100", "30")
        async with all_taken(own_url), open_scene(conn) as scene:
            found = findings_of(await examine(scene))
        assert [one.severity for one in found[:2]] == ["critical", "critical"]
        assert {one.code: one.held_back for one in found[:2]} == {"stamps_shifted": 25, CODE: 3}
        assert all(one.severity != "critical" for one in found[2:])
        [short] = [one for one in found if one.code == CODE]
        assert "drain: connections.maximum was 100 until" in short.sentence
        assert short.since == await conn.fetchval("select max(at) from change")


async def test_a_maximum_that_somebody_lowered_is_told_with_who_and_when_for_a_day(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    await lowered(conn, "100", "90")
    assert await findings(conn, CODE) == []
    await lowered(conn, "90", "30")
    [found] = await findings(conn, CODE)
    assert (found.severity, found.since) == ("warning", await conn.fetchval("select max(at) from change"))
    assert found.evidence[0]["by"] == "host-1"
    document = await CommandLine(doctor, database_url).json("--only", CODE)
    assert "connections.maximum was 90 until" in document["findings"][0]["sentence"]
    await conn.execute("update change set at = at - interval '25 hours'")
    assert await findings(conn, CODE) == []
    await lowered(conn, "30", "100")
    assert await findings(conn, CODE) == []
