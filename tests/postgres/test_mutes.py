"""What is muted is shown and calls for nobody; it ends at its time, when it clears, and when it gets worse."""

import asyncio
from time import monotonic
from typing import Any

import asyncpg
import pytest

from ops.cli.changes import changes
from ops.cli.doctor import doctor
from ops.cli.status import status
from ops.doctor.mute_watch import MutesService
from router.drain.presence import Presence
from router.runtime.health import Health
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import Settings
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.support import connected
from tests.world import a_drain, lead, make_tenant, reps_csv, settle, simple_reps

Json = dict[str, Any]
HEADER = "rep_id,name,available,time_zone,groups"
IN_NO_GROUP = reps_csv(["a,A,yes,UTC,all", "b,B,yes,UTC,"], HEADER)
NOBODY_IN_WUHAN = 'rules:\n  - {name: wuhan, match: {}, assign_to: "group:wuhan"}\n'
NO_END = Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None)
MUTE = ("mute", "reps_without_group", "--for", "4h", "--why", "b starts tomorrow")


def found(document: Json, code: str) -> Json:
    one: Json
    [one] = [finding for finding in document["findings"] if finding["code"] == code]
    return one


def found_of(document: Json, code: str) -> list[Json]:
    return [finding for finding in document["findings"] if finding["code"] == code]


def mutes_service(
    connections: Connections, health: Health | None = None, *, ends: bool = True, interval_s: float = 0
) -> MutesService:
    health = health or Health(monotonic)
    return MutesService(connections, health, "a", lambda: Presence(once=True), ends=ends, interval_s=interval_s)


async def test_a_muted_finding_is_shown_as_muted_everywhere_and_counts_for_nothing(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, IN_NO_GROUP)
    doctors = CommandLine(doctor, database_url)
    assert (await doctors.run("--strict", "--only", "reps_without_group")).exit_code == 1
    made = await doctors.json(*MUTE)
    assert [one["subject"] for one in made["muted"]] == [{"kind": "tenant", "name": "acme"}]
    muted = found(await doctors.json("--strict", "--only", "reps_without_group"), "reps_without_group")["muted"]
    assert muted["why"] == "b starts tomorrow"
    assert muted["by"]
    assert muted["until"] == made["until"]
    assert found(await CommandLine(status, database_url).json(), "reps_without_group")["muted"] == muted
    shown = await CommandLine(status, database_url).run()
    assert "reps_without_group" not in shown.output
    assert "1 finding is muted" in shown.output
    told = (await doctors.run("--only", "reps_without_group")).output
    assert "muted until" in told
    assert "nothing else is wrong" in told
    [listed] = await doctors.json("mutes")
    assert (listed["code"], listed["severity"], listed["held_back"]) == ("reps_without_group", "warning", 0)
    said = (await CommandLine(changes, database_url).json("--tenant", "acme"))["changes"]
    assert [(one["subject"], one["why"]) for one in said if one["action"] == "mute"] == [
        ("reps_without_group: tenant acme", "b starts tomorrow")
    ]


async def test_another_tenant_with_the_same_trouble_later_is_not_muted(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, IN_NO_GROUP)
    doctors = CommandLine(doctor, database_url)
    await doctors.json(*MUTE)
    await make_tenant(conn, IN_NO_GROUP, name="other")
    findings = (await doctors.json("--strict", "--only", "reps_without_group", code=1))["findings"]
    assert [(one["subject"]["name"], one["muted"] is None) for one in findings] == [("other", True), ("acme", False)]
    await doctors.json("unmute", "reps_without_group", "--tenant", "other")
    assert len(await doctors.json("mutes")) == 1
    await doctors.json("unmute", "reps_without_group", "--tenant", "acme", "--why", "it is fixed")
    assert await doctors.json("mutes") == []
    assert "not muted" in (await doctors.run("unmute", "reps_without_group")).output


