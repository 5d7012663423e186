"""Presence over a real Redis: who is away gets nothing, who comes back is given leads; without Redis all goes on."""

import asyncio
import shlex
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from redis.asyncio import Redis

from ops.cli.present import present as present_command
from ops.cli.rules_trial import try_rules
from ops.cli.status import status as status_command
from ops.cli.why import why as why_command
from ops.embedded.account import server_account
from ops.embedded.server import Valkey
from router.drain.drain import Drain
from router.drain.hints import Wakeups
from router.drain.presence import Presence, Unsure, Watched, heartbeat_key
from router.drain.presence_service import PresenceService
from router.drain.replay import rerun
from router.drain.scheduler import DrainService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.runtime.supervisor import Service
from router.store.connections.connections import Connections
from router.store.engines import Engines
from tests.command_line import CommandLine
from tests.support import until
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

RULES = """
presence: {groups: [East], ttl: 2s}
rules:
  - {name: west, match: {region: [west]}, assign_to: "group:west"}
  - {name: all, match: {}, assign_to: "group:east"}
"""
REPS = reps_csv(["r1,One,yes,UTC,east,100,100", "r2,Two,yes,UTC,east,100,100", "r3,Three,yes,UTC,west,100,100"])


@pytest.fixture(autouse=True)
def patient_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Redis says is waited for as long as a busy machine needs for it; else who is present would not be known."""
    monkeypatch.setattr("router.drain.presence._BATCH_DEADLINE_S", 10.0)


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, REPS, RULES)


def older_than_a_heartbeat(client: Redis) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return bool((await client.info("server"))["uptime_in_seconds"] >= 2)

    return look


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)

    await until(older_than_a_heartbeat(client), "a Redis that is older than a heartbeat")
    yield client
    await client.aclose()


def with_presence(connections: Connections, url: str | None) -> Drain:
    return replace(a_drain(connections), presence=Presence(url))


async def beat(redis: Redis, rep_id: str, seconds: float = 60) -> None:
    await redis.set(heartbeat_key("acme", rep_id), "1", px=round(seconds * 1000))


POLL_S, BEFORE_THE_POLL_S = 60.0, 30.0


@asynccontextmanager
async def routing(drain: Drain) -> AsyncIterator[Wakeups]:
    """The daemon's drain and its watch, as services; the database is polled only every minute."""
    wakeups, stop = Wakeups(), asyncio.Event()
    services: list[Service] = [
        DrainService(drain, wakeups, jitter=lambda: 0.0, poll_interval_s=POLL_S),
        PresenceService(drain.presence, wakeups.hint),
    ]
    tasks = [asyncio.create_task(s.run(Lifeline(stop, MonotonicClock(), lambda _: None))) for s in services]
    try:
        yield wakeups
    finally:
        stop.set()
        wakeups.poke()
        await asyncio.gather(*tasks)


