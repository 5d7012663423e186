"""Why leads wait and what `status` tells of them, against a real database."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ops.cli.status import status as status_command
from ops.doctor.scene import STATES
from ops.status.status import status
from ops.text.translation import translator
from ops.waiting.judge import waiting_by_reason
from ops.waiting.present import JudgedKey, present
from ops.waiting.waiting import Waiting
from ops.why.collect import why
from ops.why.document import document
from ops.why.summary import summary
from router.domain.chance import Chance
from router.domain.reason import Reason
from router.drain.drain import Drain
from router.drain.presence import Presence
from router.store import tenants
from router.store.assignments import Ending, FoundLead, end
from router.store.connections.connections import Connections
from router.store.engines import Engines
from router.store.pauses import pause
from router.store.waiting import tenant_now
from tests.command_line import CommandLine
from tests.support import connected
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle, simple_reps

# A Monday.
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
EVENING = NOON + timedelta(hours=8)
RULES = """
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}
  - {name: office, match: {region: [office]}, assign_to: "group:all", window: {mon-fri: "09:00-18:00"},
     on_no_candidate: wait}
  - {name: west, match: {region: [west]}, assign_to: "group:west", on_no_candidate: wait}
  - {name: all, match: {region: [east]}, assign_to: "group:all"}
"""


async def waiting(tenant: Tenancy, now: datetime | None = None) -> Waiting:
    return await waiting_by_reason(tenant.conn, Presence(), tenant.tenant_id, now)


async def reasons(tenant: Tenancy, now: datetime | None = None) -> dict[str, int]:
    """Why the tenant's leads wait."""
    return (await waiting(tenant, now)).counts


async def rep(tenant: Tenancy, available: str = "yes", group: str = "all", most: int = 10, day: int = 10) -> None:
    """What the roster says of the one rep from now on."""
    await tenant.roster(reps_csv([f"r1,Rep,{available},UTC,{group},{most},{day}"]))


async def judged(tenant: Tenancy, now: datetime) -> JudgedKey:
    """What the judge says of the wake key of the one waiting lead."""
    row = await tenant.conn.fetchrow("select ruleset, targets from lead_pool join wake_key using (wake_key)")
    assert row is not None
    state = await present(tenant.conn, Engines(), Presence(), await tenant_now(tenant.conn, tenant.tenant_id, now))
    return state.judge_one(row["ruleset"], row["targets"])


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, reps_csv(["r1,Rep,yes,UTC,other,10,10"]), RULES)


@pytest.fixture
def drain(connections: Connections) -> Drain:
    return a_drain(connections)


async def test_the_reason_follows_the_roster_without_a_batch(tenant: Tenancy, drain: Drain) -> None:
    await tenant.accept((lead(i, region="east") for i in range(3)), NOON)
    assert await reasons(tenant, NOON) == {"ready": 3}
    await settle(drain, tenant.tenant_id, NOON)
    assert await reasons(tenant, NOON) == {"group_empty": 3}
    await rep(tenant, available="no")
    assert await reasons(tenant, NOON) == {"nobody_available": 3}
    await rep(tenant, day=0)
    assert await reasons(tenant, NOON) == {"all_at_daily_cap": 3}
    await rep(tenant, most=0)
    assert await reasons(tenant, NOON) == {"all_at_open_cap": 3}
    await rep(tenant, group="other")
    assert await reasons(tenant, NOON) == {"group_empty": 3}


async def test_as_many_are_ready_as_there_is_room_and_the_others_say_what_will_hold_them(
    tenant: Tenancy, drain: Drain
) -> None:
    await tenant.accept((lead(i, region="east") for i in range(5)), NOON)
    await settle(drain, tenant.tenant_id, NOON)
    await rep(tenant, most=2)
    assert await reasons(tenant, NOON) == {"all_at_open_cap": 3, "ready": 2}
    await rep(tenant, day=1)
    assert await reasons(tenant, NOON) == {"all_at_daily_cap": 4, "ready": 1}
    await rep(tenant)
    assert await reasons(tenant, NOON) == {"ready": 5}
    await settle(drain, tenant.tenant_id, NOON)
    assert await reasons(tenant, NOON) == {}