async def test_a_mute_ends_at_its_time(conn: asyncpg.Connection, database_url: str) -> None:
    await make_tenant(conn, IN_NO_GROUP)
    doctors = CommandLine(doctor, database_url)
    await doctors.json(*MUTE)
    await conn.execute("update mute set until = clock_timestamp() - interval '1 s'")
    shown = found(await CommandLine(status, database_url).json(), "reps_without_group")
    assert shown["muted"] is None, "status does not wait for anybody to record it"
    assert await conn.fetchval("select count(*) from mute") == 1, "and status only reads"
    assert (await doctors.run("--strict", "--only", "reps_without_group")).exit_code == 1
    assert await conn.fetchval("select count(*) from mute") == 0
    assert "its time is over" in await ended(database_url)


async def test_a_mute_ends_when_the_finding_clears_and_the_next_trouble_is_heard(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, IN_NO_GROUP)
    doctors = CommandLine(doctor, database_url)
    await doctors.json(*MUTE)
    await doctors.run("--only", "groups_empty")
    assert len(await doctors.json("mutes")) == 1, "what was not checked has not cleared"
    await tenant.roster(reps_csv(["a,A,yes,UTC,all", "b,B,yes,UTC,all"], HEADER))
    await doctors.run()
    assert await doctors.json("mutes") == []
    assert "cleared" in await ended(database_url)
    await tenant.roster(IN_NO_GROUP)
    assert found(await doctors.json(), "reps_without_group")["muted"] is None


async def test_a_mute_ends_when_more_leads_are_held_back_and_holds_as_far_as_was_said(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), NOBODY_IN_WUHAN)
    doctors = CommandLine(doctor, database_url)

    async def waiting(number: int) -> Json:
        await tenant.accept([lead(number)])
        await settle(a_drain(connections), tenant.tenant_id)
        return found(await doctors.json("--only", "groups_empty"), "groups_empty")

    await waiting(1)
    words = ("groups_empty", "--for", "4h", "--why", "it opens on Monday")
    await doctors.json("mute", *words)
    assert found(await doctors.json("--only", "groups_empty"), "groups_empty")["muted"]
    assert (await waiting(2))["muted"] is None
    assert "1 lead held back before, 2 now" in await ended(database_url)
    await doctors.json("mute", *words, "--up-to", "3")
    assert (await waiting(3))["muted"]
    assert (await waiting(4))["muted"] is None


async def test_a_mute_ends_when_the_severity_rises(conn: asyncpg.Connection, database_url: str) -> None:
    await make_tenant(conn, IN_NO_GROUP)
    doctors = CommandLine(doctor, database_url)
    await doctors.json(*MUTE)
    await conn.execute("update mute set severity = 'info'")
    assert found(await doctors.json(), "reps_without_group")["muted"] is None
    assert "info before, warning now" in await ended(database_url)


async def test_a_mute_of_a_cause_holds_while_leads_stand_still_and_one_check_alone_says_the_same_as_all(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), NOBODY_IN_WUHAN)
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    await conn.execute(
        """insert into stall (tenant_id, topic, kind, began_at, leads, oldest, reasons, sentence)
           values ($1, 'waiting', 'nothing_assigned', clock_timestamp(), 1,
                   clock_timestamp(), '{"group_empty": 1}', 'stands')""",
        tenant.tenant_id,
    )
    doctors = CommandLine(doctor, database_url)
    alone = await doctors.json("--only", "groups_empty", code=1)
    assert found(alone, "groups_empty") == found(await doctors.json(code=1), "groups_empty")
    assert [one["code"] for one in alone["findings"]] == ["groups_empty"]
    [made] = (await doctors.json("mute", "groups_empty", "--for", "4h", "--why", "it opens on Monday"))["muted"]
    assert made["severity"] == "critical"
    await mutes_service(connections).once(NO_END)
    assert found(await doctors.json(code=1), "groups_empty")["muted"]
    assert found(await doctors.json("--only", "groups_empty"), "groups_empty")["muted"]
    assert await ended(database_url) == ""


