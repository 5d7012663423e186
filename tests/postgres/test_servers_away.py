"""While a server with rows of some tenants is away these wait, by the server's name, and all others are routed.

The errors are raised by the real PostgreSQL, for the rows of some tenants (`tests/away.py`); there is no Citus here.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import cast

import asyncpg
import pytest
from structlog.testing import capture_logs

from ops.cli.audit import audit as audit_command
from ops.cli.doctor import doctor as doctor_command
from ops.cli.status import status as status_command
from ops.stalls.service import StallsService
from router.domain.access import EVERY_TENANT, TokenRole
from router.drain.hints import Wakeups
from router.drain.scheduler import DrainService
from router.drain.search import Search
from router.drain.servers_away import ServersAway
from router.drain.until_idle import drain_until_idle
from router.intake.hand_in import HandedIn, Taken, take_in
from router.intake.journal import open_journal
from router.intake.journal_keeper import JournalKeeper
from router.intake.lead_intake import LeadIntake
from router.outbox.events_service import EventsService
from router.runtime.health import Health
from router.runtime.journal_service import JournalService, NotDrained
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import EventSettings, JournalSettings, StallSettings
from router.store.connections.connections import Connections, Part, open_connections
from router.store.distribution import placed
from router.store.errors import is_away, server_of
from router.store.events import feeds
from router.store.lane import lanes_there, tenants_with_work
from router.store.parts import ask_in_parts, of_all
from router.store.statements import Connection
from router.store.webhooks import add, take_working
from router.telemetry.instruments import Instruments
from router.telemetry.intake_instruments import IntakeRoute
from tests.away import REFUSED, Servers, servers_of
from tests.citus_stand_in import CATALOGUE, EXTENSION
from tests.command_line import CommandLine
from tests.http.console import serving_console
from tests.http.support import make_token, serving_api
from tests.postgres.test_mutes import IN_NO_GROUP
from tests.support import until
from tests.workers import serving
from tests.world import Tenancy, a_drain, lead, make_tenant, no_redis, settle, simple_reps

pytestmark = pytest.mark.direct

DB1 = "db1.example.com:5432"
LIFE = Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None)


@pytest.fixture
async def servers(conn: asyncpg.Connection, database_url: str) -> AsyncIterator[Servers]:
    async with servers_of(conn, database_url) as made:
        yield made


@pytest.fixture
async def routing(servers: Servers) -> AsyncIterator[Connections]:
    """The service's connections, to which it happens."""
    async with open_connections(servers.url) as opened:
        yield opened


async def world(conn: asyncpg.Connection, number: int) -> list[Tenancy]:
    """So many tenants, each with three leads that wait."""
    made = [await make_tenant(conn, simple_reps(1), name=f"t{n}") for n in range(number)]
    for one in made:
        await one.accept(lead(n) for n in range(3))
    return made


@asynccontextmanager
async def routed(connections: Connections) -> AsyncIterator[list[str | None]]:
    """The drain at work; what it reports of itself."""
    said: list[str | None] = []
    service = DrainService(a_drain(connections), Wakeups(), jitter=lambda: 0.0, poll_interval_s=0.02)
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(Lifeline(stop, MonotonicClock(), lambda _: None, said.append)))
    try:
        yield said
        assert not running.done()
    finally:
        stop.set()
        await running


async def assigned(tenant: Tenancy) -> int:
    return (await tenant.states())["assigned"]