async def test_an_ending_counts_before_the_next_batch_takes_it_off_the_load(tenant: Tenancy, drain: Drain) -> None:
    await rep(tenant, most=1)
    await tenant.accept((lead(i, region="east") for i in range(2)), NOON)
    await settle(drain, tenant.tenant_id, NOON)
    assert await reasons(tenant, NOON) == {"all_at_open_cap": 1}
    number = await tenant.conn.fetchval("select lead_id from assignment")
    await end(tenant.conn, tenant.tenant_id, number, Ending.WON, NOON)
    assert await reasons(tenant, NOON) == {"ready": 1}


async def test_a_new_day_makes_room(tenant: Tenancy, drain: Drain) -> None:
    await rep(tenant, day=1)
    await tenant.accept((lead(i, region="east") for i in range(3)), NOON)
    await settle(drain, tenant.tenant_id, NOON)
    assert await reasons(tenant, NOON) == {"all_at_daily_cap": 2}
    assert await reasons(tenant, NOON + timedelta(hours=12)) == {"all_at_daily_cap": 1, "ready": 1}


async def test_a_closed_window_and_its_opening(tenant: Tenancy, drain: Drain) -> None:
    await rep(tenant)
    await tenant.accept([lead(1, region="office")], EVENING)
    await settle(drain, tenant.tenant_id, EVENING)
    (part,) = (await waiting(tenant, EVENING)).reasons
    opening = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
    assert (part.reason, part.leads, part.next_recheck_at) == ("outside_window", 1, opening)
    assert part.waits_for == ("the window of rule office",)
    assert await reasons(tenant, opening) == {"ready": 1}


