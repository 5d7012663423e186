"""What an operator does by hand: pausing a tenant, parking a lead and sending it back, each with who and why."""

import asyncio
import getpass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cli.park import park as park_command
from ops.cli.park import unpark as unpark_command
from ops.cli.pause import pause as pause_command
from ops.cli.pause import resume as resume_command
from ops.cli.why import why as why_command
from router.domain.reason import Reason
from router.drain.outcome import LaneOutcome
from router.store.assignments import Ending, FoundLead, end
from router.store.connections.connections import Connections
from router.store.parking import CannotMove, park, unpark
from router.store.pauses import pause, resume
from router.store.statements import load
from router.store.tenants import tenant_named
from tests.command_line import CommandLine
from tests.support import BLOCKED, connected, until
from tests.workers import serving
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(2))


async def number_of(tenant: Tenancy, n: int) -> FoundLead:
    number = await tenant.conn.fetchval("select lead_id from lead where external_id = $1", f"e{n}")
    return FoundLead(tenant.tenant_id, number)


async def changes(conn: asyncpg.Connection) -> list[tuple[str, ...]]:
    rows = await conn.fetch(
        "select actor, action, subject, before, after, why from change where action <> 'configure' order by id"
    )
    return [tuple(row) for row in rows]


async def places(tenant: Tenancy) -> dict[str, int]:
    return {state: n for state, n in (await tenant.states()).items() if n}


async def test_in_a_pause_nothing_is_routed_and_resume_goes_on_soon(
    tenant: Tenancy, conn: asyncpg.Connection, database_url: str
) -> None:
    acme = await tenant_named(conn, "acme")
    async with serving(database_url) as daemon:
        await daemon.said("started")
        made, before = await pause(conn, acme, timedelta(hours=1), "ann", "CRM upgrade")
        assert before is None
        await tenant.accept([lead(1)])
        assert await places(tenant) == {"waiting": 1}
        assert await resume(conn, acme, "bob", "done") == made

        async def routed() -> bool:
            return await places(tenant) == {"assigned": 1}

        await until(routed, "the lead has a rep")
    assert await resume(conn, acme, "bob", "again") is None
    told = await changes(conn)
    assert [row[:3] for row in told] == [("ann", "pause", "acme"), ("bob", "resume", "acme")]
    assert (told[0][4], told[0][5]) == (f"until {made.until.isoformat()}", "CRM upgrade")
    assert told[1][3].endswith(": CRM upgrade")


async def test_a_pause_ends_by_itself(tenant: Tenancy, conn: asyncpg.Connection, connections: Connections) -> None:
    drain = a_drain(connections)
    made, _ = await pause(conn, await tenant_named(conn, "acme"), timedelta(minutes=30), "ann", "CRM upgrade")
    await tenant.accept([lead(1)])
    assert (await drain.drain_tenant(tenant.tenant_id)).outcome is LaneOutcome.PAUSED
    assert await drain.tenants_with_work() == []
    later = made.until + timedelta(seconds=1)
    assert await drain.tenants_with_work(later) == [tenant.tenant_id]
    assert (await settle(drain, tenant.tenant_id, later)).assigned == 1


async def test_a_pause_waits_for_the_batch_that_runs_and_says_who_keeps_the_lane(
    tenant: Tenancy, database_url: str, conn: asyncpg.Connection
) -> None:
    command = CommandLine(pause_command, database_url)
    async with connected(database_url) as holder:
        async with holder.transaction():
            await holder.execute("select from lane for update")
            waiting = asyncio.create_task(command.run("acme", "--for", "30m", "--why", "upgrade"))
            await until(lambda: conn.fetchval(BLOCKED), "the pause waits for the lane")
        assert (await waiting).exit_code == 0
        async with holder.transaction():
            await holder.execute("select from lane for update")
            refused = await command.run("acme", "--for", "1h", "--why", "upgrade")
    assert (refused.exit_code, "the lane of acme is locked" in refused.stderr) == (1, True)
    assert len(await changes(conn)) == 1