def has(tenant: Tenancy, counts: dict[str, int]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return await tenant.counts() == counts

    return look


async def test_who_is_away_gets_nothing_and_the_record_says_why(
    tenant: Tenancy, connections: Connections, redis: Redis, redis_url: str
) -> None:
    await beat(redis, "r1")
    drain = with_presence(connections, redis_url)
    await tenant.accept([lead(1), lead(2), lead(3, region="west")])
    await settle(drain, tenant.tenant_id)
    assert await tenant.counts() == {"r1": 2, "r3": 1}
    again = await rerun(tenant.conn, Engines(), tenant.tenant_id, 1)
    assert (again.differences, again.not_compared) == ([], "")
    await redis.delete(heartbeat_key("acme", "r1"))
    assert await drain.presence.look() == [tenant.tenant_id]
    await tenant.accept([lead(4)])
    await settle(drain, tenant.tenant_id)
    assert (await tenant.states())["waiting"] == 1


async def test_who_comes_back_gets_the_waiting_leads_long_before_the_poll(
    tenant: Tenancy, connections: Connections, redis: Redis, redis_url: str
) -> None:
    await tenant.accept([lead(1)])
    drain = with_presence(connections, redis_url)
    async with routing(drain):

        async def refused() -> bool:
            return bool(await tenant.conn.fetchval("select wake_key <> 0 from lead_pool"))

        await until(refused, "a lead that waits since nobody is present")
        await beat(redis, "r2")
        await until(has(tenant, {"r2": 1}), "the lead at the rep who came back", deadline_s=BEFORE_THE_POLL_S)


async def test_without_redis_the_working_hours_decide_and_it_is_said_once(
    tenant: Tenancy, connections: Connections
) -> None:
    for url in (None, "redis://127.0.0.1:1"):
        drain = with_presence(connections, url)
        await tenant.accept([lead(1 if url else 2)])
        with structlog.testing.capture_logs() as logs:
            await settle(drain, tenant.tenant_id)
            await drain.presence.look()
        assert [log["event"] for log in logs if log["log_level"] == "warning"] == [
            "presence unknown: the last known holds, then the working hours"
        ]
    assert await tenant.counts() == {"r1": 1, "r2": 1}


async def test_rules_that_ask_for_nobodys_presence_never_ask_redis(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    rules = RULES.replace("presence: {groups: [East], ttl: 2s}", "")
    tenant = await make_tenant(conn, REPS, rules)
    drain = with_presence(connections, "redis://127.0.0.1:1")
    await tenant.accept([lead(1)])
    with structlog.testing.capture_logs() as logs:
        await settle(drain, tenant.tenant_id)
        assert await drain.presence.look() == []
    assert not [log for log in logs if log["log_level"] == "warning"]


async def test_new_rules_and_reps_are_watched_from_their_first_batch(
    tenant: Tenancy, connections: Connections, redis: Redis, redis_url: str
) -> None:
    drain = with_presence(connections, redis_url)
    await tenant.accept([lead(1)])
    await settle(drain, tenant.tenant_id)
    assert await tenant.counts() == {}
    await beat(redis, "r9")
    await tenant.roster(reps_csv(["r9,Nine,yes,UTC,east,100,100"]))
    await settle(drain, tenant.tenant_id)
    assert await tenant.counts() == {"r9": 1}
    await tenant.rules(RULES.replace("presence: {groups: [East], ttl: 2s}", ""))
    await tenant.accept([lead(n) for n in range(2, 8)])
    await settle(drain, tenant.tenant_id)
    assert set(await tenant.counts()) == {"r1", "r2", "r9"}


async def test_a_redis_killed_in_the_middle_stops_nothing_and_takes_nobody_away(
    tenant: Tenancy, connections: Connections, reachable_folder: Path
) -> None:
    folder = reachable_folder / f"valkey-{uuid.uuid4().hex}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with (folder / "log").open("wb") as log_file:
        valkey = Valkey(folder, server_account(folder), log_file)
        valkey.start()
        client = Redis.from_url(valkey.url)
        await until(older_than_a_heartbeat(client), "a Redis that is older than a heartbeat")
        await client.set(heartbeat_key("acme", "r1"), "1")
        drain, seconds = with_presence(connections, valkey.url), 0.0
        drain.presence.clock = lambda: seconds
        async with routing(drain) as wakeups:

            async def given(number: int, counts: dict[str, int]) -> None:
                await tenant.accept([lead(number)])
                wakeups.hint(tenant.tenant_id)
                await until(has(tenant, counts), f"lead {number} to be given")

            await given(1, {"r1": 1})
            assert valkey.process
            with structlog.testing.capture_logs() as logs:
                valkey.process.kill()
                valkey.process.wait()

                async def noticed() -> bool:
                    return any(log["log_level"] == "warning" for log in logs)

                await until(noticed, "the log to say that presence is unknown")
            # The last known presence holds as long as a heartbeat, and then the working hours: r2 too is given leads.
            await given(2, {"r1": 2})
            seconds = 10.0

            async def by_working_hours() -> bool:
                return not drain.presence.absent(tenant.tenant_id)

            await until(by_working_hours, "presence to be given up")
            await given(3, {"r1": 3})
            await given(4, {"r1": 3, "r2": 1})
        await client.aclose()


async def test_the_command_sends_a_heartbeat_that_ends_by_itself(
    tenant: Tenancy, database_url: str, redis: Redis, redis_url: str
) -> None:
    command = CommandLine(present_command, database_url, redis_url)
    told = await command.json("r1", "--tenant", "acme")
    assert told == {"rep_id": "r1", "present": True, "seconds": 2.0}
    assert 0 < await redis.pttl(heartbeat_key("acme", "r1")) <= 2000
    assert "away" in (await command.run("r1", "--tenant", "acme", "--away")).output
    assert not await redis.exists(heartbeat_key("acme", "r1"))
    assert (await command.run("r7", "--tenant", "acme")).exit_code == 2
    assert (await command.run("r1", "--tenant", "other")).exit_code == 2
    assert (await CommandLine(present_command, database_url).run("r1", "--tenant", "acme")).exit_code == 2
    assert (
        await CommandLine(present_command, database_url, "redis://127.0.0.1:1").run("r1", "--tenant", "acme")
    ).exit_code == 1
    await tenant.rules(RULES.replace("presence: {groups: [East], ttl: 2s}", ""))
    assert "do not use presence" in (await command.run("r1", "--tenant", "acme")).output


def test_nobody_goes_away_before_there_was_time_for_the_next_heartbeat() -> None:
    watched = Watched((1, 2), ("a", "b"), ttl_s=90.0)
    both, one = frozenset({1, 2}), frozenset({1})
    watched.hear(both, uptime_s=5.0, now=0.0)
    assert watched.absent == frozenset()  # Redis has just begun: it cannot know yet
    watched.hear(one, uptime_s=95.0, now=90.0)
    assert watched.absent == one
    watched.hear_nothing(now=91.0)
    assert watched.absent == one  # the last known
    watched.hear(both, uptime_s=100.0, now=95.0)
    assert watched.absent == one  # it was away: heartbeats may be missing
    watched.hear(both, uptime_s=200.0, now=185.0)
    assert watched.absent == both
    watched.hear(frozenset(), uptime_s=3.0, now=190.0)
    assert watched.absent == frozenset()  # who comes counts at once
    watched.hear(one, uptime_s=300.0, now=300.0)
    watched.hear_nothing(now=389.0)
    assert watched.absent == one
    watched.hear_nothing(now=391.0)
    assert watched.absent == frozenset()  # then the working hours alone


async def told(database_url: str, redis_url: str | None) -> tuple[dict[str, int], dict[str, Any]]:
    """What `status` counts by reason, and what `why` tells of the waiting lead e9."""
    counted = await CommandLine(status_command, database_url, redis_url).json()
    why = await CommandLine(why_command, database_url, redis_url).json("e9", "--tenant", "acme")
    return counted["waiting_by_reason"], why["waiting"]


async def test_a_lead_whose_reps_are_all_away_is_not_told_to_have_room(
    tenant: Tenancy, connections: Connections, database_url: str, redis: Redis, redis_url: str
) -> None:
    await tenant.accept([lead(9)])
    await settle(with_presence(connections, redis_url), tenant.tenant_id)
    counted, why = await told(database_url, redis_url)
    assert counted == {"nobody_available": 1}
    assert (why["reason"], why["somebody_has_room"], why["presence_unknown"]) == ("nobody_available", False, None)
    text = await CommandLine(why_command, database_url, redis_url).run("e9", "--tenant", "acme", "--lang", "en")
    assert "left out, not present: 2 (r1, r2)" in text.output
    await beat(redis, "r2")
    counted, why = await told(database_url, redis_url)
    assert counted == {"ready": 1} and why["somebody_has_room"]


async def test_who_is_away_is_named_with_the_heartbeat_that_would_place_the_lead(
    tenant: Tenancy, connections: Connections, database_url: str, redis: Redis, redis_url: str
) -> None:
    await tenant.accept([lead(9)])
    await settle(with_presence(connections, redis_url), tenant.tenant_id)
    command = CommandLine(why_command, database_url, redis_url)
    first, *others = (await command.json("e9", "--tenant", "acme"))["what_would_it_take"]["changes"]
    assert (first["kind"], first["rep_id"], first["gets_it"]["rep_id"]) == ("present", "r1", "r1")
    # Whoever joins the group has to be present too, and is not.
    assert "groups" not in {other["kind"] for other in others}
    (printed,) = first["commands"]
    assert printed == "lead-router reps present r1 --tenant acme"
    done = await CommandLine(present_command, database_url, redis_url).run(*shlex.split(printed)[3:])
    assert done.exit_code == 0, done.output
    # A heartbeat of these rules is over in 2 s.
    await beat(redis, "r1")
    await settle(with_presence(connections, redis_url), tenant.tenant_id)
    assert await tenant.counts() == {"r1": 1}


async def test_without_redis_commands_judge_by_the_working_hours_and_say_so_soon(
    tenant: Tenancy, connections: Connections, database_url: str, redis: Redis, redis_url: str
) -> None:
    await tenant.accept([lead(9)])
    await settle(with_presence(connections, redis_url), tenant.tenant_id)
    async with mute_server([]) as mute:
        for url, unsure in ((None, "no_redis"), ("redis://127.0.0.1:1", "no_answer"), (mute, "no_answer")):
            async with asyncio.timeout(60):  # without a deadline of theirs it would be for ever
                counted, why = await told(database_url, url)
            assert counted == {"ready": 1}
            assert (why["somebody_has_room"], why["presence_unknown"]) == (True, unsure)
    text = (await CommandLine(why_command, database_url, "redis://127.0.0.1:1").run("e9", "--tenant", "acme")).output
    assert "Presence unknown: Redis does not answer" in text


@asynccontextmanager
async def mute_server(asked: list[object]) -> AsyncIterator[str]:
    """A Redis that takes connections, which are put into `asked`, and never says a word."""
    server = await asyncio.start_server(lambda reader, writer: asked.append(writer), "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_trying_rules_passes_over_who_is_away(
    tenant: Tenancy, database_url: str, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    await beat(redis, "r2")
    (tmp_path / "rules.yaml").write_text(RULES)
    arguments = (str(tmp_path / "rules.yaml"), "--tenant", "acme", "--lead", "{}")
    tried = await CommandLine(try_rules, database_url, redis_url).json(*arguments)
    assert (tried["outcome"]["rep_id"], tried["presence_unknown"]) == ("r2", None)
    tried = await CommandLine(try_rules, database_url).json(*arguments)
    assert (tried["outcome"]["rep_id"], tried["presence_unknown"]) == ("r1", "no_redis")


async def test_many_tenants_cost_a_command_one_deadline_of_a_silent_redis(
    tenant: Tenancy, conn: asyncpg.Connection
) -> None:
    asked: list[object] = []
    async with mute_server(asked) as url:
        presence, engines = Presence(url, once=True), Engines()
        engine = await engines.get(conn, tenant.tenant_id, (1, 1, 0))
        for number in range(20):
            await presence.watch(number, "acme", engine)
            assert presence.unsure(number) is Unsure.NO_ANSWER
        assert len(asked) == 1
        await presence.aclose()


async def test_status_warns_when_it_cannot_know_who_is_present(
    tenant: Tenancy, database_url: str, redis_url: str
) -> None:
    for url, words in ((None, "no Redis is configured"), ("redis://127.0.0.1:1", "does not answer")):
        found = await CommandLine(status_command, database_url, url).json()
        assert words in found["tenants"][0]["warnings"][0]
    assert (await CommandLine(status_command, database_url, redis_url).json())["tenants"][0]["warnings"] == []
    await tenant.rules(RULES.replace("presence: {groups: [East], ttl: 2s}", ""))
    assert (await CommandLine(status_command, database_url).json())["tenants"][0]["warnings"] == []


@asynccontextmanager
async def a_redis_that_says(answer: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """Speaks the protocol, and whatever `answer` makes of what was asked; yields its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while asked := await reader.read(1 << 20):
                writer.write(answer(asked))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()


def heartbeats_of(asked: bytes, info: bytes) -> bytes:
    """An answer for each command: OK, all heartbeats there, and `info`."""
    said = b""
    for command in asked.split(b"*")[1:]:
        if b"MGET" in command:
            keys = command.count(b"lead-router:")
            said += b"*%d\r\n" % keys + b"$1\r\n1\r\n" * keys
        else:
            said += info if b"INFO" in command else b"+OK\r\n"
    return said


@pytest.mark.parametrize(
    "info",
    [
        b"-NOPERM User default has no permissions to run the 'info' command\r\n",
        b"$13\r\n# Server\r\na:1\r\n",
        b"$30\r\nuptime_in_seconds:not-a-number\r\n",
    ],
)
async def test_a_redis_that_may_not_say_how_old_it_is_serves_all_the_same(
    tenant: Tenancy, connections: Connections, info: bytes
) -> None:
    async with a_redis_that_says(lambda asked: heartbeats_of(asked, info)) as url:
        drain = with_presence(connections, url)
        await tenant.accept([lead(1)])
        await settle(drain, tenant.tenant_id)
        assert (await tenant.states())["assigned"] == 1
        assert drain.presence.unsure(tenant.tenant_id) in (None, Unsure.TOO_NEW)
        await drain.presence.aclose()


@pytest.mark.parametrize(
    "said", [b"garbage", b":1\r\n:2\r\n:3\r\n", b"*-1\r\n*-1\r\n*-1\r\n", b"+OK\r\n" * 9, b"\xff\xfe\r\n"]
)
async def test_nothing_that_redis_says_stops_the_routing(
    tenant: Tenancy, connections: Connections, said: bytes
) -> None:
    async with a_redis_that_says(lambda _: said) as url:
        drain = with_presence(connections, url)
        await tenant.accept([lead(1), lead(2)])
        await settle(drain, tenant.tenant_id)
        assert (await tenant.states())["assigned"] == 2
        assert await drain.presence.look() == []
        await drain.presence.aclose()


async def test_a_silent_redis_costs_many_tenants_one_deadline(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    asked: list[object] = []
    async with mute_server(asked) as url:
        drain = with_presence(connections, url)
        tenants = [await make_tenant(conn, REPS, RULES, name=f"t{number}") for number in range(12)]
        for one in tenants:
            await one.accept([lead(1)])
        for one in tenants:
            await settle(drain, one.tenant_id)
        assert len(asked) == 1
        await drain.presence.look()
        assert len(asked) == 2
        assert [(await one.states())["assigned"] for one in tenants] == [1] * 12
        await drain.presence.aclose()
