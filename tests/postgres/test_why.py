"""Why a lead is where it is, told from the database: for every state, with the numbers of then and not of now."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from ops.cli import main
from ops.cli.explanation import rendered
from ops.text.translation import translator
from ops.why import records
from ops.why.collect import why
from ops.why.description import LeadDescription, State
from ops.why.document import document
from ops.why.text import describe
from router.domain.decide import Assigned
from router.domain.explain import agrees
from router.domain.flight_format import decode, encode
from router.domain.lead_in import LeadIn
from router.manual.assign import assign_by_hand
from router.store.assignments import Ending, FoundLead, LeadUnknown, end
from router.store.connections.connections import Connections
from tests.busy_world import make_busy
from tests.command_line import CommandLine
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

# A Monday, 10:00 in Shanghai.
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
HEADER = "rep_id,name,available,time_zone,groups,max_open,max_per_day,weight,regions"
REPS = [
    "r1,Ann [x],yes,Asia/Shanghai,all,10,2,1,Hangzhou",
    "r2,王芳,yes,Asia/Shanghai,all,1,10,2,",
    "r3,Cy,no,Asia/Shanghai,all,,,1,",
    "r4,Di,yes,America/New_York,all;east,,,1,",
    "r5,Eve,yes,Asia/Shanghai,all,10,2,0,",
]
RULES = """
calendar: {working_hours: {mon-fri: "09:00-18:00"}}
defaults: {max_open: 200, max_per_day: 60}
weights: {region_match: 2.0}
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}
  - {name: urgent, match: {region: [Hangzhou, Shanghai], priority: [5]}, assign_to: "group:east"}
  - {name: fresh, match: {created: {within: 2h}, region: [Beijing]}, assign_to: "group:nobody"}
  - {name: everyone, match: {}, assign_to: "group:all", on_no_candidate: wait}
  - {name: never-reached, match: {}, assign_to: "group:east"}
"""


async def a_tenant(conn: asyncpg.Connection, rules: str = RULES) -> Tenancy:
    return await make_tenant(conn, reps_csv(REPS, HEADER), rules, zone="Asia/Shanghai")


async def routed(
    conn: asyncpg.Connection, connections: Connections, leads: list[LeadIn], rules: str = RULES
) -> tuple[Tenancy, tuple[int, ...]]:
    """A tenant whose leads were just routed."""
    tenant = await a_tenant(conn, rules)
    accepted = await tenant.accept(leads, NOW)
    await settle(a_drain(connections), tenant.tenant_id, NOW)
    return tenant, accepted.lead_ids


async def record(tenant: Tenancy, lead_id: int, at: datetime = NOW, batch_no: int | None = None) -> LeadDescription:
    return await why(tenant.conn, FoundLead(tenant.tenant_id, lead_id), batch_no=batch_no, now=at)


def text_of(story: LeadDescription, lang: str = "en") -> str:
    """What a person reads, with the spaces of the layout made one."""
    out = io.StringIO()
    console = Console(file=out, width=400, soft_wrap=True)
    for part in describe(story, translator(lang)):
        console.print(rendered(part))
    return "\n".join(" ".join(line.split()) for line in out.getvalue().splitlines())


def json_of(story: LeadDescription) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(document(story)))
    return found


def leads(count: int, region: str = "Hangzhou", **fields: object) -> list[LeadIn]:
    """Leads of different people; from Hangzhou r1 and r2 are each other's equals, and r1 comes first."""
    return [lead(i, name=f"n{i}", region=region, **fields) for i in range(count)]