async def test_the_commands_tell_until_when_and_what_was_before(tenant: Tenancy, database_url: str) -> None:
    command = CommandLine(pause_command, database_url)
    text = (await command.run("acme", "--for", "30m", "--why", "upgrade")).stdout
    assert "acme is paused until 20" in text
    assert " UTC: upgrade" in text
    assert "lead-router resume acme" in text
    again = await command.json("acme", "--for", "1h", "--why", "takes longer")
    assert (again["pause"]["why"], again["replaced"]["why"]) == ("takes longer", "upgrade")
    assert datetime.fromisoformat(again["pause"]["until"]) > datetime.now(UTC) + timedelta(minutes=50)
    over = await CommandLine(resume_command, database_url).json("acme")
    assert (over["resumed"], over["was"]["why"]) == (True, "takes longer")
    nothing = await CommandLine(resume_command, database_url).run("acme")
    assert (nothing.exit_code, "acme is not paused; nothing changed" in nothing.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody", "--for", "30m", "--why", "x"), "there is no tenant 'nobody'"),
        (("acme", "--for", "30m"), "--why"),
        (("acme", "--for", "30m", "--why", "  "), "reason in a few words"),
        (("acme", "--for", "soon", "--why", "x"), "invalid duration 'soon'"),
        (("acme", "--for", "-5m", "--why", "x"), "invalid duration"),
        (("acme", "--for", "0s", "--why", "x"), "between 1s and 3650d"),
        (("acme", "--for", "999999999d", "--why", "x"), "between 1s and 3650d"),
        (("acme", "--for", "٣m", "--why", "x"), "invalid duration"),
    ],
)
async def test_a_pause_that_cannot_be_is_refused(
    tenant: Tenancy, database_url: str, conn: asyncpg.Connection, arguments: tuple[str, ...], said: str
) -> None:
    refused = await CommandLine(pause_command, database_url).run(*arguments)
    assert (refused.exit_code, said in refused.stderr) == (2, True), refused.output
    assert await conn.fetchval("select paused_until from lane") is None
    assert await changes(conn) == []


