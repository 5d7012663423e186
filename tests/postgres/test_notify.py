"""The notifier: people hear of what the doctor and the stall watch find, once in normal running, never not at all."""

import asyncio
import base64
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import asyncpg
import pytest
from standardwebhooks.webhooks import Webhook

from ops.audit.audit import audit
from ops.cli.commands import notify
from ops.doctor.finding import Severity
from ops.notify.channels import Channel, Kind
from ops.notify.look import NotifyLookService, encoded, look
from ops.notify.message import Facts, Message, item_of
from ops.notify.pace import LIMITS
from ops.notify.plan import Rhythm
from ops.notify.service import NotifyService, claim
from ops.stalls.service import StallsService
from router.drain.presence import Presence
from router.outbox.signing import new_secret
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.runtime.periodic import Periodic
from router.settings.model import NotifySettings, Settings, StallSettings
from router.store import notify as store
from router.store.connections.connections import Connections
from router.store.mutes import Muting, mute
from router.store.notify import NewMessage, channel_states
from router.telemetry.instruments import Instruments
from tests.command_line import CommandLine
from tests.findings import findings
from tests.notifying import Robot, a_channel, a_mailbox, a_robot, finding, hmac_sha256, mail_channel
from tests.support import until
from tests.world import lead, make_tenant, no_redis, reps_csv, simple_reps

FAST = NotifySettings(look_every_s=0.2, poll_interval_s=0.05, timeout_s=1.0, lease_s=2.0, repeat_s=3600, over_after_s=0)
IN_NO_GROUP = reps_csv(["a,A,yes,UTC,all", "b,B,yes,UTC,"], "rep_id,name,available,time_zone,groups")
SILENT = Instruments.silent()


def ids() -> str:
    return f"ntf_{random.getrandbits(64):x}"


