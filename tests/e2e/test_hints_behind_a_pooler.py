"""Two processes behind PgBouncer, where NOTIFY does not arrive: with Redis a lead that one takes wakes the other."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from redis.asyncio import Redis

from loadtest.daemon import Daemon, serving
from ops.cli.pause import pause, resume
from router.drain.redis_client import hints_channel
from tests.command_line import CommandLine
from tests.http.posting import port_of
from tests.http.support import make_token
from tests.pgbouncer import pooler, through
from tests.redis_servers import KINDS, redis_server
from tests.support import until
from tests.world import Tenancy, make_tenant, simple_reps

pytestmark = [pytest.mark.servers, pytest.mark.direct]

POLL_S = 60
"""The longest that there is, so that only a hint can be so fast."""
SOON_S = 30.0


@pytest.fixture
async def pooled_url(database_url: str, reachable_folder: Path) -> AsyncIterator[str]:
    """The test's database through a pooler in transaction mode."""
    folder = Path(tempfile.mkdtemp(prefix="pooler-", dir=reachable_folder))
    with tempfile.TemporaryFile() as log, pooler(folder, database_url, log):
        yield through(str(folder), database_url)


async def assigned(tenant: Tenancy, leads: int) -> None:
    async def all_are() -> bool:
        return (await tenant.states())["assigned"] == leads

    await until(all_are, f"{leads} leads have a rep", SOON_S)


async def post(api: Daemon, token: str, number: int) -> None:
    address = f"http://127.0.0.1:{await port_of(api)}/v1/leads"
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.post(address, json={"external_id": str(number), "source": "web"}) as reply,
    ):
        assert reply.status == 202, await reply.text()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_lead_posted_to_one_process_is_drained_by_another_long_before_its_poll(
    kind: str, conn: asyncpg.Connection, pooled_url: str, reachable_folder: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    token = await make_token(conn, tenant.tenant_id)
    async with (
        redis_server(kind, reachable_folder) as redis,
        redis.client() as client,
        serving(pooled_url, drain_poll_interval_s=POLL_S, redis_url=redis.url) as router,
        serving(pooled_url, "serve", "--role", "api", redis_url=redis.url) as api,
    ):
        await until(lambda: subscribed(client), "the router listens on Redis")
        # What it looked for when it began to listen is over: from here on there are hints alone.
        await until(lambda: at_rest(conn), "the router rests")
        for number in range(1, 4):
            await post(api, token, number)
            await assigned(tenant, number)
        # A command is one more process.
        paused = await CommandLine(pause, pooled_url, redis.url).run("acme", "--for", "1h", "--why", "test")
        assert paused.exit_code == 0, paused.output
        await post(api, token, 4)
        assert (await CommandLine(resume, pooled_url, redis.url).run("acme", "--why", "test")).exit_code == 0
        await assigned(tenant, 4)
        redis.kill()
        await post(api, token, 5)
        await degraded(api, "service hints sender")
        await degraded(router, "service redis hints")
        await redis.start()
        # What came meanwhile is found when Redis is back, and not only by the poll.
        await assigned(tenant, 5)
        assert await api.stop() == await router.stop() == 0
        for daemon in (api, router):
            warnings = [line for line in daemon.log if line.get("level") not in ("info", "debug")]
            assert len(warnings) == len({(line["event"], line.get("service")) for line in warnings}), warnings


async def subscribed(client: Redis) -> bool:
    return bool((await client.pubsub_numsub(hints_channel(client)))[0][1])


async def at_rest(conn: asyncpg.Connection) -> bool:
    """Whether no statement of ours has begun for a second."""
    busy = """select count(*) from pg_stat_activity
               where datname = current_database() and application_name like 'lead-router%'
                 and query_start > clock_timestamp() - interval '1 s'"""
    return not await conn.fetchval(busy)


async def degraded(daemon: Daemon, about: str) -> None:
    async def says_so() -> bool:
        status, text = await daemon.get("/readyz")
        assert status == 200, text
        return about in text

    await until(says_so, f"/readyz names {about}")