async def test_the_others_are_routed_the_server_is_named_and_its_tenants_go_on_when_it_is_back(
    conn: asyncpg.Connection, servers: Servers, routing: Connections
) -> None:
    made = await world(conn, 5)
    away, others = made[1:3], [made[0], *made[3:]]
    await servers.away(DB1, *(one.tenant_id for one in away))
    with capture_logs() as logs:
        async with routed(routing) as said:

            async def others_have_all() -> bool:
                return [await assigned(one) for one in others] == [3] * len(others)

            await until(others_have_all, "the leads of all others are assigned")

            async def is_named() -> bool:
                return any(
                    text and text.startswith(f"server {DB1} does not answer: its tenants (t1 and 1 more) wait, others")
                    for text in said
                )

            await until(is_named, "the service says which server does not answer")
            # Leads that come while it lasts are found, too, although the search over all tenants fails.
            await others[0].accept([lead(77)])

            async def the_new_one_too() -> bool:
                return await assigned(others[0]) == 4

            await until(the_new_one_too, "a lead that came meanwhile is assigned")
            assert [await assigned(one) for one in away] == [0, 0]
            await servers.back(DB1)

            async def all_have_all() -> bool:
                return [await assigned(one) for one in away] == [3, 3]

            await until(all_have_all, "the leads of its tenants are assigned")

            async def is_quiet() -> bool:
                return said[-1] is None

            await until(is_quiet, "nothing is reported any more")
    events = [entry["event"] for entry in logs]
    assert events.count("server does not answer") == 1
    assert events.count("server answers again") == 1
    failed = [entry for entry in logs if entry["event"] == "batch rolled back"]
    assert all(DB1 in entry["error"] for entry in failed)
    assert (await conn.fetchval("select count(*) from parked")) == 0


async def test_a_tenant_with_a_trouble_of_its_own_keeps_the_others_of_its_server_not_waiting(
    routing: Connections,
) -> None:
    service = DrainService(a_drain(routing), Wakeups(), jitter=lambda: 0.0)
    for tenant_id in (1, 2):
        service._away.failed(tenant_id, DB1, "refused", 0.0)
    service._back_off(1, asyncpg.UndefinedColumnError("a table was altered"))
    assert service._away.due(1_000.0) == [2]


async def test_a_search_in_parts_finds_what_one_search_over_all_finds(
    conn: asyncpg.Connection, servers: Servers, routing: Connections
) -> None:
    made = await world(conn, 9)
    for one in made[::2]:
        await settle(a_drain(routing), one.tenant_id)
    ids = [one.tenant_id for one in made]
    assert await tenants_with_work(conn, None, ids) == await tenants_with_work(conn, None)
    assert await tenants_with_work(conn, None, ids[:3]) == [ids[1]]
    search = Search(a_drain(routing), ServersAway(lambda _: 60.0))
    await servers.away(DB1, ids[1], ids[8])
    for _ in range(2):
        assert await search.tenants_with_work() == [ids[3], ids[5], ids[7]]
    assert search.away.of_tenant == {ids[1]: DB1, ids[8]: DB1}
    assert search.away.is_of(ids[3]) is None
    # Another one, meanwhile; the search over all is not due.
    await servers.away("db2.example.com:5432", ids[5])
    assert await search.tenants_with_work() == [ids[3], ids[7]]


async def test_a_search_that_is_answered_sends_no_batch_to_a_server_that_writes_nothing(
    conn: asyncpg.Connection, servers: Servers, routing: Connections
) -> None:
    made = await world(conn, 2)
    search = Search(a_drain(routing), ServersAway(lambda _: 60.0))
    search.away.failed(made[0].tenant_id, DB1, "disk full", monotonic())
    assert await search.tenants_with_work() == [one.tenant_id for one in made]
    assert [search.away.holds_back(one.tenant_id, monotonic()) for one in made] == [True, False]


async def test_an_error_that_is_about_no_server_still_fails_the_search(
    conn: asyncpg.Connection, servers: Servers, routing: Connections
) -> None:
    await world(conn, 2)
    await conn.execute(
        "create or replace function elsewhere.answers(asked int) returns boolean language sql as $$ "
        "select 1 / (asked - asked) = 0 $$"
    )
    search = Search(a_drain(routing), ServersAway(lambda _: 60.0))
    with pytest.raises(asyncpg.DivisionByZeroError):
        await search.tenants_with_work()