async def test_what_only_a_thorough_look_finds_can_be_muted_and_stays_so(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(2), NOBODY_IN_WUHAN)
    doctors = CommandLine(doctor, database_url)
    await doctors.json("mute", "rules_doubtful", "--for", "4h", "--why", "it opens on Monday")
    await mutes_service(connections).once(NO_END)
    assert found(await doctors.json("--only", "rules_doubtful"), "rules_doubtful")["muted"]


async def test_another_rule_that_matches_no_more_is_heard_although_the_first_is_muted(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    misrouted = """insert into stall (tenant_id, topic, kind, subject, began_at, sentence)
                   values ($1, 'rule', 'rule_matches_no_more', $2, clock_timestamp(), 'stands')"""
    await conn.execute(misrouted, tenant.tenant_id, "wuhan")
    doctors = CommandLine(doctor, database_url)
    await doctors.json("mute", "misrouted", "--for", "4h", "--why", "no leads from there this week")
    assert found(await doctors.json(), "misrouted")["muted"]
    await conn.execute(misrouted, tenant.tenant_id, "beijing")
    assert [one["muted"] for one in found_of(await doctors.json(), "misrouted")] == [None, None]
    assert await ended(database_url) == "it got worse: 2 findings, 1 before"
    await doctors.json("mute", "misrouted", "--for", "4h", "--why", "neither from there")
    assert all(one["muted"] for one in found_of(await doctors.json(), "misrouted"))
    assert "up to 2 findings, warning" in (await doctors.run("mutes")).output


async def test_an_index_that_is_missing_belongs_to_no_tenant(conn: asyncpg.Connection, database_url: str) -> None:
    await make_tenant(conn, simple_reps(1))
    await conn.execute("drop index stall_began")
    doctors = CommandLine(doctor, database_url)
    words = ("mute", "index_missing", "--for", "1h", "--why", "it is being built")
    refused = await doctors.run(*words, "--tenant", "acme")
    assert (refused.exit_code, "leave out --tenant" in refused.output) == (1, True)
    await doctors.json(*words)
    assert await conn.fetchval("select tenant_id from mute") == 0


async def test_what_could_not_be_checked_can_be_muted_and_is_of_no_tenant(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    await conn.execute("alter table process rename to gone")
    doctors = CommandLine(doctor, database_url)
    words = ("mute", "could_not_check", "--for", "1h", "--why", "the table is being repaired")
    refused = await doctors.run(*words, "--tenant", "acme")
    assert (refused.exit_code, "leave out --tenant" in refused.output) == (1, True)
    made = await doctors.json(*words)
    assert "versions_mixed" in [one["subject"]["name"] for one in made["muted"]]
    assert found_of(await doctors.json("--only", "versions_mixed"), "could_not_check")[0]["muted"]
    await conn.execute("alter table gone rename to process")
    await doctors.run()
    assert await doctors.json("mutes") == []


@pytest.mark.direct
async def test_where_nothing_can_be_written_the_doctor_looks_all_the_same(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, IN_NO_GROUP)
    doctors = CommandLine(doctor, database_url)
    await doctors.json(*MUTE)
    await conn.execute("update mute set until = clock_timestamp()")
    await conn.execute(
        f'alter database "{await conn.fetchval("select current_database()")}" set default_transaction_read_only = on'
    )
    result = await doctors.run("--only", "reps_without_group")
    assert (result.exit_code, "reps_without_group" in result.stdout) == (0, True)
    assert "end of a mute was not recorded" in result.stderr


async def test_a_lock_on_the_mutes_hides_no_finding(conn: asyncpg.Connection, database_url: str) -> None:
    await make_tenant(conn, IN_NO_GROUP)
    await CommandLine(doctor, database_url).json(*MUTE)
    async with connected(database_url) as other:
        await other.execute("begin; lock table mute")
        shown = found(await CommandLine(status, database_url).json(), "reps_without_group")
        assert shown["muted"] is None


async def test_without_anybody_who_runs_the_doctor_the_service_ends_mutes(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, IN_NO_GROUP)
    doctors = CommandLine(doctor, database_url)
    await mutes_service(connections).once(NO_END)
    await doctors.json(*MUTE)
    await mutes_service(connections).once(NO_END)
    assert len(await doctors.json("mutes")) == 1
    await tenant.roster(reps_csv(["a,A,yes,UTC,all", "b,B,yes,UTC,all"], HEADER))
    await mutes_service(connections, ends=False).once(NO_END)
    assert len(await doctors.json("mutes")) == 1, "a process that only drains ends none"
    await mutes_service(connections, interval_s=60).once(NO_END)
    assert len(await doctors.json("mutes")) == 1, "many instances do not look many times"
    await asyncio.gather(mutes_service(connections).once(NO_END), mutes_service(connections).once(NO_END))
    assert await doctors.json("mutes") == []
    assert await ended(database_url) == "the finding has cleared"


async def test_a_mute_whose_time_is_over_ends_also_while_nothing_can_be_looked_at(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await make_tenant(conn, IN_NO_GROUP)
    await CommandLine(doctor, database_url).json(*MUTE)
    await conn.execute("update mute set until = clock_timestamp()")
    await conn.execute("alter table lane rename to gone")
    await mutes_service(connections).once(NO_END)
    assert await conn.fetchval("select count(*) from mute") == 0
    assert await ended(database_url) == "its time is over"


async def test_the_service_tells_readiness_what_is_muted_while_it_is(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    await conn.execute(
        """insert into mute (tenant_id, code, kind, subject, until, severity, held_back, findings, actor, why)
           values (0, 'connections_short', 'server', 'PostgreSQL', clock_timestamp() + interval '1 h', 'warning',
                   0, 1, 'ann', 'known')"""
    )
    health = Health(monotonic)
    await mutes_service(connections, health, ends=False).once(NO_END)
    assert health.muted == {"connections"}
    await conn.execute("update mute set until = clock_timestamp()")
    await mutes_service(connections, health, ends=False).once(NO_END)
    assert health.muted == frozenset()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("reps_without_grup", "--for", "4h", "--why", "x"), 2, "did you mean reps_without_group?"),
        (("database_unusable", "--for", "4h", "--why", "x"), 2, "can be muted"),
        (("groups_empty", "--for", "4h", "--why", "x"), 1, "does not find groups_empty now"),
        (("reps_without_group", "--for", "31d", "--why", "x"), 2, "30d"),
        (("reps_without_group", "--for", "1s", "--why", "x"), 2, "1m"),
        (("reps_without_group", "--for", "soon", "--why", "x"), 2, "invalid duration"),
        (("reps_without_group", "--for", "4h", "--why", " "), 2, "reason"),
        (("reps_without_group", "--for", "4h"), 2, "--why"),
        (("reps_without_group", "--tenant", "acmee", "--for", "4h", "--why", "x"), 2, "acme"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_what_cannot_be_muted_is_refused_with_a_sentence_and_mutes_nothing(
    conn: asyncpg.Connection, database_url: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    await make_tenant(conn, IN_NO_GROUP)
    result = await CommandLine(doctor, database_url).run("mute", *arguments)
    assert result.exit_code == code, result.output
    assert words in result.output
    assert await conn.fetchval("select count(*) from mute") == 0


async def test_options_before_the_command_do_not_mute_what_was_not_meant(database_url: str) -> None:
    result = await CommandLine(doctor, database_url).run("--tenant", "acme", *MUTE)
    assert result.exit_code == 2
    assert "--tenant: write options of mute after it" in result.output


async def test_an_older_schema_is_told_as_that(conn: asyncpg.Connection, database_url: str) -> None:
    await conn.execute("drop table mute; delete from _lead_router_migration where migration_id >= '0009'")
    for words in (MUTE, ("unmute", "groups_empty"), ("mutes",)):
        result = await CommandLine(doctor, database_url, settings=Settings(database_url=database_url)).run(*words)
        assert result.exit_code == 2
        assert "lead-router migrate" in result.output


async def ended(database_url: str) -> str:
    """Why mutes ended, by the record."""
    said = (await CommandLine(changes, database_url).json())["changes"]
    return "; ".join(one["why"] for one in said if one["action"] == "unmute")