async def test_the_next_chance_names_time_and_reps_apart_from_when_the_lead_is_parked(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    # A Monday, 20:00 in Shanghai.
    evening, morning = datetime(2026, 3, 2, 12, 0, tzinfo=UTC), datetime(2026, 3, 3, 1, 0, tzinfo=UTC)
    csv = reps_csv(
        ["cn01,A,Asia/Shanghai,cn,mon-fri 09:00-18:00", "cn02,B,Asia/Shanghai,cn,mon-fri 10:00-18:00"],
        "rep_id,name,time_zone,groups,working_hours",
    )
    rules = 'max_age: 7d\nrules:\n  - {name: all, match: {}, assign_to: "group:cn"}\n'
    made = await make_tenant(conn, csv, rules, zone="Asia/Shanghai")
    await made.accept([lead(1)], evening)
    await settle(a_drain(connections), made.tenant_id, evening)
    (part,) = (await waiting(made, evening)).reasons
    assert part.next_chance == Chance(morning, ("cn01",))
    assert part.parks_at == evening + timedelta(days=7)
    line = CommandLine(status_command, database_url)
    document = await line.json("--tenant", "acme", "--now", evening.isoformat())
    (told,) = document["tenants"][0]["waiting"]
    assert told["next_chance"] == {"at": morning.isoformat(), "reps": ["cn01"]}
    assert told["parks_at"] == (evening + timedelta(days=7)).isoformat()
    shown = (await line.run("--tenant", "acme", "--now", evening.isoformat())).output
    assert "Tue 09:00 Asia/Shanghai: cn01" in " ".join(shown.split())


async def test_who_waits_for_an_owner_is_tried_again_when_the_rules_fall_back(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    # A Monday, 17:00 in Shanghai; the owner goes at 18:00, and is back on Tuesday.
    day, evening = datetime(2026, 3, 2, 9, 0, tzinfo=UTC), datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
    csv = reps_csv(["cn01,A,Asia/Shanghai,cn,mon-fri 09:00-18:00"], "rep_id,name,time_zone,groups,working_hours")
    known = "{name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}"
    rules = f'max_age: 7d\nrules:\n  - {known}\n  - {{name: all, match: {{}}, assign_to: "group:cn"}}\n'
    made = await make_tenant(conn, csv, rules, zone="Asia/Shanghai")
    await made.accept([lead(1, declared_customer="c")], day)
    await settle(a_drain(connections), made.tenant_id, day)
    await made.accept([lead(2, declared_customer="c", product="other")], evening)
    await settle(a_drain(connections), made.tenant_id, evening)
    again = evening + timedelta(minutes=30)
    (part,) = (await waiting(made, evening)).reasons
    assert (part.reason, part.next_recheck_at) == ("owner_unavailable", again)
    assert part.next_chance == Chance(again, ())
    line = CommandLine(status_command, database_url)
    now = ("--tenant", "acme", "--now", evening.isoformat())
    (told,) = (await line.json(*now))["tenants"][0]["waiting"]
    assert told["next_chance"] == {"at": again.isoformat(), "reps": []}
    assert "rules tried again" in " ".join((await line.run(*now)).output.split())
    number = await conn.fetchval("select lead_id from lead_pool")
    found = await why(conn, FoundLead(made.tenant_id, number), now=evening)
    assert document(found)["waiting"]["next_chance"] == {"at": again.isoformat(), "reps": []}
    words = summary(found, translator("en"))
    assert "The rules are tried again on" in words and "Next chance" not in words


async def test_leads_of_a_customer_wait_for_the_owner(tenant: Tenancy, drain: Drain) -> None:
    await rep(tenant, most=1)
    await tenant.accept([lead(1, region="east", declared_customer="c")], NOON)
    await settle(drain, tenant.tenant_id, NOON)
    await tenant.accept([lead(2, region="west", declared_customer="c", product="other")], NOON)
    await settle(drain, tenant.tenant_id, NOON)
    (part,) = (await waiting(tenant, NOON)).reasons
    assert (part.reason, part.waits_for) == ("owner_at_cap", ("the customer's owner r1",))
    assert (part.oldest_queued_at, part.next_recheck_at) == (NOON, NOON + timedelta(minutes=30))
    await rep(tenant, available="no")
    assert await reasons(tenant, NOON) == {"owner_unavailable": 1}
    await rep(tenant, most=2)
    assert await reasons(tenant, NOON) == {"ready": 1}


async def test_leads_that_no_rule_matches_wait_for_rules(tenant: Tenancy, drain: Drain) -> None:
    await tenant.accept([lead(1, region="north")], NOON)
    await settle(drain, tenant.tenant_id, NOON)
    (part,) = (await waiting(tenant, NOON)).reasons
    assert (part.reason, part.waits_for) == ("no_matching_rule", ("a rule that matches",))
    await tenant.rules(RULES + '  - {name: rest, match: {}, assign_to: "group:nobody"}\n')
    assert await reasons(tenant, NOON) == {"ready": 1}
    await settle(drain, tenant.tenant_id, NOON)
    assert await reasons(tenant, NOON) == {"group_empty": 1}


async def test_before_the_first_rules_and_in_a_pause_nobody_is_ready(conn: asyncpg.Connection) -> None:
    made = Tenancy(conn, (await tenants.add(conn, "new", "UTC")).tenant_id)
    await made.accept([lead(1)])
    assert await reasons(made) == {"no_matching_rule": 1}
    await made.rules(RULES)
    assert await reasons(made) == {"ready": 1}
    await conn.execute("update lane set paused_until = clock_timestamp() + interval '1 hour', paused_why = 'audit'")
    (part,) = (await waiting(made)).reasons
    assert (part.reason, part.leads) == ("paused", 1)
    assert part.waits_for[0].startswith("the end of the pause at 20")
    assert part.waits_for[0].endswith(" (audit)")
    await conn.execute("update lane set paused_until = clock_timestamp() - interval '1 second'")
    assert await reasons(made) == {"ready": 1}


async def test_one_lead_has_the_reason_of_its_key(tenant: Tenancy, drain: Drain) -> None:
    await tenant.accept([lead(1, region="west", declared_customer="c")], NOON)
    await settle(drain, tenant.tenant_id, NOON)
    why = await judged(tenant, NOON)
    assert (why.reason, list(why.each.values()), why.room) == (Reason.GROUP_EMPTY, [Reason.GROUP_EMPTY], False)
    (part,) = (await waiting(tenant, NOON)).reasons
    assert (part.reason, part.waits_for) == (why.reason, ("a rep in group west",))
    await rep(tenant, group="west")
    assert (await judged(tenant, NOON)).room
    assert await reasons(tenant, NOON) == {"ready": 1}


async def test_a_returned_lead_says_who_must_not_get_it(tenant: Tenancy, drain: Drain) -> None:
    await rep(tenant)
    await tenant.accept([lead(1, region="east")], NOON)
    await settle(drain, tenant.tenant_id, NOON)
    number = await tenant.conn.fetchval("select lead_id from assignment")
    await end(tenant.conn, tenant.tenant_id, number, Ending.RETURNED, NOON)
    await settle(drain, tenant.tenant_id, NOON)
    (part,) = (await waiting(tenant, NOON)).reasons
    assert (part.reason, part.waits_for) == ("nobody_available", ("a rep in group all, other than r1",))


async def one_of_each(tenant: Tenancy, drain: Drain) -> datetime:
    """Two assigned, one each of closed, parked and merged, two waiting; answers when."""
    now = NOON + timedelta(hours=25)
    await rep(tenant, most=3)
    await tenant.accept([lead(0, region="north")], NOON)
    await settle(drain, tenant.tenant_id, NOON)
    same = {"region": "east", "phone": "+8613805719021", "product": "pump"}
    await tenant.accept([lead(1, **same), lead(2, **same), lead(3, region="east"), lead(4, region="east")], now)
    await settle(drain, tenant.tenant_id, now)
    number = await tenant.conn.fetchval("select min(lead_id) from assignment")
    await end(tenant.conn, tenant.tenant_id, number, Ending.WON, now)
    await tenant.accept([lead(5, region="west"), lead(6, region="nowhere")], now)
    await settle(drain, tenant.tenant_id, now)
    return now


async def test_status_counts_every_lead_once_by_state_and_reason(
    tenant: Tenancy, drain: Drain, database_url: str
) -> None:
    now = await one_of_each(tenant, drain)
    await make_tenant(tenant.conn, reps_csv(["r1,Rep,yes,UTC,all,1,1"]), RULES, name="other")
    found = await CommandLine(status_command, database_url).json("--now", now.isoformat())
    states = {
        "waiting": 2,
        "assigned": 2,
        "parked": 1,
        "merged": 1,
        "closed": 1,
        "archived": 0,
        "removed": 0,
        "journalled": 0,
    }
    assert tuple(found["states"]) == STATES
    assert (found["accepted"], found["states"], found["balanced"]) == (7, states, True)
    assert found["waiting_by_reason"] == {"group_empty": 1, "no_matching_rule": 1}
    assert found["parked_by_reason"] == {"no_matching_rule": 1}
    assert found["oldest_waiting_at"] == now.isoformat()
    acme, other = found["tenants"]
    assert (acme["tenant"], acme["accepted"], acme["states"]) == ("acme", 7, states)
    assert acme["versions"] == {"ruleset": 1, "roster": 2, "rates": 0}
    assert acme["last_batch"]["kind"] == "drain"
    assert {part["reason"] for part in acme["waiting"]} == {"group_empty", "no_matching_rule"}
    assert (other["accepted"], other["last_batch"]["at"], other["lane_held_by"]) == (0, None, None)
    only = await CommandLine(status_command, database_url).json("--tenant", "other")
    assert (only["accepted"], [tenant["tenant"] for tenant in only["tenants"]]) == (0, ["other"])


async def test_status_in_text_names_reasons_and_what_is_waited_for(
    tenant: Tenancy, drain: Drain, database_url: str
) -> None:
    now = await one_of_each(tenant, drain)
    command = CommandLine(status_command, database_url)
    one = (await command.run("--now", now.isoformat())).stdout
    for part in (
        "sum",
        "= accepted",
        "group_empty",
        "a rep in group west",
        "a rule that matches",
        "ruleset 1, roster 2, no close rates yet",
    ):
        assert part in one
    await make_tenant(tenant.conn, reps_csv(["r1,Rep,yes,UTC,all,1,1"]), RULES, name="other")
    both = (await command.run()).stdout
    assert all(name in both for name in ("acme", "other", "free"))


async def test_a_lead_in_no_state_is_said_loudly(tenant: Tenancy, drain: Drain, database_url: str) -> None:
    await one_of_each(tenant, drain)
    await tenant.conn.execute("delete from closed")
    command = CommandLine(status_command, database_url)
    told = await command.run()
    assert told.exit_code == 1
    database, verdict = told.stdout.splitlines()[:2]
    assert database == "database: embedded, in .lead-router"
    assert verdict == "wrong: 7 leads were accepted, and the states have 6; see lead-router audit"
    assert (
        "critical: acme: accepted 7 leads, but its states hold 6 (-1); lead-router audit --tenant acme" in told.stdout
    )
    document = await command.json(code=1)
    assert document["database"] == "embedded, in .lead-router"
    assert (document["verdict"]["level"], document["verdict"]["look_at"]) == ("wrong", "lead-router audit")
    assert (document["accepted"], sum(document["states"].values()), document["balanced"]) == (7, 6, False)


async def test_status_tells_rates_of_the_last_minutes(tenant: Tenancy, drain: Drain) -> None:
    await rep(tenant, most=10)
    await tenant.accept((lead(i, region="east") for i in range(15)), NOON)
    await settle(drain, tenant.tenant_id, NOON)
    await tenant.conn.execute("update lead set received_at = $1", NOON)
    rates = (await status(tenant.conn, now=NOON + timedelta(minutes=1))).rates
    assert (rates.accepted, rates.assigned, rates.refused, rates.parked) == (3.0, 2.0, 1.0, 0.0)
    later = (await status(tenant.conn, now=NOON + timedelta(minutes=6))).rates
    assert (later.accepted, later.assigned, later.refused) == (0.0, 0.0, 0.0)


async def test_status_names_who_holds_the_lane_and_does_not_wait_for_it(
    tenant: Tenancy, database_url: str, conn: asyncpg.Connection
) -> None:
    async with connected(database_url) as holder, holder.transaction():
        await holder.execute("set local application_name = 'nightly cleanup'")
        await holder.execute("select from lane for update")
        await holder.execute("select from lead_pool for update")
        async with asyncio.timeout(60):
            (found,) = (await status(conn)).tenants
        assert found.lane.holder is not None
        assert found.lane.holder.application == "nightly cleanup"
        assert found.lane.holder.pid == holder.get_server_pid()
    (found,) = (await status(conn)).tenants
    assert found.lane.holder is None


async def test_status_tells_who_paused_a_tenant_until_when_and_why(
    tenant: Tenancy, conn: asyncpg.Connection, database_url: str
) -> None:
    await tenant.accept([lead(1)])
    made, _ = await pause(conn, await tenants.tenant_named(conn, "acme"), timedelta(minutes=30), "ann", "CRM upgrade")
    command = CommandLine(status_command, database_url)
    (found,) = (await command.json())["tenants"]
    assert (found["paused"]["until"], found["paused"]["by"]) == (made.until.isoformat(), "ann")
    text = (await command.run()).stdout
    assert f"paused until {made.until:%Y-%m-%d %H:%M} UTC (in " in text
    assert "), by ann " in text
    assert " ago: CRM upgrade; lead-router resume acme ends it" in text
    over = made.until + timedelta(seconds=1)
    assert (await command.json("--now", over.isoformat()))["tenants"][0]["paused"] is None
    await conn.execute("delete from change")
    assert "author unknown: CRM upgrade" in (await command.run()).stdout


async def test_status_tells_how_old_parked_leads_are(
    tenant: Tenancy, conn: asyncpg.Connection, database_url: str
) -> None:
    await tenant.accept(lead(i, invalid="no contact") for i in range(4))
    ages = "case lead_id % 4 when 0 then 0 when 1 then 30 when 2 then 600 else 6000 end"
    await conn.execute(f"update parked set parked_at = $1::timestamptz - interval '1 minute' * {ages}", NOON)
    command = CommandLine(status_command, database_url)
    (found,) = (await command.json("--now", NOON.isoformat()))["tenants"]
    (part,) = found["parked"]
    assert (part["reason"], part["leads"], part["last_hour"], part["last_day"]) == ("lead_invalid", 4, 2, 3)
    assert part["oldest_parked_at"] == (NOON - timedelta(minutes=6000)).isoformat()
    assert "lead_invalid  4      4 d 4 h ago" in (await command.run("--now", NOON.isoformat())).stdout


async def test_status_tells_how_long_leads_take_that_are_looked_at_again(
    tenant: Tenancy, drain: Drain, database_url: str
) -> None:
    await tenant.accept((lead(i, region="west") for i in range(1100)), NOON)
    await settle(drain, tenant.tenant_id, NOON)
    await tenant.rules(RULES + '  - {name: rest, match: {}, assign_to: "group:nobody"}\n')
    command = CommandLine(status_command, database_url)
    (found,) = (await command.json("--now", NOON.isoformat()))["tenants"]
    assert found["looked_at_again"] == {"leads": 1100, "batches": [1, 3], "seconds": [0.0, 0.0]}
    assert found["waiting"][0]["waits_for"] == ["a share of the next batches"]
    assert "1,100 leads will be retried within 1 to 3 batches" in (await command.run("--now", NOON.isoformat())).stdout


async def test_status_that_cannot_be_asked_for_says_why(database_url: str) -> None:
    command = CommandLine(status_command, database_url)
    assert "no tenant yet; lead-router tenants add" in (await command.run()).stdout
    for arguments, said in (
        (("--tenant", "acme"), "there is no tenant 'acme'"),
        (("--now", "noon"), "invalid time 'noon'"),
        (("--now", "2026-03-02T12:00"), "has no offset"),
    ):
        refused = await command.run(*arguments)
        assert (refused.exit_code, said in refused.stderr) == (2, True), refused.stderr


async def test_a_reader_who_has_enough_is_no_trouble_with_the_database(database_url: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = os.environ | {"LEAD_ROUTER_DATABASE_URL": database_url}
    program = "from ops.cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        "status",
        "--json",
        env=environment,
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    _, errors = await process.communicate()
    assert b"database" not in errors


async def test_a_new_tenant_is_shown_which_commands_it_still_needs(conn: asyncpg.Connection, database_url: str) -> None:
    await tenants.add(conn, "acme", "UTC")
    shown = CommandLine(status_command, database_url)
    text = (await shown.run()).stdout
    assert "still to do: lead-router reps import FILE --tenant acme" in text
    assert "still to do: lead-router rules apply FILE --tenant acme" in text
    await make_tenant(conn, simple_reps(1), name="zeta")
    assert "still to do" not in (await shown.run("--tenant", "zeta")).stdout