async def test_with_the_catalogue_of_citus_a_server_is_asked_once_for_all_of_its_tenants(
    conn: asyncpg.Connection, servers: Servers
) -> None:
    if await conn.fetchval("select exists (select from pg_extension where extname = 'citus')"):
        pytest.skip("the server has Citus itself")
    ids = [one.tenant_id for one in await world(conn, 8)]
    await conn.execute(EXTENSION + CATALOGUE)
    await conn.execute(f"grant select on pg_dist_node, pg_dist_placement to {servers.url.split('//')[1].split('@')[0]}")
    even, odd = [one for one in ids if one % 2 == 0], [one for one in ids if one % 2]
    await servers.away(DB1, even[0])
    asked: list[Sequence[int]] = []

    async def there(lent: Connection, tenants: Sequence[int]) -> list[int]:
        asked.append(tenants)
        return await lanes_there(lent, tenants)

    async with open_connections(servers.url) as connections, connections.acquire(Part.DUTIES) as lent:
        assert (await placed(lent, ids))[odd[0]] == "db2.example.com:5432"
        found = await ask_in_parts(lent, ids, there, 10.0)
        assert sorted(found.found) == odd
        assert found.away == dict.fromkeys(even, found.away[even[0]])
        assert found.away[even[0]].server == DB1
        assert len(asked) == 2
        late = await ask_in_parts(lent, ids, there, 0.0)
        assert (late.found, late.away, sorted(late.left)) == ([], {}, sorted(ids))


async def test_the_doctor_and_status_name_the_server_and_show_the_other_tenants(
    conn: asyncpg.Connection, servers: Servers
) -> None:
    made = await world(conn, 3)
    await servers.away(DB1, made[1].tenant_id)
    looked = await CommandLine(doctor_command, servers.url).json(code=1)
    [finding] = [one for one in looked["findings"] if one["code"] == "database_busy"]
    assert finding["severity"] == "critical"
    assert finding["subject"] == {"kind": "server", "name": DB1}
    assert finding["sentence"].startswith(
        f"{DB1}, which has the rows of t1, does not answer: its tenants wait, others go on: ConnectionFailureError: "
        f"connection to the remote node {DB1} {REFUSED}"
    )
    assert finding["evidence"] == [{"tenant": "t1"}]
    assert finding["command"] == "lead-router runbook database_busy"
    # Also who asks for one check only hears of whom it could not be asked.
    for of in ((), ("--tenant", "t1")):
        one_check = await CommandLine(doctor_command, servers.url).json("--only", "reps_without_group", *of, code=1)
        assert [one["code"] for one in one_check["findings"]] == ["database_busy"]
    shown = await CommandLine(status_command, servers.url).json(code=1)
    assert [one["tenant"] for one in shown["tenants"]] == ["t0", "t2"]
    assert shown["tenants_away"] == ["t1"]
    assert shown["accepted"] == 6
    for_people = await CommandLine(status_command, servers.url).run()
    assert for_people.exit_code == 1, "a part is not taken for the whole by a script"
    assert f"{DB1}, which has the rows of t1, does not answer" in for_people.stdout
    alone = await CommandLine(status_command, servers.url).run("--tenant", "t1")
    assert f"{DB1}, which has the rows of t1, does not answer" in alone.stdout
    assert "no tenant yet" not in alone.stdout
    audited = await CommandLine(audit_command, servers.url).run("--tenant", "t2")
    assert audited.exit_code == 0, audited.output
    everything = await CommandLine(audit_command, servers.url).run()
    assert everything.exit_code != 0
    assert f"connection to the remote node {DB1}" in everything.output
    # Of a tenant of another server nothing is wrong.
    assert (await CommandLine(status_command, servers.url).json("--tenant", "t2"))["tenants_away"] == []


