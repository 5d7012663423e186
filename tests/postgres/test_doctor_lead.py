"""Asked about one lead, the doctor says what it waits for and shows what concerns it."""

import asyncpg

from ops.cli.doctor import doctor
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.world import a_drain, lead, make_tenant, reps_csv, settle, simple_reps

RULES = """
rules:
  - {name: wuhan, match: {region: wuhan}, assign_to: "group:wuhan"}
  - {name: all, match: {region: beijing}, assign_to: "group:all"}
"""


async def test_whoever_asks_about_one_lead_learns_what_it_waits_for_and_nothing_of_other_tenants(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    header = "rep_id,name,available,time_zone,groups"
    other = await make_tenant(conn, reps_csv(["z,Z,yes,UTC,"], header), name="other")
    await other.accept([lead(9)])
    tenant = await make_tenant(conn, simple_reps(2), RULES)
    await tenant.accept([lead(1, region="wuhan"), lead(2, region="beijing"), lead(3, region="xian")])
    await settle(a_drain(connections), tenant.tenant_id)
    command = CommandLine(doctor, database_url)
    told = await command.json("--lead", "e1", "--tenant", "acme")
    assert (told["lead"]["state"], told["lead"]["reason"]) == ("waiting", "group_empty")
    assert "wuhan" in told["lead"]["summary"]
    assert told["findings"][0]["code"] == "groups_empty"
    assert {one["subject"]["name"] for one in told["findings"] if one["subject"]["kind"] == "tenant"} == {"acme"}
    unmatched = await command.json("--lead", str(told["lead"]["number"] + 2))
    assert (unmatched["lead"]["reason"], unmatched["findings"][0]["code"]) == ("no_matching_rule", "no_rule_matches")
    shown = await command.run("--lead", "web/e2", "--tenant", "acme")
    assert shown.exit_code == 0
    assert "of acme: Assigned to" in shown.output
    assert "nothing is wrong that concerns this lead" in shown.output


async def test_a_lead_that_does_not_exist_is_not_taken_for_one_that_is_well(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    for words in (("--lead", "4711"), ("--lead", "x", "--tenant", "acme"), ("--lead", "1", "--tenant", "acmee")):
        result = await CommandLine(doctor, database_url).run(*words)
        assert result.exit_code == 2, result.output
        assert "Error: " in result.output


async def test_the_lead_of_a_tenant_whose_rules_cannot_be_read_is_told_that(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1, max_open=0))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    await conn.execute("update ruleset set source = 'of_a_later_release: yes'")
    told = await CommandLine(doctor, database_url).json("--lead", "e1", "--tenant", "acme", code=1)
    assert told["findings"][0]["code"] == "rules_unreadable"
