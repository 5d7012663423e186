"""`doctor` finds what is wrong, says what is fine, and never takes "could not look" for "fine"."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import asyncpg
import pytest

from ops.cli.doctor import doctor
from ops.doctor import look as engine
from ops.doctor.finding import Finding, NotApplicable, Severity, Subject
from ops.doctor.look import Checked, all_checks, examine, findings_of
from ops.doctor.scene import Scene, open_scene
from ops.status.status import status
from router.settings.model import Settings
from router.store.connections.connections import Connections, Part
from router.store.pauses import pause, resume
from router.store.processes import OwnProcess
from router.store.tenants import tenant_named
from tests.command_line import CommandLine
from tests.findings import findings
from tests.support import connected
from tests.world import a_drain, lead, make_tenant, reps_csv, settle, simple_reps


async def codes(conn: asyncpg.Connection) -> set[str]:
    # The servers of the tests do not wait for the disk.
    return {finding.code for finding in (await status(conn)).findings if finding.subject.name != "fsync"}


async def test_nothing_wrong_is_told_as_nothing_and_ends_with_0(conn: asyncpg.Connection, database_url: str) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept([lead(1)])
    assert await codes(conn) == set()
    document = await CommandLine(doctor, database_url).json()
    results = {one["code"]: one["result"] for one in document["checks"]}
    assert set(results) == all_checks().keys()
    assert results["leads_unaccounted"] == "fine"
    assert results["presence_unknown"] == "not_applicable"


async def test_reps_whom_no_rule_can_reach_are_found_and_those_in_groups_or_inactive_are_not(
    conn: asyncpg.Connection, database_url: str
) -> None:
    header = "rep_id,name,available,time_zone,groups,active"
    await make_tenant(conn, reps_csv(["a,A,yes,UTC,all,yes", "b,B,yes,UTC,,yes", "c,C,yes,UTC,,no"], header))
    [finding] = [one for one in (await status(conn)).findings if one.code == "reps_without_group"]
    assert (finding.subject.name, finding.evidence) == ("acme", ({"rep_id": "b"},))
    shown = await CommandLine(doctor, database_url).run("--tenant", "acme")
    assert "proof: rep_id b" in shown.output
    assert shown.exit_code == 0
    assert (await CommandLine(doctor, database_url).run("--strict")).exit_code == 1


@pytest.mark.direct
@pytest.mark.parametrize(
    ("setting", "severity"),
    [("statement_timeout = 5000", "warning"), ("default_transaction_read_only = on", "critical")],
)
async def test_a_setting_that_hurts_is_found(
    conn: asyncpg.Connection, database_url: str, setting: str, severity: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    assert "server_settings" not in await codes(conn)
    await conn.execute(f'alter database "{await conn.fetchval("select current_database()")}" set {setting}')
    async with connected(database_url) as other:
        await other.execute("set default_transaction_read_only = off")
        [finding] = [one for one in (await status(other)).findings if one.subject.name == setting.split(maxsplit=1)[0]]
    assert (finding.code, finding.severity) == ("server_settings", severity)


async def test_routers_of_two_versions_are_told_and_of_one_are_not(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with connections.acquire(Part.DRAIN) as lent:
        await OwnProcess("a", version="1").beat(lent)
        await OwnProcess("b", version="1").beat(lent)
        assert "versions_mixed" not in await codes(conn)
        await OwnProcess("c", version="2").beat(lent)
        assert "versions_mixed" in await codes(conn)


async def test_ready_leads_that_nobody_takes_are_found_and_a_pause_fresh_leads_or_a_backlog_in_work_are_not(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    await tenant.accept([lead(1), lead(2)])
    assert "nobody_takes_leads" not in await codes(conn)
    await conn.execute("update lead_pool set queued_at = queued_at - interval '5 min'")
    [finding] = (await CommandLine(doctor, database_url).json("--only", "nobody_takes_leads", code=1))["findings"]
    assert (finding["held_back"], finding["severity"]) == (2, "critical")
    assert "no router works" in finding["sentence"]
    await pause(conn, await tenant_named(conn, "acme"), timedelta(minutes=5), "ann", "upgrade")
    assert "nobody_takes_leads" not in await codes(conn)
    await resume(conn, await tenant_named(conn, "acme"), "ann", "done")
    drain = a_drain(connections, ready=1)
    await drain.drain_tenant(tenant.tenant_id, batch_limit=1)
    assert (await tenant.states())["waiting"] == 1
    assert "nobody_takes_leads" not in await codes(conn)


async def test_rules_that_this_version_cannot_read_are_a_finding_and_hide_nothing_of_other_tenants(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1, max_open=0))
    other = await make_tenant(conn, simple_reps(1), name="other")
    await tenant.accept([lead(1), lead(2)])
    await settle(a_drain(connections), tenant.tenant_id)
    await conn.execute("update ruleset set source = 'of_a_later_release: yes' where tenant_id = $1", tenant.tenant_id)
    await other.accept([lead(1)])
    found = (await CommandLine(doctor, database_url).json(code=1))["findings"][0]
    assert (found["code"], found["subject"]["name"], found["held_back"]) == ("rules_unreadable", "acme", 2)
    seen = await status(conn)
    assert seen.balanced
    assert [one.states["waiting"] for one in seen.tenants] == [2, 1]


ONLY_WUHAN = """
rules:
  - {name: wuhan, match: {region: wuhan}, assign_to: "group:wuhan"}