async def test_an_assigned_lead_is_told_rule_by_rule_and_rep_by_rep(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, ids = await routed(conn, connections, leads(3, region="Hangzhou"))
    text = text_of(await record(tenant, ids[1]))
    assert "Assigned to r2 王芳 on 2026-03-02 10:00:00: rule everyone, group all" in text
    assert "2 of 5 members were available; it was this rep's turn" in text
    assert "lead 2 of 3; ruleset 1, roster 1" in text
    assert "1. known: does not match: requires a known customer; the customer has no owner" in text
    assert "2. urgent: does not match: requires priority 5; the lead has 0" in text
    assert "3. fresh: does not match: requires region beijing; the lead has Hangzhou" in text
    assert "selected r2 王芳 +0.50 2 0/1 0/10 1.00 leads" in text
    assert "2. r1 Ann [x] -0.50 1 × region_match 2 = 2 1/10 1/2 ahead of its fair share" in text
    assert "left out, unavailable: 1 (r3)" in text
    assert "left out, off hours: 1 (r4 Sun 21:00 in America/New_York)" in text
    assert "left out, weight 0: 1 (r5)" in text
    assert "1 more rule not reached" in text
    assert "2026-03-02 10:00:00 assigned to r2 王芳 by rule everyone, group all (batch 1)" in text

    found = json_of(await record(tenant, ids[1]))
    assert found["state"] == "assigned" and found["assigned_to"] == {"rep_id": "r2", "name": "王芳"}
    assert [rule["verdict"] for rule in found["decision"]["rules"]] == [
        *["not_matched"] * 3,
        *["assigned", "not_reached"],
    ]
    candidates = found["decision"]["rules"][3]["group"]["candidates"]
    assert [(c["rep_id"], c["place"], c["left_out"]) for c in candidates] == [
        ("r2", 1, []),
        ("r1", 2, []),
        ("r3", None, ["unavailable"]),
        ("r4", None, ["off_hours"]),
        ("r5", None, ["weight_zero"]),
    ]
    assert candidates[1]["factors"] == {"region_match": 2.0} and candidates[1]["weight"] == 2.0
    assert candidates[3]["local_time"] == "2026-03-01T21:00:00-05:00"


async def test_a_waiting_lead_says_what_it_waits_for_and_who_is_full(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, ids = await routed(conn, connections, leads(5, region="Beijing"))
    story = await record(tenant, ids[4])
    text = text_of(story)
    assert "waiting" in text.splitlines()[0]
    assert "Waiting for someone in group nobody (the group has no active member) or someone in group all" in text
    assert "[group_empty]" in text and "at the latest 2026-03-02 12:00:00" in text
    assert (
        "3. fresh: matches (region beijing, created within 2 h), 0 of 0 members of group nobody were available" in text
    )
    assert "0 of 5 members of group all were available; the rule waits, so later rules were not tried" in text
    assert "left out, at the daily limit: 1 (r1 2/2)" in text
    assert "left out, at the open-lead limit: 1 (r2 1/1)" in text
    waiting = json_of(story)["waiting"]
    assert waiting["reason"] == "group_empty" and waiting["tried"] and not waiting["somebody_has_room"]
    assert [(w["kind"], w["name"], w["reason"]) for w in waiting["waits_for"]] == [
        ("group", "nobody", "group_empty"),
        ("group", "all", "all_at_open_cap"),
    ]
    assert waiting["recheck_at"] == "2026-03-02T04:00:00+00:00"
    await tenant.roster(reps_csv([line.replace("all,1,10,2", "all,9,10,2") for line in REPS], HEADER))
    assert "or someone in group all, available now: the next batch tries again" in text_of(await record(tenant, ids[4]))


async def test_the_numbers_stay_those_of_the_moment_whatever_changes_afterwards(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, ids = await routed(conn, connections, leads(5, region="Hangzhou"))
    before = {i: text_of(await record(tenant, i)) for i in ids[:3]}
    waiting = (await record(tenant, ids[4])).record
    changed = [line.replace(",10,2,", ",99,98,").replace("Ann [x]", "Anna") for line in REPS]
    await tenant.roster(reps_csv([*changed, "r6,New,yes,UTC,all,,,9,"], HEADER))
    await tenant.rules(RULES.replace("everyone", "all-of-us").replace("region_match: 2.0", "region_match: 7.0"))
    for lead_id in ids[:2]:
        await conn.execute("update rep_load set open = 77, today = 55 where tenant_id = $1", tenant.tenant_id)
        after = text_of(await record(tenant, lead_id))
        kept = [
            line for line in before[lead_id].splitlines() if "rule" in line or "left out" in line or "selected" in line
        ]
        for line in kept:
            assert line.replace("Ann [x]", "") in after.replace("Anna", "").replace("Ann [x]", "")
    again = await record(tenant, ids[4])
    assert waiting and again.record and again.record.explanation == waiting.explanation
    assert again.present and again.present.old_rules
    assert "Decided under ruleset 1; the active rules decide with the next batches" in text_of(again)


async def test_the_owner_rule_names_the_owner_and_when_the_lead_goes_to_others(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    arriving = [lead(i, declared_customer="c1", product=f"p{i}", region="Hangzhou") for i in range(3)]
    tenant, ids = await routed(conn, connections, arriving)
    first, second = await record(tenant, ids[0]), await record(tenant, ids[1])
    assert first.place.rep_no == 1 and "as the owner of the customer" in text_of(second)
    assert "1. known: matches (a known customer), the owner is r1 Ann [x]" in text_of(second)
    third = text_of(await record(tenant, ids[2]))
    assert (
        "Waiting for the customer's owner r1 Ann [x] (the customer's owner has reached a limit) [owner_at_cap]" in third
    )
    assert "the owner is r1 Ann [x]: at the daily limit 2/2; the lead waits until 2026-03-02 10:30:00" in third

    later = NOW + timedelta(minutes=31)
    await settle(a_drain(connections), tenant.tenant_id, later)
    moved = text_of(await record(tenant, ids[2], later))
    assert "the lead waited until 2026-03-02 10:30:00, the longest allowed" in moved and "Assigned to r2 王芳" in moved
    assert "nobody could take it; waiting for the customer's owner r1 Ann [x]" in moved


async def test_a_lead_that_was_never_tried_says_what_it_waits_on(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn)
    ids = (await tenant.accept(leads(3), NOW)).lead_ids
    assert "not tried yet: next in line; no router has worked for this tenant yet" in text_of(
        await record(tenant, ids[0])
    )
    assert "2 leads ahead of it" in text_of(await record(tenant, ids[2]))
    until = NOW + timedelta(hours=1)
    await conn.execute("update lane set paused_until = $1, paused_why = 'stock-taking'", until)
    paused = await record(tenant, ids[0])
    assert "the tenant is paused until 2026-03-02 11:00:00 (stock-taking)" in text_of(paused)
    assert json_of(paused)["waiting"]["turn"]["paused_why"] == "stock-taking" and json_of(paused)["decision"] is None
    assert "paused" not in text_of(await record(tenant, ids[0], until))
    await conn.execute("update tenant set ruleset = 0")
    assert "has no ruleset yet (lead-router rules apply FILE" in text_of(await record(tenant, ids[0]))


async def test_a_lead_that_somebody_has_locked_names_who_it_is(conn: asyncpg.Connection, database_url: str) -> None:
    tenant = await a_tenant(conn)
    ids = (await tenant.accept(leads(2), NOW)).lead_ids
    other = await asyncpg.connect(database_url, server_settings={"application_name": "nightly-cleanup"})
    for statement, what in (
        (f"select 1 from lead_pool where lead_id = {ids[0]} for update", "its row is locked"),
        (f"select 1 from lead_pool where lead_id = {ids[0]} for share", "its row is locked"),
        ("select 1 from lane for update", "the tenant's lane is locked"),
        ("lock table rep_load in exclusive mode", "a table that batches write is locked"),
    ):
        async with other.transaction():
            await other.execute(statement)
            at = await conn.fetchval("select clock_timestamp() + interval '1 minute'")
            text = text_of(await record(tenant, ids[0], at))
            assert f"{what} by pid {other.get_server_pid()} (nightly-cleanup, user" in text
            assert json_of(await record(tenant, ids[0], at))["waiting"]["reason"] == "database_busy"
    await other.close()


async def test_a_lead_given_back_tells_who_had_it_and_is_not_given_to_that_rep_again(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, ids = await routed(conn, connections, leads(1))
    at = NOW + timedelta(minutes=5)
    await end(conn, tenant.tenant_id, ids[0], Ending.RETURNED, at)
    back = await record(tenant, ids[0], at)
    assert "Returned by r1 Ann [x]; waiting for reassignment for 0 min" in text_of(back)
    assert json_of(back)["waiting"]["excluded"] == [{"rep_id": "r1", "name": "Ann [x]"}]
    await settle(a_drain(connections), tenant.tenant_id, at)
    text = text_of(await record(tenant, ids[0], at))
    assert "Assigned to r2 王芳" in text and "left out, had this lead and returned it: 1 (r1)" in text
    told_lines = text[text.index("Timeline") :].splitlines()[1:]
    assert [line.split(" ", 2)[2] for line in told_lines] == [
        "received from web as e0",
        "assigned to r1 Ann [x] by rule everyone, group all (batch 1)",
        "returned by r1 Ann [x]; to be reassigned",
        "assigned to r2 王芳 by rule everyone, group all (batch 2)",
    ]
    earlier = text_of(await record(tenant, ids[0], at, batch_no=1))
    assert (
        "Batch 1 at 2026-03-02 10:00:00: assigned to r1 Ann [x]" in earlier and "This is an earlier decision" in earlier
    )


async def test_a_lead_given_by_hand_names_who_did_it_and_what_for(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, ids = await routed(conn, connections, leads(1))
    at = NOW + timedelta(minutes=5)
    given = {"actor": "lee", "note": "asked for her [vip]", "token": 1, "now": at}
    await assign_by_hand(conn, tenant.tenant_id, ids[0], "r5", **given)  # type: ignore[arg-type]
    story = await record(tenant, ids[0], at)
    text = text_of(story)
    assert "Assigned to r5 Eve on 2026-03-02 10:05:00: assigned manually by lee (asked for her [vip])." in text
    assert "r5 Eve had open 0/10, today 0/2 before it" in text
    assert "taken from r1 Ann [x] manually, for another" in text
    assert "assigned to r5 Eve manually by lee (asked for her [vip]) (batch 2)" in text
    found = json_of(story)
    assert found["by_hand"] and found["decision"]["by_hand"]["actor"] == "lee" and not found["decision"]["rules"]


async def test_parked_merged_and_closed_leads_say_why(conn: asyncpg.Connection, connections: Connections) -> None:
    poison = lead(7, created_at=datetime(9999, 12, 31, 23, tzinfo=UTC), region="Beijing")
    twice = [lead(i, declared_customer="c1", name="Same", region="Hangzhou") for i in (1, 2)]
    tenant, ids = await routed(conn, connections, [poison, lead(8, invalid="no source"), *twice])
    by_external = {row[0]: row[1] for row in await conn.fetch("select external_id, lead_id from lead order by lead_id")}
    failed = await record(tenant, by_external["e7"])
    assert "Parked since 2026-03-02 10:00:00: deciding about it failed (OverflowError" in text_of(failed)
    assert "3. fresh: failed: OverflowError" in text_of(failed)
    assert json_of(failed)["decision"]["rules"][2]["verdict"] == "failed"
    invalid = await record(tenant, by_external["e8"])
    assert "the lead is invalid (no source)" in text_of(invalid) and invalid.record is None
    merged = await record(tenant, by_external["e2"])
    assert f"Duplicate of lead {by_external['e1']}; merged" in text_of(merged)
    assert json_of(merged)["merged_into"] == by_external["e1"]
    await end(conn, tenant.tenant_id, by_external["e1"], Ending.WON, NOW + timedelta(days=1))
    closed = await record(tenant, by_external["e1"])
    assert "Closed as won on 2026-03-03 10:00:00 by r1 Ann [x]." in text_of(closed)
    assert "4. everyone: matches (every lead), 2 of 5 members of group all were available" in text_of(closed)
    assert json_of(closed)["closed"] == {"outcome": "won", "by": {"rep_id": "r1", "name": "Ann [x]"}}
    assert len(ids) == 4


async def test_a_record_that_retention_took_is_said_and_the_rows_still_speak(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, ids = await routed(conn, connections, leads(1))
    at = NOW + timedelta(minutes=5)
    await end(conn, tenant.tenant_id, ids[0], Ending.RETURNED, at)
    await settle(a_drain(connections), tenant.tenant_id, at)
    await conn.execute("delete from flight where batch_no = 1")
    half = text_of(await record(tenant, ids[0]))
    assert "The flight record of batch 1 has been deleted" in half and "selected r2" in half
    assert "assigned to r1 Ann [x] by rule number 4 of its time, group all (batch 1)" in half
    await conn.execute("delete from flight")
    gone = await record(tenant, ids[0])
    assert gone.record is None and gone.record_gone == 2
    assert "Assigned to r2 王芳 on 2026-03-02 10:05:00: rule number 4 of its time, group all" in text_of(gone)
    with pytest.raises(LookupError, match="batch 1"):
        await record(tenant, ids[0], batch_no=1)


async def test_an_earlier_refusal_is_told_as_it_was_and_the_chain_is_bounded(
    conn: asyncpg.Connection, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant, ids = await routed(conn, connections, leads(1), RULES.replace("group:all", "group:nobody"))
    drain = a_drain(connections)
    for hour in range(1, 6):
        await tenant.rules(RULES.replace("group:all", "group:nobody") + f"# {hour}\n")
        await settle(drain, tenant.tenant_id, NOW + timedelta(hours=hour))
    text = text_of(await record(tenant, ids[0]))
    assert text.count("nobody could take it; waiting for someone in group nobody") == 7
    monkeypatch.setattr(records, "FOLLOWED", 2)
    short = await record(tenant, ids[0])
    assert short.older_batch == 4 and "earlier decisions: lead-router why 1 --batch 4" in text_of(short)
    earlier = await record(tenant, ids[0], batch_no=4)
    assert earlier.record and earlier.record.stored.ruleset == 4 and earlier.older_batch == 2 and earlier.later
    with pytest.raises(LookupError, match="was not in batch"):
        other = (await tenant.accept([lead(99)], NOW)).lead_ids[0]
        await record(tenant, other, batch_no=4)


async def test_rules_by_the_thousand_and_crowds_are_counted_not_listed(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    many = "".join(f'  - {{name: x{i}, match: {{campaign: [k{i}]}}, assign_to: "group:all"}}\n' for i in range(1000))
    crowd = reps_csv([f"q{i:03},Q{i},{'yes' if i < 90 else 'no'},UTC,all,,,1," for i in range(200)], HEADER)
    tenant = await make_tenant(conn, crowd, "rules:\n" + many + '  - {name: rest, match: {}, assign_to: "group:all"}\n')
    ids = (await tenant.accept(leads(3, campaign="none"), NOW)).lead_ids
    await settle(a_drain(connections), tenant.tenant_id, NOW)
    story = await record(tenant, ids[2])
    text = text_of(story)
    assert "… 1,000 rules do not match" in text and "1001. rest: matches" in text
    assert "90 of 200 members of group all were available" in text and "… 85 more were available" in text
    assert "left out, unavailable: 110 (q090, q091, q092 and 107 more)" in text
    assert len(text.splitlines()) < 30
    found = json_of(story)["decision"]["rules"]
    assert len(found) == 1001 and len(found[1000]["group"]["candidates"]) == 200


async def test_the_explanation_of_every_lead_of_a_busy_tenant_ends_as_the_lead_did(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    busy = await make_busy(conn, connections, seed=9)
    states = set()
    for lead_id in busy.lead_ids:
        story = await record(busy.tenant, lead_id, busy.now)
        states.add(story.place.state)
        text, found = text_of(story), json_of(story)
        assert story.place.state is not State.NOWHERE and found["state"] in text
        if story.record is None:
            assert story.place.batch_no is None
            continue
        assert not story.record.trouble
        if story.record.explanation is not None:
            assert story.record.explanation.decision == story.record.decision and agrees(story.record.explanation)
        if story.place.state is State.ASSIGNED:
            assert isinstance(story.record.decision, Assigned) and story.record.decision.rep_no == story.place.rep_no
            assert story.record.decision.rule_no == story.place.rule_no
        endings = await conn.fetchval("select count(*) from assignment_history where lead_id = $1", lead_id)
        assert text.count("assigned to") >= endings
    assert states >= {State.WAITING, State.ASSIGNED, State.PARKED, State.CLOSED}


async def test_a_record_that_no_longer_gives_its_decision_is_a_problem(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant, ids = await routed(conn, connections, leads(2))
    flight = decode(await conn.fetchval("select inputs from flight"))
    other = msgspec.structs.replace(flight, decided=b"".join(n.to_bytes(8, "little") for n in (2, 1)))
    await conn.execute("update flight set inputs = $1", encode(other))
    story = await record(tenant, ids[0])
    assert story.record and story.record.explanation_differs
    assert "the record does not give this decision again" in text_of(story)
    assert "this rep's turn" not in text_of(story) and "next in line" not in text_of(story)
    old = msgspec.structs.replace(flight, engine=0)
    await conn.execute("update flight set inputs = $1", encode(old))
    of_old = await record(tenant, ids[0])
    assert of_old.record and not of_old.record.explanation_differs
    assert "engine version 0 decided this" in text_of(of_old) and "Assigned to r1 Ann [x]" in text_of(of_old)


async def test_the_command_answers_by_number_and_by_external_id(
    conn: asyncpg.Connection, connections: Connections, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ids = await routed(conn, connections, leads(2))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    async def run(*arguments: str) -> tuple[int, str, str]:
        done = await CommandLine(main, database_url).run("why", *arguments)
        assert isinstance(done.exception, SystemExit | None), done.exception
        return done.exit_code, done.stdout, done.stderr

    code, out, _ = await run(str(ids[0]))
    assert code == 0 and "Assigned to r1 Ann [x] on" in out
    code, out, _ = await run("web/e1", "--tenant", "acme", "--json")
    assert code == 0 and json.loads(out)["assigned_to"]["rep_id"] == "r2"
    code, out, _ = await run(str(ids[0]), "--lang", "zh")
    assert code == 0 and "起由 r1 Ann [x] 负责" in out
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    code, out, _ = await run(str(ids[0]))
    assert code == 0 and "起由 r1 Ann [x] 负责" in out
    code, out, err = await run("4711")
    assert code == 2 and not out and "错误：租户 acme 没有外部编号或编号为 '4711' 的线索" in err
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    code, out, err = await run("4711")
    assert code == 2 and not out and "tenant acme has no lead with the external id or number '4711'" in err
    code, _, err = await run("e1", "--tenant", "nobody")
    assert code == 2 and "there is no tenant 'nobody'" in err


async def test_a_lead_that_is_not_there_is_refused(conn: asyncpg.Connection) -> None:
    tenant = await a_tenant(conn)
    with pytest.raises(LeadUnknown, match="77"):
        await record(tenant, 77)


def test_the_help_has_an_example() -> None:
    shown = CliRunner().invoke(main, ["why", "--help"])
    assert shown.exit_code == 0 and "lead-router why 4711" in shown.output
