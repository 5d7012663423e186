"""What people did or left undone is told: caps, pauses, retries in vain, rules that cannot work."""

from datetime import timedelta

import asyncpg

from ops.cli.doctor import doctor
from ops.doctor.look import examine
from ops.doctor.scene import open_scene
from ops.status.status import status
from router.store.assignments import FoundLead
from router.store.connections.connections import Connections
from router.store.parking import unpark
from router.store.pauses import pause
from router.store.tenants import tenant_named
from tests.command_line import CommandLine
from tests.findings import findings
from tests.world import CATCH_ALL, a_drain, lead, make_tenant, reps_csv, settle, simple_reps


async def test_caps_that_are_used_up_are_a_note_with_when_they_free(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    tenant = await make_tenant(conn, simple_reps(1, max_per_day=1))
    other = await make_tenant(conn, simple_reps(1, max_open=1), name="other")
    for one in (tenant, other):
        await one.accept([lead(1)])
        await settle(a_drain(connections), one.tenant_id)
        assert await findings(conn, "caps_used_up") == []
    for one in (tenant, other):
        await one.accept([lead(2), lead(3)])
        await settle(a_drain(connections), one.tenant_id)
    found = {one.subject.name: one for one in await findings(conn, "caps_used_up")}
    assert {name: (one.severity, one.held_back) for name, one in found.items()} == {
        "acme": ("info", 2),
        "other": ("info", 2),
    }
    assert "frees with the new day" in found["acme"].sentence
    assert "frees as leads end" in found["other"].sentence


async def test_a_pause_is_a_note_and_a_warning_when_leads_wait_in_one_that_is_long_or_that_nobody_recorded(
    conn: asyncpg.Connection,
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1)])
    assert await findings(conn, "tenant_paused") == []
    acme = await tenant_named(conn, "acme")
    await pause(conn, acme, timedelta(hours=1), "ann", "upgrade")
    [found] = await findings(conn, "tenant_paused")
    assert (found.severity, found.held_back) == ("info", 1)
    assert "by ann: upgrade" in found.sentence
    await pause(conn, acme, timedelta(days=2), "ann", "upgrade")
    [found] = await findings(conn, "tenant_paused")
    assert (found.severity, found.command) == ("warning", "lead-router resume acme")
    await conn.execute("update lane set paused_until = clock_timestamp() + interval '2 hours'")
    [found] = await findings(conn, "tenant_paused")
    assert found.severity == "warning"
    assert "it is not recorded by whom" in found.sentence
    await conn.execute("delete from lead_pool")
    assert [one.severity for one in await findings(conn, "tenant_paused")] == ["info"]


async def test_leads_that_are_sent_back_in_vain_are_found_and_a_retry_that_helped_is_not(
    conn: asyncpg.Connection,
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1, invalid="nobody can be reached"), lead(2, invalid="nobody can be reached")])
    [first, second] = [row[0] for row in await conn.fetch("select lead_id from parked order by 1")]
    assert await findings(conn, "retries_repeating") == []

    async def park_again(lead_id: int) -> None:
        await conn.execute(
            """with back as (delete from lead_pool where lead_id = $1 returning tenant_id, lead_id)
               insert into parked (tenant_id, lead_id, reason, parked_at)
               select tenant_id, lead_id, 'lead_invalid', clock_timestamp() from back""",
            lead_id,
        )

    for _ in range(2):
        await unpark(conn, FoundLead(tenant.tenant_id, first), "ann", "try again")
        await park_again(first)
    await unpark(conn, FoundLead(tenant.tenant_id, second), "ann", "try again")
    await park_again(second)
    [found] = await findings(conn, "retries_repeating")
    assert (found.severity, len(found.evidence)) == ("warning", 1)
    assert f"lead {first} (2 times)" in found.sentence


async def test_retries_of_many_leads_that_come_to_nothing_are_found_by_their_hours(conn: asyncpg.Connection) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1, invalid="x"), lead(2, invalid="x")])
    for hours in (5, 4, 3):
        assert await findings(conn, "retries_repeating") == []
        await conn.execute(
            """insert into change (tenant_id, actor, action, subject, before, after, at)
               select $1, 'ann', 'retry', 'reason lead_invalid', '2 leads parked', 'to be decided',
                      clock_timestamp() - make_interval(hours => $2)""",
            tenant.tenant_id,
            hours,
        )
    [found] = await findings(conn, "retries_repeating")
    assert "reason lead_invalid (3 times); 2 leads are parked again" in found.sentence
    await conn.execute("update parked set parked_at = clock_timestamp() - interval '1 day'")
    assert await findings(conn, "retries_repeating") == []


async def test_rules_in_force_that_cannot_work_are_found_by_doctor_and_do_not_slow_status_down(
    conn: asyncpg.Connection,
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    assert await findings(conn, "rules_doubtful") == []
    await tenant.rules(CATCH_ALL.replace("group:all", "group:east"))
    [found] = await findings(conn, "rules_doubtful")
    assert (found.severity, found.subject.name) == ("warning", "acme")
    assert "rule everyone: group east has no active member" in found.sentence
    async with open_scene(conn) as scene:
        [one] = await examine(scene, ["rules_doubtful"])
    assert one.not_applicable


async def test_doctor_cites_what_was_changed_in_the_hour_before_and_status_does_not_look(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    await conn.execute("update ruleset set applied_at = applied_at - interval '3 hours'")
    await conn.execute("update roster_version set at = at - interval '9 days'")
    await tenant.roster(reps_csv(f"r{i:03},R,no,UTC,all,5,5" for i in (1, 2)))
    document = await CommandLine(doctor, database_url).json("--only", "members_unavailable")
    [found] = document["findings"]
    [change] = [one for one in found["changes"] if one["action"] == "roster"]
    assert (change["by"], change["subject"]) == ("test", "reps")
    assert "changed before: " in (await CommandLine(doctor, database_url).run("--only", "members_unavailable")).output
    [shown] = [one for one in (await status(conn)).findings if one.code == "members_unavailable"]
    assert shown.changes is None
