"""Rules on attributes, companies and phones, and calendars of groups, with real leads: routed, explained, run again."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.replay.run import replay
from ops.replay.tally import Given
from ops.replay.variants import Changes
from ops.why.collect import why
from ops.why.trial import try_new
from router.domain.asked import COMPANY
from router.drain.replay import rerun
from router.rules.file import read_rules
from router.store import rulesets
from router.store.assignments import FoundLead
from router.store.connections.connections import Connections
from router.store.engines import Engines
from router.store.more_facts import read_more_facts
from router.store.rules_lint import lint_for_tenant
from router.store.tenants import tenant_named
from tests.findings import findings
from tests.postgres.test_why import text_of
from tests.world import Tenancy, a_drain, lead, make_tenant, no_redis, reps_csv, settle

# A Monday, 10:00 in Shanghai, 03:00 in Berlin.
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
HEADER = "rep_id,name,available,time_zone,groups,holidays"
REPS = ["r1,Ann,yes,Asia/Shanghai,keys,", "r2,Bo,yes,Asia/Shanghai,rest,"]
RULES = """
rules:
  - {name: big, match: {attributes.budget: {from: 100000}}, assign_to: group:keys}
  - {name: account, match: {company: {in_file: key.txt}}, assign_to: group:keys}
  - {name: german, match: {phone_region: DE}, assign_to: group:keys}
  - {name: rest, match: {}, assign_to: group:rest}