async def test_findings_of_the_others_are_muted_and_whom_it_could_not_look_at_is_said(
    conn: asyncpg.Connection, servers: Servers
) -> None:
    made = [await make_tenant(conn, IN_NO_GROUP, name=f"t{n}") for n in range(3)]
    command = CommandLine(doctor_command, servers.url)
    code, options = "reps_without_group", ("--for", "4h", "--why", "they start tomorrow")
    assert len((await command.json("mute", code, "--tenant", "t1", *options))["muted"]) == 1
    await servers.away(DB1, made[1].tenant_id)
    muted = await command.json("mute", code, *options)
    assert [one["subject"]["name"] for one in muted["muted"]] == ["t0", "t2"]
    assert muted["tenants_away"] == ["t1"]
    text = await command.run("mute", code, *options)
    assert text.exit_code == 0 and f"not muted, since it could not be looked at: t1 ({DB1})" in text.stdout
    # Also the finding about the server itself.
    assert [one["subject"] for one in (await command.json("mute", "database_busy", *options))["muted"]] == [
        {"kind": "server", "name": DB1}
    ]
    alone = await command.run("mute", code, "--tenant", "t1", *options)
    assert alone.exit_code == 2 and f"t1 ({DB1}) cannot be looked at; nothing was muted" in alone.stderr
    absent = await command.run("mute", "groups_empty", *options)
    assert absent.exit_code == 1 and f"does not find groups_empty now (t1 ({DB1}) could not be" in absent.stderr
    listed = await command.run("mutes")
    assert listed.exit_code == 1 and f"{code}: tenant t0" in listed.stdout and f"{code}: tenant t2" in listed.stdout
    assert f"the mutes of t1 ({DB1}) could not be read" in listed.stderr
    ended = await command.run("unmute", code)
    assert ended.exit_code == 1 and "no longer muted: reps_without_group: tenant t2" in ended.stdout
    await servers.back(DB1)
    assert [one["subject"]["name"] for one in await command.json("mutes")] == [DB1, "t1"]
    assert (await command.run("unmute", "database_busy")).exit_code == 0


async def test_over_http_and_on_the_console_no_part_is_shown_as_the_whole(
    conn: asyncpg.Connection, servers: Servers, routing: Connections
) -> None:
    made = await world(conn, 2)
    of_all = await make_token(conn, EVERY_TENANT, TokenRole.OPERATOR)
    await servers.away(DB1, made[1].tenant_id)
    async with serving_api(routing) as api:
        shown = (await api.get("/v1/status", token=of_all)).document
        assert [one["tenant"] for one in shown["tenants"]] == ["t0"]
        assert shown["tenants_away"] == ["t1"]
    async with serving_console(routing) as served, served.browser(of_all) as browser:
        for path in ("/waiting", "/", "/parked.csv", "/waiting.csv"):
            assert (await browser.get(f"{path}?tenant=t0")).status == 200, path
            page = await browser.get(f"{path}?tenant=t1")
            assert page.status == 503, path
            assert f"{DB1}, which has the rows of t1, does not answer" in page.text, path
        assert f"{DB1}, which has the rows of t1, does not answer" in (await browser.get("/")).text


async def test_draining_until_idle_does_what_it_can_and_says_which_server_is_away(
    conn: asyncpg.Connection, servers: Servers, routing: Connections
) -> None:
    made = await world(conn, 2)
    await servers.away(DB1, made[0].tenant_id)
    left = await drain_until_idle(a_drain(routing), [one.tenant_id for one in made], patience_s=0.2)
    assert f"connection to the remote node {DB1}" in (left[0].failure or "")
    assert left[1].clean
    assert [await assigned(one) for one in made] == [0, 3]


async def test_the_stall_watch_looks_at_the_others_and_says_whom_it_cannot_see(
    conn: asyncpg.Connection, servers: Servers, routing: Connections
) -> None:
    made = await world(conn, 3)
    health = Health(lambda: 0.0)
    watch = StallsService(routing, StallSettings(), health, Instruments.silent(), no_redis, "this test")
    await servers.away(DB1, made[0].tenant_id)
    about = f"stalls of the tenants of {DB1}"
    await watch.once(LIFE)
    assert about not in health.degraded  # once is a moment's trouble
    await watch.once(LIFE)
    assert "connection to the remote node" in health.degraded[about]
    await servers.back(DB1)
    await watch.once(LIFE)
    assert about not in health.degraded


async def test_leads_of_a_tenant_of_it_are_answered_as_when_the_database_is_away(
    conn: asyncpg.Connection, servers: Servers, routing: Connections
) -> None:
    made = await world(conn, 2)
    await servers.away(DB1, made[0].tenant_id)
    async with routing.acquire(Part.INTAKE) as lent:
        posted = cast(asyncpg.Connection, lent)
        with pytest.raises(asyncpg.ConnectionFailureError) as failed:
            await take_in(posted, made[0].tenant_id, [HandedIn(lead(70), None)])
        assert server_of(failed.value) == DB1
        assert is_away(failed.value)
        await take_in(posted, made[1].tenant_id, [HandedIn(lead(70), None)])
    assert (await made[1].states())["waiting"] == 4