@asynccontextmanager
async def running(*services: Periodic) -> AsyncIterator[None]:
    """The services, as in a daemon."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(one.run(Lifeline(stop, MonotonicClock(), lambda _: None))) for one in services]
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks)


def sender(
    connections: Connections, channels: Sequence[Channel], me: int = 1, settings: NotifySettings = FAST
) -> NotifyService:
    return NotifyService(connections, settings, channels, SILENT, me, random.random, ids)


def looker(connections: Connections, channels: Sequence[Channel], settings: NotifySettings = FAST) -> NotifyLookService:
    return NotifyLookService(connections, settings, channels, SILENT, no_redis, ids)


async def queue(conn: asyncpg.Connection, channel: Channel, *messages: Message) -> list[str]:
    """Messages for a channel, as a look makes them."""
    made = [NewMessage(ids(), channel.name, encoded(one)) for one in messages or [a_message()]]
    await store.see_channels(conn, [(channel.name, channel.kind.value)])
    number = await store.begin_look(conn, 0)
    assert number is not None and await store.write_look(conn, number, made, [], [])
    return [one.id for one in made]


def a_message(code: str = "stalled", tenant: str = "acme") -> Message:
    at = asyncio.get_running_loop().time()
    facts = Facts(at=NOW + timedelta(seconds=at % 1), waiting=7, top=item_of(finding()))
    return Message(scopes=(tenant,), facts=facts, fresh=(item_of(finding(code, tenant)),))


NOW = datetime(2026, 11, 28, tzinfo=UTC)


async def state(conn: asyncpg.Connection, name: str = "oncall") -> store.ChannelState:
    [one] = [one for one in await channel_states(conn) if one.channel == name]
    return one


async def came(robot: Robot, number: int) -> None:
    async def there() -> bool:
        return len(robot.got) >= number

    await until(there, f"{number} messages")


async def rests_over(conn: asyncpg.Connection) -> None:
    await conn.execute("update notify_channel set rests_until = null")


# -- from the fault to the person


async def test_a_fault_reaches_a_person_within_a_minute_and_so_does_its_end(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    """F2: a rep is in no group. Leads that nobody may take stand still, which the stall watch sees."""
    tenant = await make_tenant(conn, simple_reps(2))
    await tenant.accept([lead(1)])
    async with a_robot() as robot:
        channel = a_channel(Kind.FEISHU, robot.url, secret="s")
        stalls = StallsService(
            connections,
            StallSettings(look_every_s=0.2, after_s=1.0),
            Health(monotonic),
            SILENT,
            lambda: Presence(once=True),
            "a",
        )
        async with running(stalls, looker(connections, [channel]), sender(connections, [channel])):
            await came(robot, 1)
            begin = monotonic()
            await tenant.roster(IN_NO_GROUP)

            async def reported() -> bool:
                return any("reps_without_group" in text for text in robot.texts)

            await until(reported, "the finding is reported", 60)
            assert monotonic() - begin < 60

            async def stalled() -> bool:
                return any("[stalled]" in text for text in robot.texts)

            await until(stalled, "the stall is reported", 60)
            await tenant.roster(reps_csv(["b,B,yes,UTC,all"], "rep_id,name,available,time_zone,groups"))

            async def over() -> bool:
                texts = [text.partition("Over:")[2] for text in robot.texts]
                return any("reps_without_group" in text for text in texts)

            await until(over, "the end is reported", 60)
    text = next(one for one in robot.texts if "reps_without_group" in one)
    for needed in (
        "Leads waiting: 1, the oldest for",
        "Doctor's top finding: ",
        "Fix: lead-router ",
        "Runbook: runbooks/",
    ):
        assert needed in text
    assert "Last change: " in text and "by test" in text
    assert (await audit(conn)).violations == []


async def test_messages_name_no_lead_by_name_phone_or_mail(conn: asyncpg.Connection, connections: Connections) -> None:
    tenant = await make_tenant(conn, IN_NO_GROUP)
    await tenant.accept([lead(1, name="Wang Xiaoming", phone="+8613800138000", email="wang@example.com")])
    await conn.execute(
        "insert into change (tenant_id, actor, action, subject, before, after, why)"
        " values ($1, 'ann@example.com', 'reps set', 'b', '', '+8613800138000', 'call 13800138000')",
        tenant.tenant_id,
    )
    async with a_robot() as robot:
        channel = a_channel(Kind.WECOM, robot.url)
        async with running(looker(connections, [channel]), sender(connections, [channel])):
            await came(robot, 1)
    stored = str(await conn.fetch("select * from notify_alert")) + str(await conn.fetch("select * from notify_message"))
    for text in (*robot.texts, stored):
        assert not any(word in text for word in ("Xiaoming", "138001380", "wang@", "ann@"))
    assert "a***@example.com" in "".join(robot.texts)


# -- what a look queues


async def looks(conn: asyncpg.Connection, *channels: Channel, rhythm: Rhythm | None = None) -> list[asyncpg.Record]:
    """What one look adds to the queue."""
    await store.see_channels(conn, [(one.name, one.kind.value) for one in channels])
    last = await conn.fetchval("select coalesce(max(number), 0) from notify_message")
    number = await store.begin_look(conn, 0)
    assert number is not None
    await look(conn, number, channels, no_redis, rhythm or Rhythm(over_after=timedelta(0)), ids)
    return await conn.fetch("select channel, body::jsonb from notify_message where number > $1 order by number", last)


async def test_a_finding_is_queued_once_for_each_channel_and_a_muted_one_not_at_all(conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, IN_NO_GROUP)
    # Not of the service as a whole: the server of tests has settings that the doctor does not like.
    one = a_channel(tenants=["acme"])
    other = a_channel(name="severe", minimum=Severity.CRITICAL, tenants=["acme"])
    what = Muting(tenant.tenant_id, "reps_without_group", "tenant", "acme", "warning", 0)
    await mute(conn, [what], timedelta(hours=1), "ann", "known")
    assert await looks(conn, one, other) == []
    await conn.execute("delete from mute")
    assert [row["channel"] for row in await looks(conn, one, other)] == ["oncall"]
    assert await looks(conn, one, other) == []
    assert [row["channel"] for row in await looks(conn, one, other, rhythm=Rhythm(repeat=timedelta(0)))] == ["oncall"]
    # Muted later, it is neither repeated nor said to be over; when it is over, that is said.
    await mute(conn, [what], timedelta(hours=1), "ann", "known")
    assert await looks(conn, one, other, rhythm=Rhythm(timedelta(0), timedelta(0))) == []
    await tenant.roster(reps_csv(["b,B,yes,UTC,all"], "rep_id,name,available,time_zone,groups"))
    [over] = await looks(conn, one, other)
    assert "reps_without_group" in over["body"] and '"fresh": []' in over["body"]
    assert await conn.fetchval("select count(*) from notify_alert") == 0


async def test_a_look_that_another_instance_overtook_writes_nothing(conn: asyncpg.Connection) -> None:
    await make_tenant(conn, IN_NO_GROUP)
    await store.see_channels(conn, [("oncall", "webhook")])
    number = await store.begin_look(conn, 0)
    assert number is not None and await store.begin_look(conn, 60) is None
    assert await store.begin_look(conn, 0) == number + 1
    channel = a_channel(tenants=["acme"])
    assert not await look(conn, number, [channel], no_redis, Rhythm(), ids)
    assert await conn.fetchval("select count(*) from notify_message") == 0
    assert await look(conn, number + 1, [channel], no_redis, Rhythm(), ids)
    assert await conn.fetchval("select count(*) from notify_message") == 1


async def test_a_channel_that_was_removed_leaves_nothing_behind(conn: asyncpg.Connection) -> None:
    await queue(conn, a_channel())
    await conn.execute("update notify_channel set seen_at = now() - interval '8 days'")
    await store.see_channels(conn, [("new", "webhook")])
    assert await conn.fetchval("select count(*) from notify_message") == 0
    assert [one.channel for one in await channel_states(conn)] == ["new"]


# -- sending


async def test_a_signed_message_arrives_as_each_product_wants_it(
    conn: asyncpg.Connection, connections: Connections
) -> None:

    secret = new_secret(random.Random(3).randbytes(32))
    async with a_robot() as robot, a_mailbox() as box:
        channels = [
            a_channel(Kind.DINGTALK, robot.url, name="d", secret="SECd"),
            a_channel(Kind.FEISHU, robot.url, name="f", secret="sf"),
            a_channel(Kind.WECOM, robot.url, name="w"),
            a_channel(Kind.WEBHOOK, robot.url, name="h", secret=secret),
            mail_channel(box, "ann@example.com", "bob@example.com", name="m", language="zh"),
        ]
        sent = {one.name: (await queue(conn, one))[0] for one in channels}
        async with running(sender(connections, channels)):
            await came(robot, 4)

            async def mailed() -> bool:
                return bool(box.mails)

            await until(mailed, "the mail")
    by_kind = {}
    for at, (query, body) in enumerate(robot.got):
        assert query["access_token"] == "k3y-of-robot"
        kind = "h" if "webhook-id" in robot.headers[at] else "f" if "msg_type" in body else body["msgtype"][0]
        by_kind["d" if kind == "t" else "w" if kind == "m" else kind] = (at, query, body)
    assert sorted(by_kind) == ["d", "f", "h", "w"]
    _, query, _ = by_kind["d"]
    expected = hmac_sha256(b"SECd", f"{query['timestamp']}\nSECd".encode())
    assert base64.b64decode(query["sign"]) == expected and len(query["timestamp"]) == 13
    _, _, body = by_kind["f"]
    assert base64.b64decode(body["sign"]) == hmac_sha256(f"{body['timestamp']}\nsf".encode(), b"")
    assert len(body["timestamp"]) == 10
    at, _, body = by_kind["h"]
    assert Webhook(secret).verify(robot.raw[at], robot.headers[at])
    assert body["id"] == sent["h"] and body["new"][0]["runbook"] == "runbooks/stalled.md" and body["leads_waiting"] == 7
    [(recipients, text)] = box.mails
    assert recipients == ["ann@example.com", "bob@example.com"]
    assert f"Message-ID: <{sent['m']}@example.com>" in text
    assert await conn.fetchval("select count(*) from notify_message") == 0
    assert all(one.succeeded_at and not one.failures and not one.held for one in await channel_states(conn))


async def test_an_answer_200_with_a_failure_is_tried_again_and_the_error_shows_no_credential(
    conn: asyncpg.Connection, connections: Connections, capfd: pytest.CaptureFixture[str]
) -> None:
    def answer(number: int) -> tuple[int, dict[str, object]]:
        said = {"errcode": 310000, "errmsg": "bad token k3y-of-robot, SECd"}
        return 200, said if number == 0 else {"errcode": 0}

    async with a_robot(answer=answer) as robot:
        channel = a_channel(Kind.DINGTALK, robot.url, secret="SECd")
        [ident] = await queue(conn, channel)
        async with running(sender(connections, [channel])):

            async def failed() -> bool:
                return (await state(conn)).failures == 1

            await until(failed, "a failure")
            found = await state(conn)
            assert found.last_error == "errcode 310000: bad token ***, ***" and found.rests_until is not None
            assert found.waiting == 1
            await rests_over(conn)
            await came(robot, 2)

            async def works() -> bool:
                return (await state(conn)).failing_since is None

            await until(works, "it works again")
    assert all(ident in text for text in robot.texts)
    assert (await state(conn)).waiting == 0
    assert "k3y-of-robot" not in str(capfd.readouterr()) + str(await conn.fetch("select * from notify_channel"))


async def test_a_robot_that_throttles_is_left_alone_as_long_as_it_asks(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    async with a_robot(answer=lambda _: (200, {"errcode": 410100, "errmsg": "send too fast"})) as robot:
        channel = a_channel(Kind.DINGTALK, robot.url)
        await queue(conn, channel)
        async with running(sender(connections, [channel])):

            async def failed() -> bool:
                return (await state(conn)).failures == 1

            await until(failed, "a failure")
        rest = await conn.fetchval("select extract(epoch from rests_until - now())::float8 from notify_channel")
        assert 590 < rest <= 600
        assert len(robot.got) == 1


async def test_a_channel_that_hangs_delays_no_other(conn: asyncpg.Connection, connections: Connections) -> None:
    async with a_robot(hangs=True) as stuck, a_robot() as robot:
        channels = [a_channel(Kind.WECOM, stuck.url, name="stuck"), a_channel(Kind.WECOM, robot.url, name="works")]
        for one in channels:
            await queue(conn, one)
        async with running(sender(connections, channels)):
            await came(stuck, 1)
            await came(robot, 1)

            async def failed() -> bool:
                return (await state(conn, "stuck")).last_error == "no answer in time"

            await until(failed, "the hanging one is given up")
    assert (await state(conn, "stuck")).waiting == 1


async def test_more_messages_than_a_robot_takes_become_one_summary_and_none_is_lost(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    [(_, most)] = LIMITS[Kind.DINGTALK]
    async with a_robot() as robot:
        channel = a_channel(Kind.DINGTALK, robot.url)
        await queue(conn, channel, *(a_message(f"code_{at}", f"t{at}") for at in range(60)))
        async with running(sender(connections, [channel], 1), sender(connections, [channel], 2)):
            await came(robot, 1)
            assert all(f"[code_{at}]" in robot.texts[0] for at in range(60))
            assert "Summary of 60 messages" in robot.texts[0]
            for at in range(60, 60 + most + 5):
                await queue(conn, channel, a_message(f"code_{at}"))

            async def one_left() -> bool:
                return (await state(conn)).waiting <= 1

            await until(one_left, "the rest is one message")
        assert len(robot.got) <= most
    rest = str(await conn.fetch("select body from notify_message"))
    said = {int(one) for one in re.findall(r"code_(\d+)", "".join(robot.texts) + rest)}
    assert said == set(range(60 + most + 5))


async def test_two_instances_send_each_message_once(conn: asyncpg.Connection, connections: Connections) -> None:
    tenants = [await make_tenant(conn, IN_NO_GROUP, name=f"t{at}") for at in range(3)]
    async with a_robot() as robot:
        channel = a_channel(Kind.WEBHOOK, robot.url)
        services = [looker(connections, [channel]) for _ in range(2)] + [
            sender(connections, [channel], me) for me in (1, 2)
        ]
        async with running(*services):
            await came(robot, 3)
            await tenants[0].roster(reps_csv(["b,B,yes,UTC,all"], "rep_id,name,available,time_zone,groups"))

            async def over() -> bool:
                return any(body["over"] for _, body in robot.got)

            await until(over, "an end")
            looked = await conn.fetchval("select look_no from notify_look")

            async def looked_on() -> bool:
                return bool(await conn.fetchval("select look_no >= $1 from notify_look", looked + 3))

            await until(looked_on, "more looks")
    reported = [(body["tenants"], item["code"]) for _, body in robot.got for item in body["new"]]
    assert len(reported) == len({str(one) for one in reported})
    idents = [body["id"] for _, body in robot.got]
    assert len(idents) == len(set(idents))


SENDER = """
import asyncio, random, sys
from ops.notify.channels import Channel, Kind
from ops.notify.service import NotifyService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import NotifySettings
from router.store.connections.connections import open_connections
from router.telemetry.instruments import Instruments