"""
LISTS = {"key.txt": "Acme GmbH\n海尔集团\n"}
LEADS = [
    *({"attributes": f'{{"budget": {value}}}'} for value in ("100000", '"1e5"', "99999.99", "null", "[5]", '"123456"')),
    *({"company": name} for name in ("ACME Inc.", "海尔集团有限公司", "Other")),
    *({"phone": phone} for phone in ("+4915112345678", "+8613800138000")),
    {},
]
BY = ["big", "rest", "rest", "rest", "rest", "big", "account", "account", "rest", "german", "rest", "rest"]


async def a_tenant(conn: asyncpg.Connection) -> Tenancy:
    tenant = await make_tenant(
        conn, reps_csv(REPS, HEADER), "rules: [{name: a, match: {}, assign_to: owner}]", zone="UTC"
    )
    await rulesets.apply(conn, tenant.tenant_id, RULES, "test", lists=LISTS.__getitem__)
    return tenant


async def given_by(tenant: Tenancy) -> list[str]:
    engine = rulesets.load_ruleset(tenant.conn, tenant.tenant_id, 2)
    rules = (await engine).rules
    rows = await tenant.conn.fetch("select rule_no from assignment order by lead_id")
    return [rules[row["rule_no"]].name for row in rows]


@pytest.mark.parametrize("ready", [1000, 2])
async def test_leads_are_given_by_what_they_say_and_the_decisions_come_out_the_same_again(
    conn: asyncpg.Connection, connections: Connections, ready: int
) -> None:
    tenant = await a_tenant(conn)
    accepted = await tenant.accept([lead(n, **said) for n, said in enumerate(LEADS)], NOW)
    await settle(a_drain(connections, ready=ready), tenant.tenant_id, NOW)
    assert await given_by(tenant) == BY
    # Somebody corrects the leads, and the rules' list is another one by now: what was decided stays as it was.
    await conn.execute("update lead set company = 'Nobody', phone = null, attributes = '{\"budget\": 1}'")
    await rulesets.apply(conn, tenant.tenant_id, RULES, "test", lists={"key.txt": "Other\n"}.__getitem__)
    for row in await conn.fetch("select batch_no from flight order by batch_no"):
        assert (await rerun(conn, Engines(), tenant.tenant_id, row["batch_no"])).same
    assert (await audit(conn, sample=50)).ok
    told = text_of(await why(conn, FoundLead(tenant.tenant_id, accepted.lead_ids[6]), now=NOW))
    assert "1. big: does not match: requires attributes.budget from 100000; the lead has no attributes.budget" in told
    assert "2. account: matches (company listed in key.txt)" in told
    told = text_of(await why(conn, FoundLead(tenant.tenant_id, accepted.lead_ids[1]), now=NOW))
    assert "the lead has 1e5, which is not a number" in told
    assert "requires country of the phone de; the lead has no country of the phone" in told
    chinese = text_of(await why(conn, FoundLead(tenant.tenant_id, accepted.lead_ids[1]), now=NOW), "zh")
    assert "1e5" in chinese and "not a number" not in chinese


async def test_a_replay_with_other_rules_reads_what_those_ask_for(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn)
    accepted = await tenant.accept(
        [lead(1, attributes='{"vip": true, "budget": 5}'), lead(2, attributes='{"vip": "no"}')], NOW
    )
    await settle(a_drain(connections), tenant.tenant_id, NOW)
    other = "rules:\n  - {name: vip, match: {attributes.vip: true}, assign_to: group:keys}\n"
    other += "  - {name: five, match: {attributes.budget: {to: 4}}, assign_to: group:keys}\n"
    of = await tenant_named(conn, "acme")
    same = await replay(conn, of, Changes())
    assert not dict(same.simulation.places)
    # What the record has counts, also where the lead says something else by now.
    await conn.execute("update lead set attributes = attributes || '{\"budget\": 3}'")
    found = await replay(conn, of, Changes(read_rules(other, "other.yaml")))
    given = {lead_id: place.after for lead_id, place in found.simulation.places}
    first, second = (given[number] for number in accepted.lead_ids)
    assert isinstance(first, Given) and first.rep_no == 1
    # The record knows that this one said nothing of a budget.
    assert not isinstance(second, Given)


async def test_a_waiting_lead_is_decided_by_what_it_says_when_its_turn_comes(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn)
    wait = "rules: [{name: big, match: {attributes.budget: {from: 10, to: 20}}, assign_to: group:keys}]"
    await tenant.rules(wait)
    await tenant.accept([lead(n, attributes=f'{{"budget": {n}}}') for n in range(30)], NOW)
    drain = a_drain(connections)
    await settle(drain, tenant.tenant_id, NOW)
    assert (await tenant.states())["assigned"] == 11
    await tenant.rules(wait.replace("10, to: 20", "5"))
    await settle(drain, tenant.tenant_id, NOW + timedelta(minutes=1))
    assert (await tenant.states())["assigned"] == 25


async def test_what_is_asked_for_is_read_and_nothing_else(conn: asyncpg.Connection) -> None:
    tenant = await a_tenant(conn)
    huge = "x" * 5000
    accepted = await tenant.accept(
        [
            lead(1, company="  ", attributes=f'{{"a": "{huge}", "b": "", "c": 1.500, "größe": "L", "d": {{"e": 1}}}}'),
            lead(2, company=huge, attributes="[1]"),
            lead(3),
        ]
    )
    asked = ("attributes.a", "attributes.b", "attributes.c", "attributes.d", "attributes.größe", COMPANY)
    told = await read_more_facts(conn, tenant.tenant_id, [*accepted.lead_ids, 99_999], asked)
    first, second, third = (dict(told[number]) for number in accepted.lead_ids)
    assert {name: value for name, value in first.items() if name != "attributes.a"} == {
        "attributes.c": "1.5",
        "attributes.größe": "L",
        "attributes.d": '{"e": 1}',
    }
    assert len(first["attributes.a"]) == len(second[COMPANY]) == 1001
    assert list(second) == [COMPANY] and third == {} and len(told) == 3


async def test_a_trial_of_a_new_lead_reads_attributes_as_the_database_would(conn: asyncpg.Connection) -> None:
    await a_tenant(conn)
    tenant = await tenant_named(conn, "acme")
    rules = read_rules(RULES, "r.yaml", LISTS.__getitem__)
    for row, rule in (
        ({"attributes": {"budget": 1e5}}, 0),
        ({"attributes": {"budget": "2e5"}}, 3),
        ({"attributes": {"budget": " 100000.0 "}}, 0),
        ({"company": "acme ag", "attributes": {"budget": None}}, 1),
        ({"phone": "+49 151 12345678"}, 2),
    ):
        trial = await try_new(conn, no_redis(), tenant, rules, row)
        taken = [one.rule_no for one in trial.explanation.rules if one.verdict == "assigned"]
        assert taken == [rule], row


async def test_check_finds_attributes_that_no_lead_has(conn: asyncpg.Connection) -> None:
    tenant = await a_tenant(conn)
    of = await tenant_named(conn, "acme")
    text = """rules:
  - {name: a, match: {attributes.Budget: {from: 1}}, assign_to: group:keys}
  - {name: b, match: {attributes.words: {from: 1}, phone_region: FR}, assign_to: group:keys}
  - {name: c, match: {company: [Acme, Acne], phone_region: DE}, assign_to: group:rest}