async def test_leads_of_the_others_go_to_the_database_while_those_of_its_tenants_go_to_the_journal(
    conn: asyncpg.Connection, servers: Servers, routing: Connections, tmp_path: Path
) -> None:
    made = await world(conn, 3)
    here, away, too = made
    async with open_journal(JournalSettings(file=tmp_path / "journal.db")) as journal:
        assert journal
        service = JournalService(journal, routing, "test", Health(lambda: 0.0), Instruments.silent())
        await service.once(LIFE)
        await servers.away(DB1, away.tenant_id)
        intake = LeadIntake(routing, Instruments.silent().intake, JournalKeeper(journal))

        async def posted(to: Tenancy, number: int, route: IntakeRoute = IntakeRoute.SINGLE) -> str:
            [became] = await intake.take(to.tenant_id, [HandedIn(lead(number), None)], route)
            assert isinstance(became, Taken)
            return became.state

        assert await posted(away, 70) == "journalled"
        # Again at once: one does not wait for it each time, and nobody else has to.
        assert await posted(away, 71, IntakeRoute.BATCH) == "journalled"
        assert [await posted(one, 70) for one in (here, too)] == ["waiting", "waiting"]
        # Others' leads that are in the journal are drained.
        for one in made:
            await journal.take(one.tenant_id, [lead(80)])
        with pytest.raises(NotDrained, match=DB1):
            await service.once(LIFE)
        assert {number: one.leads for number, one in journal.books.items() if one.leads} == {away.tenant_id: 3}
        await servers.back(DB1)
        await service.once(LIFE)
        assert journal.leads == 0
    assert [(await one.states())["waiting"] for one in made] == [5, 6, 5]


async def test_events_and_webhooks_of_the_others_go_on(
    conn: asyncpg.Connection, servers: Servers, routing: Connections
) -> None:
    made = await world(conn, 3)
    for one in made:
        await settle(a_drain(routing), one.tenant_id)
        url = "https://crm.example.com/events"
        await add(conn, one.tenant_id, url, None, "secret", (0, 0), allow_private=False, note="", actor="ann")
        await one.accept([lead(50)])
    await servers.away(DB1, made[0].tenant_id)
    ids = [one.tenant_id for one in made[1:]]
    await EventsService(routing, EventSettings(), Instruments.silent()).once(LIFE)
    placed_of = await conn.fetch("select distinct tenant_id from event where position is not null order by 1")
    assert [row[0] for row in placed_of] == ids
    async with routing.acquire(Part.DUTIES) as lent:
        found = await of_all(lent, lambda one, among: take_working(one, 7, 60.0, among), 5.0)
        assert [one.tenant_id for one in found.found] == ids
        assert found.away.keys() == {made[0].tenant_id}
        await servers.back(DB1)
        found = await of_all(lent, lambda one, among: take_working(one, 7, 60.0, among), 5.0)
        assert [one.tenant_id for one in found.found] == [one.tenant_id for one in made]
        assert [one.tenant_id for one in await feeds(lent, ids)] == ids


async def test_a_service_stays_ready_names_the_server_and_loses_no_part_of_itself(
    conn: asyncpg.Connection, servers: Servers
) -> None:
    made = await world(conn, 3)
    await servers.away(DB1, made[0].tenant_id)
    async with serving(servers.url, "serve") as daemon:
        await daemon.said("listening")

        async def others_have_all() -> bool:
            return [await assigned(one) for one in made] == [0, 3, 3]

        await until(others_have_all, "the leads of the others are assigned")

        async def is_named() -> bool:
            status, text = await daemon.get("/readyz")
            assert status == 200, text
            return f"server {DB1} does not answer: its tenants (t0) wait, others go on" in text

        await until(is_named, "/readyz names the server")

        async def is_found() -> bool:
            _, text = await daemon.get("/metrics")
            return any("database_busy" in line and line.endswith(" 1.0") for line in text.splitlines())

        await until(is_found, "the finding is on /metrics")
        await servers.back(DB1)

        async def all_have_all() -> bool:
            return [await assigned(one) for one in made] == [3, 3, 3]

        await until(all_have_all, "all leads are assigned")
        assert await daemon.stop() == 0
        assert "service crashed" not in daemon.events()
