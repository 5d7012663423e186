"""Groups: who could take a lead now is what the next batch would find, and nobody who could is left out."""

import csv
import io
from datetime import UTC, datetime

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.cli.groups import groups as groups_command
from ops.listing.groups import Group, RulesMissing, Standing, list_groups, list_members, waiting_by_group
from ops.listing.leads import group_number
from router.domain.targets import group_target, join_targets
from router.store import tenants
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.world import Tenancy, a_drain, lead, make_tenant, no_redis, reps_csv, settle

NOON = datetime.now(UTC)
HEADER = "rep_id,name,available,active,time_zone,groups,max_open,max_per_day,weight,leave"
LEAVE = f"{NOON:%Y}-01-01..{NOON:%Y}-12-31"
REPS = [
    "free,Free,yes,yes,UTC,a;b,9,9,1,",
    "full,=Full(),yes,yes,UTC,a,1,9,1,",
    "done,Done,yes,yes,UTC,a,9,1,1,",
    "away,Away,no,yes,UTC,a,9,9,1,",
    "leave,Leave,yes,yes,UTC,a,9,9,1," + LEAVE,
    "gone,Gone,yes,no,UTC,a,9,9,1,",
    "none,None,yes,yes,UTC,a,,9,0,",
    "east,East,no,yes,UTC,c,9,9,1,",
]
RULES = """
rules:
  - {name: of-a, match: {region: [a]}, assign_to: "group:a"}
  - {name: of-c, match: {region: [c]}, assign_to: "group:c"}
  - {name: also-a, match: {region: [x]}, assign_to: "group:a"}
  - {name: of-d, match: {region: [c]}, assign_to: "group:d"}
"""


async def a_tenant(conn: asyncpg.Connection, connections: Connections) -> Tenancy:
    """`full` has one lead and `done` one today that ended; two leads wait for groups c and d."""
    tenant = await make_tenant(conn, reps_csv(REPS, HEADER), RULES)
    await tenant.roster(reps_csv(["free,no", "done,no"], "rep_id,available"))
    await tenant.accept([lead(1, region="a")])
    await settle(a_drain(connections), tenant.tenant_id)
    await tenant.roster(reps_csv(["done,yes"], "rep_id,available"))
    await tenant.accept([lead(2, region="a"), lead(3, region="c"), lead(4, region="c")])
    await settle(a_drain(connections), tenant.tenant_id)
    # No batch has folded this in: only the inbox knows it.
    lead_id = await conn.fetchval(
        "select lead_id from assignment join rep using (tenant_id, rep_no) where rep_id = 'done'"
    )
    await end(conn, tenant.tenant_id, lead_id, Ending.WON)
    await tenant.roster(reps_csv(["free,yes"], "rep_id,available"))
    return tenant


async def test_a_group_shows_who_could_take_a_lead_and_what_keeps_the_others(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await a_tenant(conn, connections)
    found = await list_groups(conn, no_redis(), tenant.tenant_id)
    assert found.groups == (
        Group("a", 6, 1, 4, 1, 1, 1, 1, 2, ("of-a", "also-a"), 0),
        Group("b", 1, 0, 1, 1, 0, 0, 0, 0, (), 0),
        Group("c", 1, 0, 0, 0, 0, 0, 0, 0, ("of-c",), 2),
        Group("d", 0, 0, 0, 0, 0, 0, 0, 0, ("of-d",), 2),
    )
    number = await group_number(conn, tenant.tenant_id, "A")
    members = (await list_members(conn, no_redis(), tenant.tenant_id, number)).members
    assert {one.rep_id: one.standing for one in members} == {
        "free": Standing.AVAILABLE,
        "full": Standing.AT_OPEN_CAP,
        "done": Standing.AT_DAILY_CAP,
        "away": Standing.UNAVAILABLE,
        "leave": Standing.ON_LEAVE,
        "gone": Standing.INACTIVE,
        "none": Standing.WEIGHT_ZERO,
    }
    loads = {one.rep_id: (one.open_leads, one.max_open, one.today, one.max_per_day) for one in members}
    assert loads["full"] == (1, 1, 1, 9) and loads["done"] == (0, 9, 1, 1) and loads["none"] == (0, None, 0, 9)


async def test_the_command_shows_groups_and_members_and_says_what_is_missing(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await a_tenant(conn, connections)
    await tenant.roster(reps_csv(["east,old"], "rep_id,groups"))
    await tenant.roster(reps_csv(["east,c"], "rep_id,groups"))
    command = CommandLine(groups_command, database_url)
    found = await command.json("--tenant", "acme")
    assert [one["group"] for one in found["groups"]] == ["a", "b", "c", "d"] and found["unused"] == ["old"]
    assert found["presence_unknown"] is None
    assert [one["rep_id"] for one in (await command.json("--tenant", "acme", "--group", "c"))["members"]] == ["east"]
    text = (await command.run("--tenant", "acme")).stdout
    assert "of-a, also-a" in text and "1 group without members" in text
    assert "at open cap" in (await command.run("--tenant", "acme", "--group", "a")).stdout
    assert "has no members" in (await command.run("--tenant", "acme", "--group", "d")).stdout
    rows = list(csv.DictReader(io.StringIO((await command.run("--tenant", "acme", "--csv", "-")).stdout)))
    assert (rows[0]["group"], rows[0]["rules"]) == ("a", "of-a; also-a")
    shown = await command.run("--tenant", "acme", "--group", "a", "--csv", "-")
    assert "'=Full()" in shown.stdout
    for wrong in (("--group", "nobody"), ("--csv", "-", "--json")):
        assert (await command.run("--tenant", "acme", *wrong)).exit_code == 2
    await tenants.add(conn, "empty", "UTC")
    refused = await command.run("--tenant", "empty")
    assert refused.exit_code == 2 and "no rules yet" in refused.output
    with pytest.raises(RulesMissing):
        await list_groups(conn, no_redis(), (await tenants.tenant_named(conn, "empty")).tenant_id)


KEYS = st.lists(st.tuples(st.integers(1, 3), st.lists(st.integers(1, 5), max_size=4), st.integers(1, 50)), max_size=9)


@given(KEYS)
def test_a_waiting_lead_counts_once_for_each_group_it_waits_for(keys: list[tuple[int, list[int], int]]) -> None:
    rows = [
        {"ruleset": ruleset, "targets": join_targets(map(group_target, numbers), [7]), "leads": leads}
        for ruleset, numbers, leads in keys
    ]
    found = waiting_by_group(rows, 2)
    for number in range(1, 6):
        assert found[number] == sum(leads for ruleset, of, leads in keys if ruleset == 2 and number in of)
