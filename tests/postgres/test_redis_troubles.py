"""Redis gone, silent, slow, full, flushed, talking nonsense, refusing: routing goes on, it is said once what holds
meanwhile, and Redis is used again when it is well. On Valkey, and in `make test-all` on Debian's redis-server too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import pytest
import structlog

from loadtest.faults.proxy import Proxy, Wire, proxy
from ops.cli.present import present as present_command
from ops.cli.status import status as status_command
from ops.doctor.finding import Finding
from ops.doctor.look import examine
from ops.doctor.scene import open_scene
from router.domain.access import EVERY_TENANT
from router.drain.hints import Wakeups
from router.drain.presence import Presence, heartbeat_key
from router.drain.presence_service import PresenceService
from router.drain.scheduler import DrainService
from router.http.rate_limits import RateLimits
from router.http.rate_sharing import RateSharingService
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.redis_servers import KINDS, RedisServer, redis_server
from tests.services import running
from tests.support import until
from tests.world import a_drain, lead, make_tenant, reps_csv, settle

RULES = """
presence: {groups: [East], ttl: 2s}
rules:
  - {name: all, match: {}, assign_to: "group:east"}
"""
REP_OF = """select r.rep_id
  from lead l join assignment a using (tenant_id, lead_id) join rep r using (tenant_id, rep_no)
 where l.external_id = $1"""
REPS = reps_csv(["r1,One,yes,UTC,east,1000,1000", "r2,Two,yes,UTC,east,1000,1000"])


@dataclass
class Troubled:
    """A Redis, and the wire through which the product reaches it."""

    server: RedisServer
    wire: Proxy

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.wire.port}/0"

    async def beat(self, rep_id: str) -> None:
        async with self.server.client() as client:
            await client.set(heartbeat_key("acme", rep_id), "1", ex=600)

    async def config(self, name: str, value: str) -> None:
        async with self.server.client() as client:
            await client.config_set(name, value)

    async def acl(self, *words: str, user: str = "default") -> None:
        async with self.server.client() as client:
            await client.execute_command("ACL", "SETUSER", user, *words)  # type: ignore[no-untyped-call]


@pytest.fixture(params=KINDS)
async def redis(request: pytest.FixtureRequest, reachable_folder: Path) -> AsyncIterator[Troubled]:
    async with redis_server(request.param, reachable_folder) as server, proxy(server.port) as wire:
        yield Troubled(server, wire)


@asynccontextmanager
async def gone(redis: Troubled) -> AsyncIterator[None]:
    redis.server.kill()
    yield
    await redis.server.start()


@asynccontextmanager
async def silent(redis: Troubled) -> AsyncIterator[None]:
    redis.wire.set_wire(Wire.STALLED)
    yield
    redis.wire.set_wire(Wire.OPEN)


@asynccontextmanager
async def slow(redis: Troubled) -> AsyncIterator[None]:
    redis.wire.slow(1.5)
    yield
    redis.wire.slow(0)


@asynccontextmanager
async def full(redis: Troubled) -> AsyncIterator[None]:
    await redis.config("maxmemory-policy", "noeviction")
    await redis.config("maxmemory", "1")
    yield
    await redis.config("maxmemory", "0")


@asynccontextmanager
async def nonsense(redis: Troubled) -> AsyncIterator[None]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n\xff\xfe:x\r\n$-7\r\n")
        writer.close()

    redis.server.kill()
    server = await asyncio.start_server(talk, "127.0.0.1", redis.server.port)
    yield
    server.close()
    redis.wire.reset()
    await redis.server.start()


@asynccontextmanager
async def refusing(redis: Troubled) -> AsyncIterator[None]:
    """The password is another one now, and connections that were there are closed."""
    await redis.config("requirepass", "another")
    redis.wire.reset()
    yield
    async with redis.server.client(password="another") as client:
        await client.config_set("requirepass", "")


TROUBLES: tuple[Callable[[Troubled], AbstractAsyncContextManager[None]], ...] = (
    gone,
    silent,
    slow,
    full,
    nonsense,
    refusing,
)
each_trouble = pytest.mark.parametrize("trouble", TROUBLES, ids=lambda one: one.__name__)


@each_trouble
async def test_leads_are_routed_whatever_redis_does_and_presence_counts_again_afterwards(
    redis: Troubled,
    trouble: Callable[[Troubled], AbstractAsyncContextManager[None]],
    conn: asyncpg.Connection,
    connections: Connections,
) -> None:
    tenant = await make_tenant(conn, REPS, RULES)
    await redis.beat("r1")
    drain = replace(a_drain(connections), presence=Presence(redis.url))
    presence = drain.presence
    router = DrainService(drain, Wakeups(), jitter=lambda: 0.0, poll_interval_s=0.05)
    leads = iter(range(1, 1000))

    async def routed() -> str:
        number = next(leads)
        await tenant.accept([lead(number)])

        async def assigned() -> bool:
            return await conn.fetchval(REP_OF, f"e{number}") is not None

        await until(assigned, f"lead {number} has a rep")
        return str(await conn.fetchval(REP_OF, f"e{number}"))

    async def only_r1_is_present() -> bool:
        no = await conn.fetchval("select rep_no from rep where rep_id = 'r2'")
        return presence.problem is None and presence.absent(tenant.tenant_id) == {no}

    async def is_noticed() -> bool:
        return presence.problem is not None

    async def hours_decide() -> bool:
        return not presence.absent(tenant.tenant_id)

    with structlog.testing.capture_logs() as logs:
        async with running(router, PresenceService(presence, lambda _: None)) as told:
            await routed()
            await until(only_r1_is_present, "presence is known")
            assert await routed() == await routed() == "r1"
            async with trouble(redis):
                await until(is_noticed, "the trouble is noticed")
                await routed()
                await until(hours_decide, "the working hours decide")
                assert {await routed(), await routed()} == {"r1", "r2"}
                await until(lambda: says(told, "presence unknown"), "/readyz says so")
            await redis.beat("r1")
            await until(only_r1_is_present, "presence is known again")
            assert await routed() == await routed() == "r1"
            assert told[-1] is None
    said = [line["event"] for line in logs if line["log_level"] in ("warning", "error")]
    assert said.count("presence unknown: the last known holds, then the working hours") == 1, said
    assert [line["event"] for line in logs].count("presence known again") == 1


async def says(told: list[str | None], what: str) -> bool:
    return any(line and what in line for line in told)


@pytest.mark.parametrize("trouble", [silent, slow], ids=lambda one: one.__name__)
async def test_no_batch_waits_for_a_redis_that_is_known_to_be_in_trouble(
    redis: Troubled,
    trouble: Callable[[Troubled], AbstractAsyncContextManager[None]],
    conn: asyncpg.Connection,
    connections: Connections,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = await make_tenant(conn, REPS, RULES)
    drain = replace(a_drain(connections), presence=Presence(redis.url))
    await first.accept([lead(1)])
    async with trouble(redis):
        await settle(drain, first.tenant_id)
        assert (await first.states())["assigned"] == 1 and drain.presence.problem is not None

        async def asked(*_: object) -> None:
            raise AssertionError("a batch asks a Redis that does not answer")

        monkeypatch.setattr(Presence, "_look", asked)
        for number in range(5):
            tenant = await make_tenant(conn, REPS, RULES, name=f"t{number}")
            await tenant.accept([lead(1)])
            await settle(drain, tenant.tenant_id)
            assert (await tenant.states())["assigned"] == 1
    await drain.presence.aclose()


async def test_an_answer_that_is_late_costs_a_batch_its_deadline_once_and_no_more(
    redis: Troubled, conn: asyncpg.Connection, connections: Connections
) -> None:
    """So slow that it is no failure: whoever reads every second waits for it, batches do not."""
    drain = replace(a_drain(connections), presence=Presence(redis.url))
    first = await make_tenant(conn, REPS, RULES)
    redis.wire.slow(0.2)
    await first.accept([lead(1)])
    await settle(drain, first.tenant_id)
    await drain.presence.look()
    assert drain.presence.problem is None
    asked = redis.wire.passed_to_client
    for number in range(5):
        tenant = await make_tenant(conn, REPS, RULES, name=f"t{number}")
        await tenant.accept([lead(1)])
        await settle(drain, tenant.tenant_id)
        assert (await tenant.states())["assigned"] == 1
    assert redis.wire.passed_to_client == asked
    await drain.presence.aclose()


@each_trouble
async def test_each_instance_limits_by_itself_meanwhile_and_all_together_afterwards(
    redis: Troubled, trouble: Callable[[Troubled], AbstractAsyncContextManager[None]]
) -> None:
    limits = [RateLimits(1000, lambda: 5.0) for _ in range(2)]
    key = (EVERY_TENANT, "a")

    def known_elsewhere(one: RateLimits) -> int:
        return one._counts[key].elsewhere

    async def shared() -> bool:
        limits[1].take(key)
        await asyncio.sleep(0.05)
        here = limits[0]._counts[key].here
        # More, where what was sent into a silent wire was done when it was heard again.
        return known_elsewhere(limits[1]) >= here

    limits[0].take(key)
    async with running(*(RateSharingService(one, redis.url) for one in limits)) as told:
        await until(shared, "one knows of the other's requests")
        async with trouble(redis):

            async def is_said() -> bool:
                for one in limits:
                    one.take(key)
                await asyncio.sleep(0.02)
                return await says(told, "each instance limits by itself")

            await until(is_said, "/readyz says so")
        await until(lambda: works_again(told), "nothing fails any more")
        if trouble not in (gone, nonsense):  # a new server knows nothing of this window's requests until now
            await until(shared, "one knows of the other's requests again")


async def works_again(told: list[str | None]) -> bool:
    return told[-1] is None and told[-2] is None


async def found(conn: asyncpg.Connection, url: str | None) -> list[Finding]:
    presence = Presence(url, once=True)
    async with open_scene(conn, presence=presence, thorough=True) as scene:
        [one] = await examine(scene, ["redis_trouble"])
    await presence.aclose()
    assert one.failure is None, one.failure
    return list(one.findings)


@each_trouble
async def test_the_doctor_says_what_redis_does_and_which_fallbacks_hold(
    redis: Troubled, trouble: Callable[[Troubled], AbstractAsyncContextManager[None]], conn: asyncpg.Connection
) -> None:
    await make_tenant(conn, REPS, RULES)
    assert await found(conn, redis.url) == []
    async with trouble(redis):
        [one] = await found(conn, redis.url)
        expected = "Redis refuses what is needed: " if trouble is full else "Redis does not answer ("
        assert one.sentence.startswith(expected)
        assert "rate limits: each instance limits by itself" in one.sentence
        assert {row["use"] for row in one.evidence} == {"presence", "rate limits"}
    await until(lambda: is_fine(conn, redis.url), "nothing is found any more")


async def is_fine(conn: asyncpg.Connection, url: str) -> bool:
    return await found(conn, url) == []


async def test_status_names_the_fallbacks_that_hold(
    redis: Troubled, conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, REPS, RULES)
    async with gone(redis):
        shown = await CommandLine(status_command, database_url, redis.url).run()
    assert "fallbacks in use: presence: the last known presence for up to one ttl" in " ".join(shown.output.split())
    assert "[redis_trouble]" in shown.output


async def test_a_slow_redis_is_found_before_it_counts_as_gone(redis: Troubled, conn: asyncpg.Connection) -> None:
    redis.wire.slow(0.15)
    [one] = await found(conn, redis.url)
    assert one.sentence.startswith("Redis is slow: an answer took 0.3")


async def test_a_heartbeat_that_a_full_redis_refuses_is_not_reported_as_taken(
    redis: Troubled, conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, REPS, RULES)
    command = CommandLine(present_command, database_url, redis.url)
    async with full(redis):
        done = await command.run("r1", "--tenant", "acme")
        assert done.exit_code == 1 and "Redis did not take it: OutOfMemoryError" in done.output
    assert (await command.run("r1", "--tenant", "acme")).exit_code == 0


async def test_a_flush_takes_nobody_away_before_the_next_heartbeat_is_due(
    redis: Troubled, conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, REPS, RULES)
    seconds = [0.0]
    presence = Presence(redis.url, clock=lambda: seconds[0])
    drain = replace(a_drain(connections), presence=presence)
    for rep_id in ("r1", "r2"):
        await redis.beat(rep_id)

    async def looked() -> frozenset[int]:
        await presence.look()
        return presence.absent(tenant.tenant_id)

    async def settled() -> bool:
        seconds[0] += 1
        await presence.look()
        return presence.unsure(tenant.tenant_id) is None

    await tenant.accept([lead(1)])
    await settle(drain, tenant.tenant_id)
    await until(settled, "Redis is older than a heartbeat")
    assert await looked() == frozenset()
    async with redis.server.client() as client:
        await client.flushall()
    assert await looked() == frozenset()
    await redis.beat("r1")
    seconds[0] += 1.9
    assert await looked() == frozenset()
    seconds[0] += 0.2
    assert len(await looked()) == 1
    await presence.aclose()


async def test_a_managed_redis_that_forbids_what_it_says_of_itself_is_used_as_any_other(
    redis: Troubled, conn: asyncpg.Connection, connections: Connections
) -> None:
    await redis.acl("on", "nopass", "~*", "&*", "+@all", user="owner")
    await redis.acl("-info", "-config", "-client", "-hello", "-command", "-ping", "-acl")
    tenant = await make_tenant(conn, REPS, RULES)
    await redis.beat("r1")
    assert await found(conn, redis.url) == []
    drain = replace(a_drain(connections), presence=Presence(redis.url))

    async def away_is_known() -> bool:
        await drain.presence.look()
        return len(drain.presence.absent(tenant.tenant_id)) == 1

    await tenant.accept([lead(1)])
    await settle(drain, tenant.tenant_id)
    await until(away_is_known, "it has answered for longer than a heartbeat")
    assert drain.presence.problem is None
    limits = RateLimits(10)
    limits.take((1, "a"))
    async with running(RateSharingService(limits, redis.url)) as told:

        async def works() -> bool:
            return None in told

        await until(works, "the limits are shared")
        assert not any(told)
    await drain.presence.aclose()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_command_that_does_not_exist_here_is_a_refusal_that_is_named(
    kind: str, reachable_folder: Path, conn: asyncpg.Connection
) -> None:
    await make_tenant(conn, REPS, RULES)
    async with redis_server(kind, reachable_folder, "--rename-command", "INCRBY", "") as server:
        [one] = await found(conn, server.url)
        assert "unknown command" in one.sentence and {row["use"] for row in one.evidence} == {"rate limits"}
