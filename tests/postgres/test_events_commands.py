"""`lead-router events`, `tenants events` and `webhooks`: what people and scripts get to see, also for wrong input."""

import asyncio
import json
from datetime import timedelta, timezone
from pathlib import Path

import asyncpg
import pytest

from ops.cli.events import events
from ops.cli.tenants import events as switch
from ops.cli.webhooks import add, list_
from ops.cli.webhooks import test as try_out
from ops.cli.webhooks_again import dead, redeliver
from ops.cli.webhooks_change import disable, enable, remove, rotate
from router.outbox.cursor import START
from router.outbox.feed import read_events
from router.outbox.signing import PREFIX, new_secret
from router.settings.model import Settings, WebhookSettings
from router.store import tenants
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.postgres.test_webhooks import assigned, delivering, settled
from tests.sink import a_sink, names_of


async def test_a_script_reads_all_events_page_by_page_with_the_cursor_of_the_answer(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant, leads = await assigned(conn, connections, 5)
    await end(conn, tenant.tenant_id, leads[0], Ending.WON)
    shown = CommandLine(events, database_url)
    first = await shown.json("--limit", "4")
    rest = await shown.json("--after", first["cursor"])
    assert first["more"] and not rest["more"]
    found = first["events"] + rest["events"]
    page = await read_events(conn, tenant.tenant_id, START)
    assert found == [one.document() for one in page.events]
    assert (await shown.json("--after", rest["cursor"]))["events"] == []
    ended = await shown.json("--type", "lead.ended", "--tenant", "acme")
    assert [one["data"]["outcome"] for one in ended["events"]] == ["won"]
    of_lead = await shown.json("--lead", "e0", "--tenant", "acme")
    assert [one["type"] for one in of_lead["events"]] == ["lead.assigned", "lead.ended"]
    text = (await shown.run("--lead", str(leads[0]))).output
    assert "lead.ended lead" in text and "outcome won" in text and "go on with: --after" in text


async def test_on_call_sees_what_happened_in_the_last_hours_and_that_older_events_are_gone(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant, taken = await assigned(conn, connections, 3)
    leads = list(taken)
    for place, ago in enumerate(("3 hours", "90 minutes", "5 minutes")):
        await end(conn, tenant.tenant_id, leads[place], Ending.WON)
        newest = "(select max(event_no) from event)"
        await conn.execute(f"update event set at = clock_timestamp() - interval '{ago}' where event_no = {newest}")
    await conn.execute("update event set at = clock_timestamp() - interval '4 hours' where type = 'lead.assigned'")
    shown = CommandLine(events, database_url)

    async def ended(*words: str) -> list[int]:
        found = (await shown.json(*words))["events"]
        assert {one["type"] for one in found} <= {"lead.ended"}, found
        return [one["data"]["lead_id"] for one in found]

    assert await ended("--since", "2h") == leads[1:]
    at = await conn.fetchval("select clock_timestamp() - interval '200 minutes'")
    assert await ended("--since", at.astimezone(timezone(timedelta(hours=8))).isoformat()) == leads
    assert await ended("--since", "2h", "--limit", "1") == [leads[1]]
    assert await ended("--since", "30s") == []
    assert (await shown.run("--since", "2h")).stderr == "tenant acme (the only one)\n"
    assert (await shown.run("--since", "30s")).stdout.startswith("no event yet that matches; go on with: --after ")
    # A time of before, taken over from elsewhere: nothing that happened since is missed.
    later = "(select event_no from event order by event_no desc limit 1)"
    await conn.execute(f"update event set at = at - interval '1 year' where event_no = {later}")
    assert await ended("--since", "2h") == leads[1:]
    await conn.execute("update event_feed set removed_upto = 1, removed_until = clock_timestamp() - interval '4 hours'")
    assert (await shown.run("--since", "2h")).stderr == "tenant acme (the only one)\n"
    gone = await shown.run("--since", "2d")
    assert gone.exit_code == 0 and "were removed (events.retention_days); this begins after them" in gone.stderr


async def test_following_prints_one_event_a_line_also_those_that_come_later(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant, leads = await assigned(conn, connections, 3)
    follow = asyncio.create_task(
        CommandLine(events, database_url).run("--follow", "--json", "--limit", "4", "--after", "0")
    )
    await asyncio.sleep(0.3)
    await end(conn, tenant.tenant_id, leads[0], Ending.WON)
    lines = [json.loads(line) for line in (await follow).stdout.splitlines()]
    assert [one["type"] for one in lines] == ["lead.assigned"] * 3 + ["lead.ended"]
    assert all("cursor" in one for one in lines)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--after", "yesterday"], 2, "invalid cursor"),
        (["--since", "yesterday"], 2, "or how long ago, such as 90s, 30m, 4h or 2d"),
        (["--since", "2026-03-31T09:30"], 2, "has no offset"),
        (["--since", "2h", "--after", "0"], 2, "--after and --since: one of them at a time"),
        (["--after", "999-0"], 2, "ahead of the last event"),
        (["--type", "lead.exploded"], 2, "lead.exploded"),
        (["--tenant", "nobody"], 2, "there is no tenant"),
        (["--lead", "777777"], 2, "has no lead with the external id or number"),
        (["--after", "0"], 1, "were removed"),
    ],
)
async def test_a_wrong_question_gets_an_answer_that_helps(
    conn: asyncpg.Connection,
    connections: Connections,
    database_url: str,
    words: list[str],
    code: int,
    said: str,
) -> None:
    tenant, _ = await assigned(conn, connections, 1)
    await read_events(conn, tenant.tenant_id, START)
    await conn.execute("delete from event; update event_feed set removed_upto = 1")
    result = await CommandLine(events, database_url).run(*words)
    assert (result.exit_code, said in result.output) == (code, True), result.output


async def test_with_several_tenants_one_has_to_be_named(conn: asyncpg.Connection, database_url: str) -> None:
    result = await CommandLine(events, database_url).run()
    assert result.exit_code == 2 and "there is no tenant yet: lead-router tenants add" in result.output
    for name in ("acme", "zeta"):
        await tenants.add(conn, name, "UTC")
    result = await CommandLine(events, database_url).run()
    assert result.exit_code == 2
    assert "there are 2 tenants (acme, zeta): name one with --tenant, or in LEAD_ROUTER_TENANT" in result.output


async def test_events_are_switched_off_and_on_and_it_is_recorded(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await assigned(conn, connections, 1)
    command = CommandLine(switch, database_url)
    assert (await command.json("acme"))["events"] is True
    assert (await command.json("acme", "--off", "--why", "no CRM"))["events"] is False
    assert "off" in (await command.run("acme")).output
    assert (await command.json("acme", "--on"))["since"] is not None
    rows = await conn.fetch("select before, after, why from change where action = 'events' order by at")
    assert [tuple(row) for row in rows] == [("on", "off", "no CRM"), ("off", "on", "")]


async def test_a_webhook_from_its_adding_to_its_removing(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant, _ = await assigned(conn, connections, 3)
    of_acme = ("--tenant", "acme")
    async with a_sink() as sink:
        made = await CommandLine(add, database_url).json(
            sink.url, *of_acme, "--type", "lead.assigned", "--after", "oldest", "--allow-private"
        )
        number, secret = str(made["webhook"]), made["secret"]
        assert secret.startswith(PREFIX) and "k1" not in str(made["url"])
        assert (await CommandLine(try_out, database_url).json(number, *of_acme))["ok"]
        assert sink.got[0][0]["type"] == "webhook.test"
        async with delivering(connections):
            await settled(tenant, made["webhook"])
        [one] = await CommandLine(list_, database_url).json(*of_acme)
        assert (one["state"], one["delivered"], one["dead"], one["secrets"]) == ("works", 3, 0, 1)
        assert "works" in (await CommandLine(list_, database_url).run()).output
        new = await CommandLine(rotate, database_url).json(number, *of_acme, "--overlap", "2d")
        assert new["secret"] != secret
        await CommandLine(disable, database_url).json(number, *of_acme, "--why", "moving")
        [one] = await CommandLine(list_, database_url).json()
        assert (one["state"], one["disabled_why"], one["secrets"]) == ("disabled", "moving", 2)
        await CommandLine(enable, database_url).json(number, *of_acme, "--after", "newest")
        again = CommandLine(redeliver, database_url)
        page = await read_events(conn, tenant.tenant_id, START)
        assert (await again.json(number, *of_acme, "--id", page.events[0].id))["events"] == 1
        assert (await again.json(number, *of_acme, "--after", "oldest"))["events"] == 3
        assert (await again.json(number, *of_acme, "--after", "0", "--until", "1-1"))["events"] == 1
        assert (await again.json(number, *of_acme, "--dead"))["events"] == 0
        assert (await CommandLine(dead, database_url).json(number, *of_acme))["dead"] == []
        async with delivering(connections):
            await settled(tenant, made["webhook"])
        assert len([one for one in sink.ids if one in {event.id for event in page.events}]) == 6
        sink.answer = lambda _: 500
        assert (await CommandLine(try_out, database_url).json(number, *of_acme, code=1))["error"] == "answered 500"
        assert (await CommandLine(remove, database_url).json(number, *of_acme))["removed"]
    for table in ("webhook", "webhook_secret", "webhook_delivery"):
        assert await conn.fetchval(f"select count(*) from {table}") == 0
    changes = str(await conn.fetch("select * from change"))
    assert secret not in changes and new["secret"] not in changes and "k1" not in changes


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1/x", "not a public address"),
        ("https://[::1]:8443/x", "not a public address"),
        ("http://localhost:9000/x", "localhost is not a public address"),
        ("http://LOCALHOST./x", "not a public address"),
        ("http://crm.localhost/x", "not a public address"),
        ("http://2130706433/x", "not a public address"),
        ("http://0x7f.1/x", "not a public address"),
        ("http://[::ffff:10.0.0.1]/x", "not a public address"),
        ("http://crm.internal/x", "crm.internal leads to an address that is not public"),
        ("http://crm.internal/x", "(10.1.2.3); nothing was added. If it is meant, add it with --allow-private"),
        ("ftp://example.com", "must begin with https://"),
        ("https://ann:pw@example.com/", "must not hold a user or a password"),
    ],
)
async def test_an_url_that_cannot_be_delivered_to_is_refused_when_it_is_added(
    conn: asyncpg.Connection,
    database_url: str,
    connections: Connections,
    url: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", names_of("crm.internal", "10.1.2.3"))
    await assigned(conn, connections, 1)
    result = await CommandLine(add, database_url).run(url, "--tenant", "acme")
    assert (result.exit_code, said in result.output) == (2, True), result.output
    assert "pw" not in result.output
    assert await conn.fetchval("select count(*) from webhook") == 0


async def test_a_private_address_is_taken_where_it_is_meant_and_a_name_that_is_not_there_with_a_warning(
    conn: asyncpg.Connection, database_url: str, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", names_of("crm.internal", "10.1.2.3"))
    await assigned(conn, connections, 1)
    command, of_acme = CommandLine(add, database_url), ("--tenant", "acme")
    assert (await command.json("http://crm.internal/x", *of_acme, "--allow-private"))["warning"] is None
    everywhere = Settings(webhooks=WebhookSettings(private_addresses="allowed"))
    added = await CommandLine(add, database_url, settings=everywhere).run("http://localhost:9/x", *of_acme)
    assert (added.exit_code, added.stderr) == (0, ""), added.output
    later = await command.run("https://later.example/x", *of_acme)
    assert (later.exit_code, "secret (shown this once)" in later.stdout) == (0, True), later.output
    assert later.stderr == (
        "warning: later.example cannot be looked up right now (Name or service not known); "
        "nothing is delivered until it can\n"
    )


async def test_a_secret_from_a_file_is_not_shown_and_a_wrong_one_refused(
    conn: asyncpg.Connection, database_url: str, connections: Connections, tmp_path: Path
) -> None:
    await assigned(conn, connections, 1)
    file = tmp_path / "secret"
    file.write_text(new_secret(b"y" * 32) + "\n")
    words = ("https://example.com/x", "--tenant", "acme", "--secret-file", str(file))
    assert (await CommandLine(add, database_url).json(*words))["secret"] is None
    file.write_text("hunter2!")
    result = await CommandLine(add, database_url).run(*words)
    assert result.exit_code == 2 and "not base64" in result.output and "hunter2" not in result.output
    file.write_text("\n")
    result = await CommandLine(add, database_url).run(*words)
    assert result.exit_code == 2 and "is empty; leave the option out for a new secret" in result.output
    assert await conn.fetchval("select count(*) from webhook") == 1, "no secret is made that the receiver does not have"


async def test_a_webhook_that_is_not_there_and_a_question_without_events_are_errors(
    conn: asyncpg.Connection, database_url: str, connections: Connections
) -> None:
    await assigned(conn, connections, 1)
    for command in (rotate, disable, enable, remove, try_out, dead):
        result = await CommandLine(command, database_url).run("7", "--tenant", "acme")
        assert result.exit_code == 2 and "there is no webhook 7" in result.output
    result = await CommandLine(redeliver, database_url).run("7", "--tenant", "acme")
    assert result.exit_code == 2 and "say which events" in result.output
    result = await CommandLine(redeliver, database_url).run("7", "--tenant", "acme", "--id", "x")
    assert (result.exit_code == 2 and "evt_1042_17" in result.output) or "no webhook" in result.output