"""


@pytest.mark.parametrize(("others_served", "days_ago", "found"), [(4, 2, 1), (2, 2, 0), (4, 0, 0), (4, 30, 0)])
async def test_new_reps_who_are_passed_over_are_found_and_those_whose_turn_has_not_come_are_not(
    conn: asyncpg.Connection, others_served: int, days_ago: int, found: int
) -> None:
    tenant = await make_tenant(conn, simple_reps(4))
    await tenant.roster(simple_reps(5))
    await conn.execute(f"update roster_version set at = now() - interval '{days_ago} days' where version = 2")
    await conn.execute("update roster_version set at = now() - interval '90 days' where version = 1")
    await tenant.accept(lead(number) for number in range(1, 5))
    await conn.execute(
        """insert into assignment (tenant_id, lead_id, rep_no, assigned_at, batch_no, seq)
           select tenant_id, lead_id, row_number() over (order by lead_id), now(), 1, 0 from lead
            order by lead_id limit $1""",
        others_served,
    )
    told = await findings(conn, "reps_without_leads")
    assert [row["rep_id"] for one in told for row in one.evidence] == ["r005"] * found


async def test_leads_that_nobody_can_get_whatever_the_time_are_the_worst_with_how_many_and_since_when(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2), ONLY_WUHAN)
    await tenant.accept([lead(1, region="wuhan"), lead(2, region="wuhan"), lead(3, region="beijing")])
    await settle(a_drain(connections), tenant.tenant_id)
    document = await CommandLine(doctor, database_url).json("--tenant", "acme")
    told = [(one["code"], one["severity"], one["held_back"]) for one in document["findings"]][:2]
    assert told == [("groups_empty", "warning", 2), ("no_rule_matches", "warning", 1)]
    assert all(one["oldest"] and one["evidence"] for one in document["findings"][:2])
    await tenant.roster(reps_csv(["r001,Ann,yes,UTC,wuhan,5,5"]))
    await settle(a_drain(connections), tenant.tenant_id)
    assert "groups_empty" not in await codes(conn)


async def test_leads_that_wait_for_the_morning_are_no_finding(
    conn: asyncpg.Connection, connections: Connections
) -> None:
    header = "rep_id,name,available,time_zone,groups,working_hours"
    tenant = await make_tenant(conn, reps_csv(["a,A,yes,UTC,all,Mon 03:00-03:01", "b,B,no,UTC,all,"], header))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    assert await codes(conn) == set()


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def crashes(_scene: Scene) -> Sequence[Finding]:
        raise KeyError("a mistake of ours")

    async def refused(scene: Scene) -> Sequence[Finding]:
        await scene.conn.execute("select 1 / 0")
        return ()

    async def slow(scene: Scene) -> Sequence[Finding]:
        await scene.conn.execute("select pg_sleep(60)")
        return ()

    async def does_not_apply(_scene: Scene) -> Sequence[Finding]:
        raise NotApplicable("there is no moon")

    async def finds(scene: Scene) -> Sequence[Finding]:
        await scene.conn.fetchval("select count(*) from lead")
        return [Finding("finds", Severity.CRITICAL, Subject("x", "y"), "it is wrong")]

    async def hangs(_scene: Scene) -> Sequence[Finding]:
        await asyncio.Event().wait()
        return ()

    made = {
        "crashes": crashes,
        "refused": refused,
        "slow": slow,
        "hangs": hangs,
        "does_not_apply": does_not_apply,
        "finds": finds,
    }
    monkeypatch.setattr(engine, "all_checks", lambda: made)


@pytest.mark.usefixtures("planted")
async def test_a_check_that_fails_hangs_or_breaks_the_transaction_stops_no_other_and_is_not_called_fine(
    conn: asyncpg.Connection,
) -> None:
    await make_tenant(conn, simple_reps(1))
    async with open_scene(conn) as scene:
        results = {one.code: one for one in await examine(scene, limit_s=0.5)}
    assert results["finds"].findings
    assert "a mistake of ours" in (results["crashes"].failure or "")
    assert "DivisionByZero" in (results["refused"].failure or "")
    assert "longer than 0.5 s" in (results["slow"].failure or "")
    assert "longer than 0.5 s" in (results["hangs"].failure or "")
    assert results["does_not_apply"].not_applicable == "there is no moon"
    findings = findings_of(list(results.values()))
    assert [one.code for one in findings] == ["finds", *["could_not_check"] * 4]


def test_what_holds_back_more_leads_comes_first_within_a_severity() -> None:
    def finding(severity: Severity, held_back: int) -> Finding:
        return Finding("x", severity, Subject("x", "y"), "", held_back=held_back)

    made = [finding(Severity.WARNING, 900), finding(Severity.CRITICAL, 1), finding(Severity.CRITICAL, 20)]
    ordered = findings_of([Checked("x", made)])
    assert [(one.severity, one.held_back) for one in ordered] == [("critical", 20), ("critical", 1), ("warning", 900)]


async def test_the_checks_are_listed_and_one_that_is_unknown_is_refused(database_url: str) -> None:
    command = CommandLine(doctor, database_url)
    assert {one["code"] for one in await command.json("--list")} == all_checks().keys()
    refused = await command.run("--only", "no_such_check")
    assert refused.exit_code == 2
    assert "no_such_check" in refused.output
    only = await command.json("--only", "leads_unaccounted")
    assert [one["code"] for one in only["checks"]] == ["leads_unaccounted"]


@pytest.mark.direct
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace("port=", "port=1"), "cannot be used"),
        (lambda url: url.replace("postgres@", "nobody:s3cret@"), "refuses"),
        (lambda url: url.replace("/test_", "/gone_"), "does not exist"),
    ],
    ids=["down", "refuses", "gone"],
)
async def test_without_a_database_it_says_which_trouble_it_is_and_checks_the_rest(
    conn: asyncpg.Connection, database_url: str, redis_url: str, change: Callable[[str], str], words: str
) -> None:
    command = CommandLine(doctor, change(database_url), redis_url)
    document = await command.json(code=1)
    [finding] = document["findings"][:1]
    assert (finding["code"], finding["severity"]) == ("database_unusable", "critical")
    assert words in finding["sentence"]
    results = {one["code"]: one["result"] for one in document["checks"]}
    assert results["database_busy"] == "could_not_check"
    assert "s3cret" not in str(document)
    lines = (await command.run()).stdout.splitlines()
    assert lines[0].startswith("critical: ") and words in lines[0]
    assert len(lines) < 15, "what is wrong drowns in what could not be checked"
    [unchecked] = [line for line in lines if "could not be checked" in line]
    assert {code for code, result in results.items() if result == "could_not_check"} == set(
        unchecked.partition("): ")[2].split(", ")
    )


@pytest.mark.parametrize(
    ("statement", "command", "words"),
    [
        ("delete from _lead_router_migration where migration_id > '0008'", "lead-router migrate", "older than"),
        ("insert into _lead_router_migration (migration_id) values ('9999_later')", None, "newer than"),
    ],
    ids=["older", "newer"],
)
async def test_a_schema_of_another_version_is_the_first_finding(
    conn: asyncpg.Connection, database_url: str, statement: str, command: str | None, words: str
) -> None:
    await conn.execute(statement)
    command_line = CommandLine(doctor, database_url, settings=Settings(database_url=database_url))
    [finding] = (await command_line.json(code=1))["findings"][:1]
    assert (finding["code"], finding["command"]) == ("database_unusable", command)
    assert words in finding["sentence"]
