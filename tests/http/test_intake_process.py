"""The real process: a posted lead finds its rep at once, and nothing that was answered 202 is missing after a kill."""

import asyncio
import signal

import aiohttp
import asyncpg
import pytest

from loadtest.daemon import Daemon, serving
from router.store.connections.connect import LISTENER_NAME
from tests.http.posting import Posting, port_of
from tests.http.support import make_token
from tests.support import BLOCKED, until
from tests.world import make_tenant, simple_reps

TAKEN = 300


async def address_of(daemon: Daemon) -> str:
    """Where its API listens."""
    return f"http://127.0.0.1:{await port_of(daemon)}"


async def test_a_posted_lead_is_assigned_without_waiting_for_a_poll(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    headers = {"Authorization": f"Bearer {await make_token(conn, tenant.tenant_id)}"}
    async with (
        serving(database_url, "serve", "--role", "api,drain", api_port=0, drain_poll_interval_s=60) as daemon,
        aiohttp.ClientSession(await address_of(daemon), headers=headers) as session,
    ):
        await until(lambda: listened(conn), "the router hears hints")
        async with session.post("/v1/leads", json={"external_id": "1", "source": "web"}) as reply:
            assert reply.status == 202
            address = reply.headers["Location"]

        async def assigned() -> bool:
            async with session.get(address) as shown:
                return str((await shown.json())["state"]) == "assigned"

        await until(assigned, "the lead is assigned", 30)  # its poll would find it after 60 s
        async with aiohttp.ClientSession() as anybody, anybody.get(f"{await address_of(daemon)}/docs") as page:
            assert (page.status, page.content_type) == (200, "text/html")
            assert 'id="hand_in_lead"' in await page.text()
        assert await daemon.stop() == 0


async def listened(conn: asyncpg.Connection) -> bool:
    """Whether a router listens for hints."""
    names = "select count(*) from pg_stat_activity where datname = current_database() and application_name like $1"
    return bool(await conn.fetchval(names, f"%{LISTENER_NAME}%"))


async def test_a_job_says_that_its_instance_was_stopped(conn: asyncpg.Connection, database_url: str) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    headers = {"Authorization": f"Bearer {await make_token(conn, tenant.tenant_id)}"}
    async with (
        serving(database_url, "serve", "--role", "api", api_port=0) as daemon,
        aiohttp.ClientSession(await address_of(daemon), headers=headers) as session,
        conn.transaction(),
    ):
        await conn.execute("lock table lead in access exclusive mode")
        async with session.post("/v1/jobs", json={"kind": "audit"}) as reply:
            assert reply.status == 202

        async def waits() -> bool:
            return bool(await conn.fetchval(BLOCKED))

        await until(waits, "the audit is under way")
        assert await daemon.stop() == 0
    [(state, error)] = await conn.fetch("select state, error from job")
    assert (state, "was stopped" in (error or "")) == ("failed", True)


@pytest.mark.direct
async def test_nothing_that_was_answered_202_is_missing_after_sigkill(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    token = await make_token(conn, tenant.tenant_id)
    answered: set[str] = set()
    for attempt in "ab":
        async with serving(database_url, "serve", "--role", "api", api_port=0) as daemon:
            posting = Posting(await port_of(daemon), token, attempt)
            clients = asyncio.create_task(posting.run())
            await posting.took(TAKEN)
            await daemon.stop(signal.SIGKILL)
            posting.stop()
            await clients
        answered |= set(posting.answered)
    stored = {row[0] for row in await conn.fetch("select external_id from lead")}
    assert len(answered) >= 2 * TAKEN
    assert answered <= stored
    states = await tenant.states()
    assert sum(states.values()) == len(stored)
    keyed = {row[0] for row in await conn.fetch("select key from idempotency join lead using (tenant_id, lead_id)")}
    assert keyed == {one for one in stored if int(one[2:]) % 2}


async def test_two_processes_behind_one_port_share_the_posts_and_a_key_counts_once(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    headers = {"Authorization": f"Bearer {await make_token(conn, tenant.tenant_id)}"}
    async with serving(database_url, "serve", "--role", "api", api_share_port="yes") as one:
        port = await port_of(one)
        async with serving(database_url, "serve", "--role", "api", api_share_port="yes", api_port=port) as other:
            assert await port_of(other) == port
            ids: dict[str, set[int]] = {}

            async def both_took_some() -> bool:
                # A connection of its own for each, since the kernel shares connections and not requests.
                connector = aiohttp.TCPConnector(force_close=True)
                async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector) as session:
                    for key in map(str, range(20)):
                        lead = {"external_id": key, "source": "web"}
                        keyed = headers | {"Idempotency-Key": key}
                        async with session.post("/v1/leads", json=lead, headers=keyed) as reply:
                            assert reply.status == 202
                            ids.setdefault(key, set()).add((await reply.json())["id"])
                return all([await _took_leads(daemon) for daemon in (one, other)])

            await until(both_took_some, "both took leads", 30)
            assert all(len(given) == 1 for given in ids.values())
            await other.stop(signal.SIGKILL)
            async with (
                aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session,
                session.post("/v1/leads", json={"external_id": "after", "source": "web"}) as reply,
            ):
                assert reply.status == 202
    assert await conn.fetchval("select count(*) from lead") == 21


async def _took_leads(daemon: Daemon) -> bool:
    _, metrics = await daemon.get("/metrics")
    return any(line.startswith("lead_router_intake_leads_total{") for line in metrics.splitlines())