async def test_a_parked_lead_stays_until_it_is_sent_back(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    drain = a_drain(connections)
    await tenant.accept([lead(1), lead(2)])
    text = (
        await CommandLine(park_command, database_url).run("e1", "--tenant", "acme", "--why", "asked not to be called")
    ).stdout
    one = await number_of(tenant, 1)
    assert f"lead {one.lead_id} is parked; lead-router unpark {one.lead_id}" in text
    await settle(drain, tenant.tenant_id)
    assert await places(tenant) == {"assigned": 1, "parked": 1}
    (row,) = await conn.fetch("select reason, detail from parked")
    assert tuple(row) == ("screening", f"by {getpass.getuser()}: asked not to be called")
    told = (await CommandLine(why_command, database_url).run(str(one.lead_id))).stdout
    user = getpass.getuser()
    assert told.count("asked not to be called") == 2, "once where it is, once in the timeline"
    assert f"parked manually by {user} (asked not to be called)" in told
    back = await CommandLine(unpark_command, database_url).json(str(one.lead_id), "--why", "agreed")
    assert back == {"lead_id": one.lead_id, "was_parked_for": "screening"}
    await settle(drain, tenant.tenant_id)
    assert await places(tenant) == {"assigned": 2}
    assert (await audit(conn)).ok
    happened = (await CommandLine(why_command, database_url).json(str(one.lead_id)))["timeline"]
    assert [event["what"] for event in happened] == ["received", "parked", "sent_back", "assigned"]
    assert [(event.get("actor"), event.get("note")) for event in happened[1:3]] == [
        (user, "asked not to be called"),
        (user, "agreed"),
    ]
    assert [(row[1], row[2], row[5]) for row in await changes(conn)] == [
        ("park", f"lead {one.lead_id}", "asked not to be called"),
        ("unpark", f"lead {one.lead_id}", "agreed"),
    ]


async def test_whoever_returned_a_lead_does_not_get_it_after_it_was_parked(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections
) -> None:
    drain = a_drain(connections)
    await tenant.accept([lead(1)])
    await settle(drain, tenant.tenant_id)
    first = await tenant.counts()
    one = await number_of(tenant, 1)
    await end(conn, one.tenant_id, one.lead_id, Ending.RETURNED)
    await park(conn, one, "ann", "let me look")
    queued = await conn.fetchval("select clock_timestamp()")
    await unpark(conn, one, "ann", "")
    assert await conn.fetchval("select wake_key = 0 and queued_at >= $1 from lead_pool", queued)
    await settle(drain, tenant.tenant_id)
    assert (await tenant.counts()).keys() == {"r001", "r002"} - first.keys()
    assert (await audit(conn)).ok


async def test_only_a_waiting_lead_is_parked_and_only_a_parked_one_sent_back(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    same = {"phone": "+8613805719021", "product": "pump"}
    await tenant.accept([lead(1), lead(2), lead(3, **same), lead(4, **same), lead(5, invalid="no contact")])
    await settle(a_drain(connections), tenant.tenant_id)
    two = await number_of(tenant, 2)
    await end(conn, two.tenant_id, two.lead_id, Ending.WON)
    await tenant.accept([lead(6)])
    park_it, unpark_it = CommandLine(park_command, database_url), CommandLine(unpark_command, database_url)
    before = await places(tenant)
    for n, place in ((1, "assigned"), (2, "closed"), (4, "merged"), (5, "parked already (lead_invalid: no contact)")):
        refused = await park_it.run(f"e{n}", "--tenant", "acme", "--why", "x")
        assert (refused.exit_code, f"is {place}; only a waiting lead can be parked" in refused.stderr) == (1, True)
    for n, place in ((1, "assigned"), (2, "closed"), (4, "merged"), (6, "waiting")):
        refused = await unpark_it.run(f"e{n}", "--tenant", "acme")
        assert (refused.exit_code, f"is {place}; only a parked lead can be sent back" in refused.stderr) == (1, True)
    for words in (("999", "--why", "x"), ("e1", "--tenant", "other", "--why", "x"), ("'; --", "--why", "x")):
        assert (await park_it.run(*words)).exit_code == 2
        assert (await unpark_it.run(*words)).exit_code == 2
    assert await places(tenant) == before
    assert await changes(conn) == []


async def test_a_lead_that_somebody_has_locked_is_an_error_in_time_and_nothing_is_changed(
    tenant: Tenancy, conn: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.store.parking.LOCK_TIMEOUT_MS", 100)
    await tenant.accept([lead(1), lead(2, invalid="no contact")])
    async with connected(database_url) as holder, holder.transaction():
        await holder.execute("select from lead_pool for update")
        await holder.execute("select from parked for update")
        for command, n, words in ((park_command, 1, ("--why", "x")), (unpark_command, 2, ())):
            refused = await CommandLine(command, database_url).run(f"e{n}", "--tenant", "acme", *words)
            assert (refused.exit_code, "nothing changed, try again" in refused.stderr) == (1, True)
    assert await places(tenant) == {"waiting": 1, "parked": 1}


async def test_a_lead_is_parked_in_the_middle_of_refusals(
    tenant: Tenancy, conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await tenant.roster(simple_reps(2, max_open=0))
    await tenant.accept([lead(1)])
    one = await number_of(tenant, 1)
    await settle(a_drain(connections), tenant.tenant_id)
    async with connected(database_url) as router:
        batch = router.transaction()
        await batch.start()
        taken = await router.fetchrow("delete from lead_pool returning *")
        parking = asyncio.create_task(park(conn, one, "ann", "look"))
        async with connected(database_url) as watch:
            await until(lambda: watch.fetchval(BLOCKED), "the park waits for the batch")
            await router.execute("insert into lead_pool select ($1::lead_pool).*", taken)
            await batch.commit()
        await parking
    assert await places(tenant) == {"parked": 1}
    assert await conn.fetchval("select reason from parked") == Reason.SCREENING
    assert (await audit(conn)).ok


async def test_what_people_write_is_shown_as_they_wrote_it_and_harms_nothing(
    tenant: Tenancy, conn: asyncpg.Connection
) -> None:
    await tenant.accept([lead(1)])
    one = await number_of(tenant, 1)
    hostile = "'); drop table parked; -- [red]\x00\u202e %s {0} :name"
    await park(conn, one, hostile, hostile)
    assert await conn.fetchval("select why from change") == hostile.replace("\x00", "")
    with pytest.raises(CannotMove, match="parked already"):
        await park(conn, one, "ann", "again")


async def test_what_people_did_to_a_lead_is_found_by_index_among_many_changes(conn: asyncpg.Connection) -> None:
    await conn.execute(
        """insert into change (tenant_id, actor, action, subject)
           select 1, 'ann', case when n % 2 = 0 then 'park' else 'retry' end, 'lead ' || n
             from generate_series(1, 50000) n"""
    )
    await conn.execute("analyze change")
    await conn.execute(f"prepare handled as {load('why').handled.sql}")
    for mode in ("force_custom_plan", "force_generic_plan"):
        await conn.execute(f"set plan_cache_mode = {mode}")
        plan = "\n".join(row[0] for row in await conn.fetch("explain execute handled(1, 'lead 7', 50)"))
        assert "change_of_lead" in plan and "Seq Scan" not in plan and "Sort" not in plan, plan
