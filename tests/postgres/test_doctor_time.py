"""A source whose stamps are of another zone is found with the leads that stand for it; a slow source is not."""

from datetime import timedelta

import asyncpg

from router.rules.file import read_rules
from router.store.connections.connections import Connections
from router.store.rules_lint import lint_for_tenant
from router.store.sources import NewSource, add_source
from router.store.tenants import tenant_named
from tests.findings import findings
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps, zone_away_from_midnight

CODE = "stamps_shifted"
TODAY = """
rules:
  - {name: today, match: {created: today}, assign_to: "group:all"}
"""
ALWAYS = TODAY + "  - {name: rest, match: {}, assign_to: 'group:all'}\n"


async def stream(tenant: Tenancy, hours: float, *, number: int = 25, first: int = 0, source: str = "ads") -> None:
    """Leads that came one after another, one a minute, whose stamps are off by so many hours."""
    now = await tenant.conn.fetchval("select clock_timestamp()")
    for i in range(number):
        at = now - timedelta(minutes=number - i)
        created = at + timedelta(hours=hours, seconds=-5)
        await tenant.accept([lead(first + i, created_at=created)._replace(source=source)], at)


async def test_leads_that_stand_for_a_source_of_another_zone_are_critical_with_the_stamps_as_proof(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), TODAY, zone=await zone_away_from_midnight(conn))
    assert await findings(conn, CODE) == []
    await stream(tenant, 24)
    await settle(a_drain(connections), tenant.tenant_id)
    [found] = await findings(conn, CODE)
    assert (found.severity, found.held_back, found.confidence) == ("critical", 25, "high")
    assert "24 h ahead of their arrival" in found.sentence
    assert "25 leads are of another day" in found.sentence
    assert len(found.evidence) == 10
    assert found.since == await conn.fetchval("select min(received_at) from lead")
    assert (found.command or "").startswith(
        "lead-router leads restamp --tenant=acme --source=ads --shift=-24h --dry-run"
    )


async def test_with_a_catch_all_it_is_a_warning_and_without_rules_about_time_only_a_note(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), ALWAYS)
    other = await make_tenant(conn, simple_reps(2), name="other")
    for one in (tenant, other):
        await stream(one, -8)
        await settle(a_drain(connections), one.tenant_id)
    found = {one.subject.name: (one.severity, one.held_back, one.confidence) for one in await findings(conn, CODE)}
    assert found == {"acme": ("warning", 0, "medium"), "other": ("info", 0, "medium")}


async def test_punctual_slow_and_few_leads_and_those_of_one_file_are_no_finding(conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(2), TODAY)
    await stream(tenant, 0)
    await stream(tenant, -17 / 60, source="slow")
    await stream(tenant, 8, number=2, source="few")
    now = await conn.fetchval("select clock_timestamp()")
    await tenant.accept([lead(900 + i, created_at=now - timedelta(hours=8, seconds=i)) for i in range(30)])
    assert await findings(conn, CODE) == []


async def test_stamps_that_are_yet_to_come_are_found_whatever_they_are_off_by(conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(2), TODAY)
    await stream(tenant, 0)
    await stream(tenant, 1.2, number=4, first=500)
    [found] = await findings(conn, CODE)
    assert (found.severity, len(found.evidence)) == ("warning", 4)
    assert "4 of the last 29 leads were created after they arrived" in found.sentence


async def test_a_database_of_another_zone_is_told_where_leads_have_another_day_there(conn: asyncpg.Connection) -> None:
    far = await make_tenant(conn, simple_reps(1), TODAY, name="far", zone="Pacific/Kiritimati")
    near = await make_tenant(conn, simple_reps(1), TODAY, name="near", zone="UTC")
    now = await conn.fetchval("select date_trunc('day', clock_timestamp(), 'UTC') + interval '23 hours'")
    assert await findings(conn, "zones_differ", now) == []
    for tenant in (far, near):
        await tenant.accept([lead(1, created_at=now), lead(2, created_at=now)], now)
    [found] = await findings(conn, "zones_differ", now)
    assert (found.subject.name, found.severity) == ("far", "warning")
    assert "2 of 2 leads of the last 24 h are of another day" in found.sentence
    await far.rules(TODAY.replace("created: today", ""))
    [found] = await findings(conn, "zones_differ", now)
    # Nothing goes by the day: a list of rules would help nobody.
    assert (found.severity, found.command) == ("info", "lead-router runbook zones_differ")


async def test_a_zone_whose_sign_is_reversed_is_found_before_its_reps_work_at_night(conn: asyncpg.Connection) -> None:
    reps = b"rep_id,available,time_zone,groups\nr1,yes,Etc/GMT+8,all\nr2,yes,EST,all\nr3,yes,Asia/Shanghai,all\n"
    tenant = await make_tenant(conn, reps, ALWAYS)
    [found] = await findings(conn, "zones_doubtful")
    assert (found.severity, found.subject.name) == ("warning", "acme")
    assert "1 active rep (r2): EST is UTC-5 all year" in found.sentence
    assert [(row["time_zone"], row["reps"]) for row in found.evidence] == [("EST", ["r2"]), ("Etc/GMT+8", ["r1"])]
    rules = read_rules(ALWAYS, "rules.yaml")
    doubts = [one for one in await lint_for_tenant(conn, await tenant_named(conn, "acme"), rules) if "zone" in one.lint]
    assert [(one.level, one.lint, one.path) for one in doubts] == [("warning", "doubtful_zone", "roster")] * 2
    await conn.execute("update tenant set time_zone = 'Etc/GMT-8' where tenant_id = $1", tenant.tenant_id)
    [found] = await findings(conn, "zones_doubtful")
    assert "time zone of the tenant: Etc/GMT-8 is UTC+8, not UTC-8" in found.sentence
    doubts = [one for one in await lint_for_tenant(conn, await tenant_named(conn, "acme"), rules) if "zone" in one.lint]
    assert [one.path for one in doubts] == ["business_time_zone", "roster", "roster"]
    await conn.execute("update tenant set time_zone = 'Asia/Shanghai' where tenant_id = $1", tenant.tenant_id)
    await tenant.roster(b"rep_id,time_zone\nr1,Asia/Shanghai\nr2,Asia/Shanghai\n")
    assert await findings(conn, "zones_doubtful") == []
    for name, zone in (("site", "Etc/GMT+8"), ("good", "Asia/Shanghai"), ("none", "")):
        text = "form: {origins: ['https://a.example']}\n" + (f"time_zone: {zone}\n" if zone else "")
        await add_source(conn, tenant.tenant_id, NewSource(name, "form", text, None), "test")
    [found] = await findings(conn, "zones_doubtful")
    assert "time zone of source site: Etc/GMT+8 is UTC-8" in found.sentence
    assert (found.evidence[0]["of"], found.evidence[0]["source"]) == ("source", "site")
    assert found.command == "lead-router sources list --tenant acme"