async def main(database, url):
    settings = NotifySettings(poll_interval_s=0.05, timeout_s=30, lease_s=1)
    channel = Channel("oncall", Kind.WEBHOOK, url=url, allow_private=True)
    async with open_connections(database) as connections:
        service = NotifyService(connections, settings, [channel], Instruments.silent(), 99, random.random, lambda: "x")
        await service.run(Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_sender_that_is_killed_in_the_middle_loses_no_message_and_changes_no_id(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    async with a_robot(hangs=True) as robot:
        channel = a_channel(Kind.WEBHOOK, robot.url)
        [ident] = await queue(conn, channel)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SENDER, database_url, robot.url, cwd=Path(__file__).parents[2]
        )
        try:
            await came(robot, 1)
            assert (await state(conn)).held
        finally:
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
        robot.hangs = False
        # Its lease is cut short here; by itself it ends after the time that an attempt may last.
        await conn.execute("update notify_channel set held_until = now() + interval '0.5 s'")
        async with running(sender(connections, [channel], 2)):
            await came(robot, 2)

            async def done() -> bool:
                return (await state(conn)).waiting == 0

            await until(done, "the message is settled")
    assert [body["id"] for _, body in robot.got] == [ident, ident]


async def test_a_sender_that_is_stopped_leaves_the_channel_to_the_next_at_once(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    async with a_robot() as robot:
        channel = a_channel(Kind.WECOM, robot.url)
        await queue(conn, channel)
        async with running(sender(connections, [channel], 1)):
            await came(robot, 1)
        assert not (await state(conn)).held
        async with conn.transaction():
            assert await store.take(conn, channel.name, 2, 5) is not None
            assert await store.take(conn, channel.name, 3, 5) is None
        assert await claim(conn, channel, 3, 5, 1, ids) is None


async def test_a_private_address_is_refused_unless_the_channel_allows_it(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    async with a_robot() as robot, a_mailbox() as box:
        channels = [
            a_channel(Kind.WECOM, robot.url, name="literal", allow_private=False),
            a_channel(Kind.WECOM, robot.url.replace("127.0.0.1", "localhost"), name="named", allow_private=False),
            mail_channel(box, name="mail", allow_private=False),
        ]
        for one in channels:
            await queue(conn, one)
        async with running(sender(connections, channels)):

            async def all_failed() -> bool:
                return all(one.failures for one in await channel_states(conn))

            await until(all_failed, "all are refused")
    assert robot.got == [] and box.mails == []
    assert {one.last_error for one in await channel_states(conn)} == {
        "its address is not public, and the channel does not say allow_private: true"
    }


async def test_recipients_that_are_refused_keep_no_mail_from_the_others(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    async with a_mailbox(frozenset({"gone@example.com"})) as box:
        some = mail_channel(box, "ann@example.com", "gone@example.com", name="some")
        none = mail_channel(box, "gone@example.com", name="none")
        for one in (some, none):
            await queue(conn, one)
        async with running(sender(connections, [some, none])):

            async def settled() -> bool:
                found = {one.channel: one for one in await channel_states(conn)}
                return found["some"].succeeded_at is not None and found["none"].failures > 0

            await until(settled, "both are settled")
    assert [to for to, _ in box.mails] == [["ann@example.com"]]
    assert (await state(conn, "none")).last_error == "all recipients were refused: 550"


# -- operators


async def test_a_channel_that_fails_for_long_is_a_finding(conn: asyncpg.Connection) -> None:
    await queue(conn, a_channel(Kind.WECOM))
    now = await conn.fetchval("select clock_timestamp()")
    later = now + timedelta(minutes=6)
    assert await findings(conn, "notify_failing", now) == []
    [unsent] = await findings(conn, "notify_failing", later)
    assert "no process with the role duties" in unsent.sentence
    await conn.execute("update notify_channel set failures = 3, failing_since = now(), last_error = 'errcode 93000'")
    [failing] = await findings(conn, "notify_failing", later)
    assert "3 times in a row: errcode 93000; 1 message waiting" in failing.sentence
    assert failing.command == "lead-router notify test oncall"
    assert await findings(conn, "notify_failing", now + timedelta(hours=2)) == []
    await store.worked(conn, "oncall", await conn.fetchval("select number from notify_message"))
    assert await findings(conn, "notify_failing", later) == []
    await store.give_up(conn, "oncall", [])
    [given_up] = await findings(conn, "notify_failing", later)
    assert "given up" in given_up.sentence


async def test_people_can_try_a_channel_and_see_how_all_fare(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    await make_tenant(conn, IN_NO_GROUP)
    file = tmp_path / "notify.yaml"
    async with a_robot(answer=lambda n: (200, {"errcode": 0 if n == 0 else 93000, "errmsg": ""})) as robot:
        file.write_text(
            f"channels:\n- {{name: oncall, kind: wecom, url: '{robot.url}', allow_private: true, language: zh}}\n"
        )
        command = CommandLine(notify, database_url, settings=Settings(notify=NotifySettings(file=file)))
        dry = await command.json("test", "oncall", "--dry-run")
        assert robot.got == [] and dry["sent"] is False and "测试" in dry["text"]
        [unused] = await command.json("list")
        assert unused["used"] is False
        tried = await command.json("test", "oncall")
        assert tried["sent"] is True and tried["id"] in robot.texts[0]
        assert "[reps_without_group]" in robot.texts[0] and "这是一条测试消息" in robot.texts[0]
        refused = await command.run("test", "oncall")
        assert refused.exit_code == 1 and "errcode 93000" in refused.output
        [one] = await command.json("list", code=1)
        assert one["last_error"] == "errcode 93000" and one["succeeded_at"] and one["waiting"] == 0
        shown = await command.run("list")
        assert "oncall" in shown.output and "errcode 93000" in shown.output
        for text in (str(dry), str(tried), refused.output, str(one), shown.output):
            assert "k3y-of-robot" not in text
        assert "did you mean oncall" in (await command.run("test", "oncal")).output
    # Trying counts for the rate limit.
    assert len((await state(conn)).attempts) == 2
    none = await CommandLine(notify, database_url).run("list")
    assert none.exit_code == 2 and "notify.file" in none.output
