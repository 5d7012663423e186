"""Hints over Redis, where LISTEN does not work: news that is committed reaches the router, and nothing else does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from router.drain import redis_client, redis_hints
from router.drain.hints import Wakeups
from router.drain.redis_client import hints_channel
from router.drain.redis_hints import HintsSender, HintsSenderService, RedisHintsService
from router.settings.model import ConnectionSettings
from router.store.connections.connections import Part, open_connections
from router.store.leads import accept
from router.store.pauses import pause, resume
from router.store.statements import Connection
from router.store.tenants import tenant_named
from router.telemetry.instruments import Instruments
from tests.redis_servers import KINDS, RedisServer, redis_server
from tests.services import running
from tests.support import until
from tests.world import lead, make_tenant, simple_reps

SILENT = Instruments.silent()


@pytest.fixture(params=KINDS)
async def redis(request: pytest.FixtureRequest, reachable_folder: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(request.param, reachable_folder) as server:
        yield server


class Heard(Wakeups):
    """Wake-ups, with all that was ever hinted."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[int] = []

    def hint(self, tenant_id: int) -> None:
        self.all.append(tenant_id)
        super().hint(tenant_id)


@asynccontextmanager
async def hearing(redis: RedisServer, listens: Callable[[], bool] = lambda: False) -> AsyncIterator[Heard]:
    """A listener that has begun."""
    heard = Heard()
    async with running(RedisHintsService(redis.url, heard, listens, SILENT)), redis.client() as client:

        async def subscribed() -> bool:
            return bool((await client.pubsub_numsub(hints_channel(client)))[0][1])

        await until(subscribed, "the router listens")
        yield heard


async def hints(heard: Heard, tenants: list[int]) -> None:
    async def there() -> bool:
        return heard.all == tenants

    await until(there, f"hints for {tenants}, not {heard.all}")


async def test_what_is_committed_is_hinted_once_and_what_is_rolled_back_is_not(
    conn: asyncpg.Connection, database_url: str, redis: RedisServer
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    named = await tenant_named(conn, "acme")
    sender = HintsSender(redis.url)

    async def rolled_back(lent: Connection) -> None:
        with pytest.raises(ZeroDivisionError):
            async with lent.transaction():
                await accept(lent, tenant.tenant_id, [lead(9)])
                raise ZeroDivisionError

    async with (
        hearing(redis) as heard,
        open_connections(database_url, ConnectionSettings(), announce=sender.send) as connections,
        connections.acquire(Part.INTAKE) as lent,
    ):
        await rolled_back(lent)
        await accept(lent, tenant.tenant_id, [lead(n) for n in range(20)])
        await hints(heard, [tenant.tenant_id])
        await pause(lent, named, timedelta(minutes=5), "test", "why")
        await hints(heard, [tenant.tenant_id] * 2)
        await resume(lent, named, "test", "why")
        await hints(heard, [tenant.tenant_id] * 3)
        await sender.aclose()


async def test_while_listen_works_redis_is_left_alone(redis: RedisServer) -> None:
    works, heard = [True], Heard()
    async with running(RedisHintsService(redis.url, heard, lambda: works[0], SILENT)), redis.client() as client:

        async def listeners() -> int:
            return int((await client.pubsub_numsub(hints_channel(client)))[0][1])

        async def one() -> bool:
            return await listeners() == 1

        async def none() -> bool:
            return await listeners() == 0

        assert await none()
        works[0] = False
        await until(one, "it listens once LISTEN is lost")
        works[0] = True
        await until(none, "it leaves when LISTEN works again")
        assert heard.all == []


async def test_nonsense_on_the_channel_wakes_nobody_and_ends_nothing(redis: RedisServer) -> None:
    async with hearing(redis) as heard, redis.client() as client:
        channel = hints_channel(client)
        for nonsense in (b"", b"x", b"-1", b"\xff\xfe", b"1.5", b"99999999999", b"\xd9\xa1", b"," * 50_000, b"{}"):
            await client.publish(channel, nonsense)
        await client.publish(channel, b"7,x,8")
        await hints(heard, [7, 8])


async def test_a_redis_that_goes_and_comes_back_is_used_again_and_each_is_said_once(redis: RedisServer) -> None:
    sender, heard = HintsSender(redis.url), Heard()
    services = HintsSenderService(sender, SILENT), RedisHintsService(redis.url, heard, lambda: False, SILENT)
    async with running(*services) as told:

        async def both_ways() -> bool:
            sender.send([3])
            await asyncio.sleep(0.05)
            return bool(heard.all)

        await until(both_ways, "a hint")
        told.clear()
        redis.kill()

        async def both_fail() -> bool:
            sender.send([4])
            await asyncio.sleep(0.05)
            return all(any(line and line.startswith(one.failing) for line in told) for one in services)

        await until(both_fail, "both say that it is gone")
        heard.all.clear()
        await redis.start()
        # Nothing has to be sent for it: it is asked whether it is back.

        async def is_back() -> bool:
            return sender.problem is None

        await until(is_back, "the sender has found that it is back")
        await until(both_ways, "a hint again")


async def test_a_redis_that_never_answers_keeps_no_commit_waiting(
    conn: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (redis_hints, redis_client):
        monkeypatch.setattr(module, "DEADLINE_S", 3600.0)
    tenant = await make_tenant(conn, simple_reps(1))

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as server:
        sender = HintsSender(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
        async with (
            open_connections(database_url, ConnectionSettings(), announce=sender.send) as connections,
            connections.acquire(Part.INTAKE) as lent,
        ):
            for number in range(30):
                await accept(lent, tenant.tenant_id, [lead(number)])
        # All of them have come and gone, and the first hint still waits for its answer.
        assert sender._sending and not sender._sending.done()
        sender._sending.cancel()
