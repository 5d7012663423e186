"""A group of which suddenly nobody is available is found, with what waits for it; what is as every day is not."""

from datetime import datetime, timedelta

import asyncpg
import pytest

from ops.doctor.usually import is_unusual, moments_before
from router.store.connections.connections import Connections
from tests.findings import findings
from tests.world import Tenancy, a_drain, lead, make_tenant, reps_csv, settle

CODE = "members_unavailable"
HEADER = "rep_id,name,available,time_zone,groups,working_hours,leave"


def team(available: str, *, hours: str = "", leave: str = "", size: int = 3) -> bytes:
    return reps_csv([f"r{i},R{i},{available},UTC,all,{hours},{leave}" for i in range(size)], HEADER)


async def since_days(tenant: Tenancy, version: int, days: float) -> None:
    """As if that roster had come so many days ago."""
    await tenant.conn.execute(
        "update roster_version set at = clock_timestamp() - make_interval(secs => $1) where version = $2",
        days * 86_400,
        version,
    )


async def test_leads_stand_because_everybody_was_set_unavailable(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, team("yes", size=12))
    await since_days(tenant, 1, 30)
    assert await findings(conn, CODE) == []
    await tenant.roster(team("no", size=12))
    [warned] = await findings(conn, CODE)
    assert (warned.severity, warned.held_back) == ("warning", 0)
    await tenant.accept([lead(1), lead(2)])
    await settle(a_drain(connections), tenant.tenant_id)
    [found] = await findings(conn, CODE)
    assert (found.severity, found.held_back, found.subject.name) == ("critical", 2, "acme")
    assert found.since == await conn.fetchval("select at from roster_version where version = 2")
    assert found.evidence[0] == {"rep": "r0", "group": "all", "is": "unavailable"}
    assert "all 12 members are unavailable" in found.sentence
    await tenant.roster(reps_csv(["r3,R3,yes,UTC,all,,"], HEADER))
    await settle(a_drain(connections), tenant.tenant_id)
    assert await findings(conn, CODE) == []


async def test_a_team_of_today_that_was_set_unavailable_at_once_is_found_and_one_that_begins_so_is_not(
    conn: asyncpg.Connection,
) -> None:
    tenant = await make_tenant(conn, team("no"))
    assert await findings(conn, CODE) == []
    await tenant.roster(team("yes"))
    await tenant.roster(team("no"))
    [found] = await findings(conn, CODE)
    assert found.severity == "warning"


async def test_who_logs_off_every_evening_is_no_finding(
    conn: asyncpg.Connection,
) -> None:
    tenant = await make_tenant(conn, team("yes"))
    await tenant.roster(team("no"))
    for version, days in ((1, 30.0), (2, 20.0)):
        await since_days(tenant, version, days)
    assert await findings(conn, CODE) == []


async def test_hours_that_are_over_are_no_lack_of_people(conn: asyncpg.Connection) -> None:
    now = await conn.fetchval("select clock_timestamp()")
    for day, found in ((3, 0), (0, 1)):
        hours = f"{now + timedelta(days=day):%a} 00:00-24:00"
        tenant = await make_tenant(conn, team("yes", hours=hours), name=f"in-{day}-days")
        await conn.execute("update roster_version set at = at - interval '30 days'")
        await tenant.roster(team("no", hours=hours))
        assert len(await findings(conn, CODE)) == found


async def test_leave_of_everybody_is_told_but_not_called_critical_since_it_was_planned(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, team("yes"))
    await since_days(tenant, 1, 30)
    today = (await conn.fetchval("select clock_timestamp()")).date()
    await tenant.roster(team("yes", leave=f"{today - timedelta(days=1)}..{today + timedelta(days=1)}"))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    [found] = await findings(conn, CODE)
    assert (found.severity, found.held_back) == ("warning", 1)
    assert "on leave" in found.sentence


async def test_unknown_spellings_that_stop_a_group_are_the_cause_and_stand_first(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, team("yes"))
    await since_days(tenant, 1, 30)
    await conn.execute("update rep_row set availability_held_until = clock_timestamp() - interval '1 min'")
    await tenant.accept([lead(1), lead(2)])
    await settle(a_drain(connections), tenant.tenant_id)
    [cause] = await findings(conn, "availability_unreadable")
    [effect] = await findings(conn, CODE)
    assert (cause.severity, cause.held_back, cause.confidence) == ("critical", 2, "high")
    assert (effect.severity, effect.held_back, effect.confidence) == ("critical", 2, "medium")


async def test_the_fix_is_for_a_rep_for_whom_leads_wait_and_who_was_available_when_last_known(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    now = await conn.fetchval("select clock_timestamp()")
    off = f"{now + timedelta(days=3):%a} 00:00-24:00"
    rules = """rules:
  - {name: w, match: {region: wuhan}, assign_to: "group:wuhan"}
  - {name: b, match: {region: beijing}, assign_to: "group:beijing"}
"""
    roster = ["a,A,yes,UTC,beijing,,", "b,B,no,UTC,wuhan,,", f"c,C,yes,UTC,wuhan,{off},"]
    roster += [f"c2,C,yes,UTC,wuhan,,{now.date()}..{(now + timedelta(days=1)).date()}", "d,D,yes,UTC,wuhan,,"]
    tenant = await make_tenant(conn, reps_csv(roster, HEADER), rules)
    await conn.execute("update rep_row set availability_held_until = clock_timestamp() - interval '1 min'")
    await tenant.accept([lead(1, region="wuhan")])
    await settle(a_drain(connections), tenant.tenant_id)
    [found] = await findings(conn, "availability_unreadable")
    assert (found.severity, found.held_back) == ("critical", 1)
    assert found.command == "lead-router reps set d --tenant acme --available yes"


NOW = datetime.fromisoformat("2026-03-04T12:00:00+00:00")


@pytest.mark.parametrize(
    ("available", "unusual"),
    [
        ({1: 3, 2: 3, 3: 3, 4: 3, 5: 0, 6: 0, 7: 3}, True),
        ({1: 3, 2: 3, 3: 3, 4: 3, 5: 3, 6: 3, 7: 0}, False),
        ({1: 0, 2: 0, 3: 0, 4: 0, 5: 0, 6: 3, 7: 3}, False),
        ({1: 3}, True),
        ({}, False),
    ],
    ids=["a weekday", "as a week ago", "mostly so", "a young roster", "nothing known"],
)
def test_what_is_unusual_is_judged_by_the_same_time_of_other_days(available: dict[int, int], unusual: bool) -> None:
    known = {NOW - timedelta(days=day): number for day, number in available.items()}
    assert is_unusual(NOW, NOW - timedelta(hours=1), known, 3) is unusual
    assert len(moments_before(NOW, NOW)) == 8