"""
    await tenant.accept(
        [lead(1, attributes='{"budget": 5, "words": "many"}', company="ACME GmbH", phone="+4915112345678")]
    )
    found = [(one.lint.value, one.rule) for one in await lint_for_tenant(conn, of, read_rules(text, "r")) if one.rule]
    lints = [("unknown_attribute", "a"), ("not_a_number", "b"), ("unseen_value", "b"), ("unseen_value", "c")]
    assert sorted(found) == sorted(lints)


CHINA_AND_GERMANY = """
calendar: {country: CN, working_hours: {mon-fri: "09:00-18:00"}}
groups:
  germany: {time_zone: Europe/Berlin, calendar: {country: DE, working_hours: "mon-fri 08:00-17:00"}}
rules:
  - {name: german, match: {phone_region: [DE, AT]}, assign_to: group:germany, on_no_candidate: wait}
  - {name: one, match: {region: vip}, assign_to: "rep:wei"}
  - {name: rest, match: {}, assign_to: group:china}
"""


async def test_china_and_germany_in_one_tenant_each_work_by_their_own_calendar(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    rows = ["anna,Anna,yes,,germany,", "wei,Wei,yes,,china,", "li,Li,yes,,china,none"]
    tenant = await make_tenant(conn, reps_csv(rows, HEADER), CHINA_AND_GERMANY, zone="Asia/Shanghai")
    holiday = datetime(2026, 10, 1, 2, 0, tzinfo=UTC)
    accepted = await tenant.accept(
        [lead(1, phone="+4915112345678"), lead(2, phone="+8613800138000"), lead(3, region="vip")], holiday
    )
    drain = a_drain(connections)
    await settle(drain, tenant.tenant_id, holiday)
    # Anna sleeps at 4 in the morning, Wei has a day off; Li works on holidays.
    names = await conn.fetch("select r.rep_id from assignment a join rep r using (tenant_id, rep_no) order by lead_id")
    assert [row["rep_id"] for row in names] == ["li", "li"]
    told = text_of(await why(conn, FoundLead(tenant.tenant_id, accepted.lead_ids[1]), now=holiday))
    assert "left out, public holiday: 1 (wei in CN: National Day, Thu 10:00 in Asia/Shanghai)" in told
    told = text_of(await why(conn, FoundLead(tenant.tenant_id, accepted.lead_ids[2]), now=holiday))
    assert "2. one: matches (region vip), rep wei was not available" in told
    # Not sooner than Anna's day begins, by her clock and hours.
    morning = datetime(2026, 10, 1, 6, 0, tzinfo=UTC)
    visit = await conn.fetchval("select next_visit_at from lane")
    assert visit == morning
    await settle(drain, tenant.tenant_id, morning - timedelta(seconds=1))
    assert (await tenant.states())["waiting"] == 1
    await settle(drain, tenant.tenant_id, morning)
    assert (await tenant.states())["waiting"] == 0
    for row in await conn.fetch("select batch_no from flight order by batch_no"):
        assert (await rerun(conn, Engines(), tenant.tenant_id, row["batch_no"])).same


async def test_rules_that_lose_a_calendar_leave_nothing_of_it_in_routers_that_knew_it(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    rows = ["anna,Anna,yes,,germany,", "wei,Wei,yes,,china,"]
    tenant = await make_tenant(conn, reps_csv(rows, HEADER), CHINA_AND_GERMANY, zone="Asia/Shanghai")
    drain = a_drain(connections)
    await tenant.accept([lead(1, phone="+4915112345678")], NOW)
    await settle(drain, tenant.tenant_id, NOW)
    assert (await tenant.states())["waiting"] == 1
    await tenant.rules(CHINA_AND_GERMANY.replace("groups:", "#").replace("  germany: {time_zone", "# {time_zone"))
    await settle(drain, tenant.tenant_id, NOW + timedelta(minutes=1))
    assert (await tenant.states())["assigned"] == 1


async def test_doctor_sees_that_the_only_rep_of_a_rule_is_not_available(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    rows = ["wei,Wei,yes,,china,", "li,Li,yes,,china,"]
    rules = "rules:\n  - {name: one, match: {}, assign_to: 'rep:wei', on_no_candidate: wait}\n"
    tenant = await make_tenant(conn, reps_csv(rows, HEADER), rules, zone="UTC")
    await conn.execute("update roster_version set at = clock_timestamp() - interval '30 days'")
    assert await findings(conn, "members_unavailable") == []
    await tenant.roster(reps_csv(["wei,Wei,no,,china,"], HEADER))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    [found] = await findings(conn, "members_unavailable")
    assert (found.severity, found.held_back) == ("critical", 1)
    assert found.sentence.startswith("rep wei, to whom a rule assigns, is not available since ")
