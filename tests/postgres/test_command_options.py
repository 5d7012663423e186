"""What commands share: the tenant that need not be named, why and by whom, and the language of the person."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from ops.cli.assign import assign
from ops.cli.audit import audit
from ops.cli.bundle import bundle
from ops.cli.changes import changes
from ops.cli.cleanup import cleanup
from ops.cli.commands import reps as reps_family
from ops.cli.doctor import doctor
from ops.cli.doctor_mutes import mutes
from ops.cli.drain import drain
from ops.cli.end import end
from ops.cli.language import ERRORS, error_words
from ops.cli.maintenance import run as maintenance_run
from ops.cli.maintenance_list import list_ as maintenance_list
from ops.cli.park import park
from ops.cli.reps_list import list_ as reps_list
from ops.cli.retry import retry
from ops.cli.status import status
from ops.cli.webhooks import list_ as webhooks_list
from ops.text.translation import translator
from router.settings.read import read_settings
from router.store import tenants
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.world import a_drain, lead, make_tenant, reps_csv, settle, simple_reps


@pytest.fixture(autouse=True)
def no_tenant(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("LEAD_ROUTER_TENANT", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    yield


async def test_the_only_tenant_is_taken_and_named(conn: asyncpg.Connection, database_url: str) -> None:
    await make_tenant(conn, simple_reps(1))
    result = await CommandLine(reps_list, database_url).run()
    assert result.exit_code == 0, result.output
    assert result.stderr == "tenant acme (the only one)\n"
    assert "r001" in result.stdout and "tenant acme" not in result.stdout


async def test_of_several_tenants_the_environment_names_one_and_the_option_wins(
    conn: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_tenant(conn, simple_reps(1))
    await make_tenant(conn, reps_csv(["z9,Zoe,yes,UTC,all,9,9"]), name="zeta")
    command = CommandLine(reps_list, database_url)
    refused = await command.run()
    assert (refused.exit_code, "there are 2 tenants (acme, zeta)" in refused.stderr) == (2, True)
    monkeypatch.setenv("LEAD_ROUTER_TENANT", "zeta")
    taken = await command.run()
    assert taken.stderr == "tenant zeta (LEAD_ROUTER_TENANT)\n" and "z9" in taken.stdout
    named = await command.run("--tenant", "acme")
    assert named.stderr == "" and "r001" in named.stdout


_FILTERS = {
    "audit": (audit, ("--sample", "0")),
    "bundle": (bundle, ()),
    "changes": (changes, ()),
    "cleanup": (cleanup, ("--dry-run",)),
    "doctor": (doctor, ()),
    "doctor mutes": (mutes, ()),
    "drain": (drain, ("--until-idle",)),
    "maintenance list": (maintenance_list, ()),
    "maintenance run": (maintenance_run, ("--dry-run", "true")),
    "retry": (retry, ("--since", "1h", "--dry-run")),
    "status": (status, ()),
    "webhooks list": (webhooks_list, ()),
}


@pytest.mark.parametrize("name", _FILTERS)
async def test_the_environment_names_the_tenant_of_a_command_that_otherwise_looks_at_all(
    conn: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    await tenants.add(conn, "acme", "UTC")
    await tenants.add(conn, "zeta", "UTC")
    command, arguments = _FILTERS[name]
    said = "tenant acme (LEAD_ROUTER_TENANT)"
    line = CommandLine(command, database_url)
    monkeypatch.setenv("LEAD_ROUTER_TENANT", "acme")
    taken = await line.run(*arguments)
    assert taken.exit_code in (0, 1) and taken.stderr.splitlines().count(said) == 1, taken.output
    for more in (("--all-tenants",), ("--tenant", "zeta")):
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        monkeypatch.chdir(tmp_path)
        other = await line.run(*more, *arguments)
        assert other.exit_code in (0, 1) and said not in other.stderr, other.output
    assert (await line.run("--all-tenants", "--tenant", "zeta", *arguments)).exit_code == 2
    monkeypatch.setenv("LEAD_ROUTER_TENANT", "acne")
    unknown = await line.run(*arguments)
    assert unknown.exit_code == 2 and "there is no tenant 'acne'" in unknown.stderr, unknown.output


async def test_the_environment_narrows_what_is_shown_and_all_tenants_widens_it_again(
    conn: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tenants.add(conn, "acme", "UTC")
    await tenants.add(conn, "zeta", "UTC")
    monkeypatch.setenv("LEAD_ROUTER_TENANT", "acme")
    command = CommandLine(status, database_url)
    assert [one["tenant"] for one in (await command.json())["tenants"]] == ["acme"]
    assert len((await command.json("--all-tenants"))["tenants"]) == 2
    # What the environment says is no choice of leads.
    assert (await CommandLine(retry, database_url).run()).exit_code == 2


def test_the_environments_tenant_is_no_unknown_setting() -> None:
    assert read_settings({"LEAD_ROUTER_TENANT": "acme"}, None)


async def test_a_lead_is_found_by_its_external_id_where_there_is_one_tenant(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    done = await CommandLine(end, database_url).run("e1", "--as", "won", "--why", "signed", "--author", "ann")
    assert done.exit_code == 0, done.output
    assert "tenant acme (the only one)" in done.stderr
    row = await conn.fetchrow("select ended_by, note from assignment_history")
    assert row and tuple(row) == ("ann", "signed")
    change = await conn.fetchrow("select actor, action, why from change where action = 'end'")
    assert change and tuple(change) == ("ann", "end", "signed")


async def test_the_old_name_of_why_still_works_and_a_required_reason_is_asked_for(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1), lead(2)])
    command = CommandLine(park, database_url)
    assert "--note" not in (await command.run("--help")).output
    for arguments in ((), ("--why", " "), ("--note", " ")):
        assert (await command.run("e1", *arguments)).exit_code == 2
    assert (await command.run("e1", "--note", "a", "--why", "b")).exit_code == 2
    assert (await command.run("e1", "--note", "call first")).exit_code == 0
    assert await conn.fetchval("select why from change where action = 'park'") == "call first"


@pytest.mark.parametrize("empty", ["", " "])
async def test_an_author_without_a_name_is_refused_everywhere(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path, empty: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1)])
    before = await conn.fetchval("select count(*) from change")
    (tmp_path / "reps.csv").write_text("rep_id,groups\nr009,all\n", encoding="utf-8")
    for command, arguments in (
        (reps_family, ("import", str(tmp_path / "reps.csv"))),
        (reps_family, ("set", "r001", "--weight", "2")),
        (reps_family, ("rollback",)),
        (park, ("e1", "--why", "call first")),
    ):
        refused = await CommandLine(command, database_url).run(*arguments, "--author", empty)
        assert refused.exit_code == 2 and "give a name" in refused.stderr, (arguments, refused.output)
    assert await conn.fetchval("select count(*) from change") == before
    done = await CommandLine(reps_family, database_url).run("set", "r001", "--weight", "2", "--author", " ann ")
    assert done.exit_code == 0, done.output
    assert await conn.fetchval("select author from roster_version order by version desc limit 1") == "ann"


async def test_whoever_gives_a_lead_to_a_rep_on_leave_is_told_so(conn: asyncpg.Connection, database_url: str) -> None:
    today = datetime.now(UTC).date()
    until = today + timedelta(days=3)
    header = "rep_id,name,time_zone,groups,leave"
    roster = reps_csv([f"r1,Ann,UTC,all,{today - timedelta(days=1)}..{until}"], header)
    tenant = await make_tenant(conn, roster)
    await tenant.accept([lead(1), lead(2)])
    command = CommandLine(assign, database_url)
    told = await command.run("e1", "--to", "r1")
    assert told.exit_code == 0, told.output
    assert f"rep r1 is on leave until {until}" in told.stdout
    document = await command.run("e2", "--to", "r1", "--json")
    assert '"off_duty": "on_leave"' in document.stdout and f'"leave_until": "{until}"' in document.stdout


async def test_status_and_errors_speak_the_language_of_the_terminal(
    conn: asyncpg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tenants.add(conn, "acme", "UTC")
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    shown = await CommandLine(status, database_url).run()
    assert "等待分配" in shown.stdout and "没有路由进程在运行" in shown.stdout
    wrong = await CommandLine(reps_list, database_url).run("--tenant", "acne")
    assert wrong.stderr == "错误：没有租户 'acne'；是否指 acme？已有租户：acme\n"
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert "no router is running" in (await CommandLine(status, database_url).run()).stdout


def test_every_template_of_an_error_is_recognised_with_what_it_is_filled_with() -> None:
    chinese = translator("zh")
    for template in ERRORS:
        names = {name: f"<{name}>" for name in _names(template)}
        said = error_words(template.format(**names), chinese)
        assert said == chinese.gettext(template).format(**names) != template.format(**names), template
    assert error_words("something else", chinese) == "something else"
    assert error_words("something else", translator("en")) == "something else"


def _names(template: str) -> list[str]:
    import string

    return [name for _, name, _, _ in string.Formatter().parse(template) if name]
