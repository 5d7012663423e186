"""The archive of an incident holds what a diagnosis needs, nothing that must not leave, and says what is missing."""

import json
import stat
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import Result

from ops.cli.bundle import bundle
from ops.cli.doctor import doctor
from router.settings.model import Settings
from router.store.changes import Change, record_change
from router.store.connections.connections import Connections, Part
from router.store.pauses import pause
from router.store.processes import OwnProcess
from router.store.tenants import tenant_named
from tests.command_line import CommandLine
from tests.postgres.test_blockers import somebody
from tests.world import a_drain, lead, make_tenant, reps_csv, settle, simple_reps

PARTS = {
    *("manifest", "blockers", "doctor", "status", "processes", "changes", "flights", "server_settings", "settings"),
    "versions",
}
PLANTED = (
    *("dbS3cret", "r3disS3cret", "settingS3cret", "recordedS3cret", "appS3cret", "queryS3cret", "logS3cret"),
    *("Petra", "Planted", "pp@example.com", "13800138000", "138-0013-8001", "13800138002", "Atlantis", "Xanadu"),
    *("Rita", "rita@example.com", "4915112345678"),
)
LOG = """\
{"event": "batch failed", "lead": 1, "exception": "UniqueViolation: x\\nDETAIL:  Key (name)=(Petra Planted)"}
Nov 28 host x[1]: {"event": "away", "error": "postgresql://router:logS3cret@db/x", "phone": "13800138002"}
a proxy wrote: GET /?token=logS3cret&tel=13800138002 from pp@example.com
"""
ROSTER = (
    "rep_id,name,available,time_zone,groups,max_open,max_per_day,email,mobile",
    "r001,Rita Rep,yes,UTC,all,5,5,rita@example.com,+4915112345678",
)
RULES = 'rules:\n  - {name: everyone, match: {region: atlantis}, assign_to: "group:all"}\n'


class Bundles:
    """The command, and what it writes."""

    def __init__(self, url: str, folder: Path, settings: Settings | None = None) -> None:
        self.path = folder / "incident.tar.gz"
        self._command = CommandLine(bundle, url, settings=settings)

    async def run(self, *arguments: str) -> Result:
        return await self._command.run("--output", str(self.path), *arguments)

    def files(self) -> dict[str, str]:
        """The text of every file, by its name."""
        with tarfile.open(self.path) as archive:
            files = ((entry.name, archive.extractfile(entry)) for entry in archive.getmembers())
            return {name.removeprefix("incident/"): file.read().decode() for name, file in files if file}

    def documents(self) -> dict[str, Any]:
        """Every JSON document, by its name without the suffix."""
        files = self.files().items()
        return {name.removesuffix(".json"): json.loads(text) for name, text in files if name.endswith(".json")}


async def plant(conn: asyncpg.Connection, connections: Connections) -> None:
    """A tenant with data about people and secrets wherever somebody may have put some."""
    tenant = await make_tenant(conn, reps_csv(ROSTER[1:], ROSTER[0]), RULES)
    person = {"name": "Petra Planted", "phone": "13800138000", "email": "pp@example.com"}
    await tenant.accept([lead(1, region="Atlantis", **person), lead(2, region="Xanadu", name="Petra Planted")])
    await settle(a_drain(connections), tenant.tenant_id)
    await pause(
        conn, await tenant_named(conn, "acme"), timedelta(minutes=5), "ann", "Petra Planted called, 138-0013-8001"
    )
    await record_change(conn, 0, Change("ann", "configure", "server: app.password", "", "recordedS3cret"))
    await record_change(conn, tenant.tenant_id, Change("ann", "retry", "pp@example.com", "1 leads", "", "for Petra"))
    await conn.execute(
        "insert into roster_sync (tenant_id, tried_at, warnings) values ($1, now(), $2) "
        "on conflict (tenant_id) do update set warnings = excluded.warnings",
        tenant.tenant_id,
        ["rep r001: email: 'rita@example.com' belongs to 'Rita Rep'"],
    )
    name = await conn.fetchval("select current_database()")
    await conn.execute(f"""alter database "{name}" set app.password = 'settingS3cret'""")


@pytest.mark.direct
async def test_nothing_that_must_not_leave_is_in_any_file_and_what_is_needed_is(
    conn: asyncpg.Connection,
    connections: Connections,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEAD_ROUTER_DRAIN_CONCURRENCY", "4")
    await plant(conn, connections)
    async with connections.acquire(Part.DRAIN) as lent:
        await OwnProcess("router-a", version="1").beat(lent)
    (tmp_path / "router.log").write_text(LOG * 3_000)
    settings = Settings(
        database_url="postgresql://router:dbS3cret@127.0.0.1/x?application_name=dbS3cret",
        redis_url="redis://:r3disS3cret@127.0.0.1:1/0",
    )
    bundles = Bundles(database_url, tmp_path, settings)
    async with somebody(database_url, "job password=appS3cret") as other:
        await other.execute("select 1 from lead_pool for update")
        await other.execute("select 'Petra Planted', 13800138000, 'queryS3cret' -- Petra")
        result = await bundles.run("--log", str(tmp_path / "router.log"))
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(bundles.path.stat().st_mode) == 0o600
    files, found = bundles.files(), bundles.documents()
    leaks = {(secret, name) for secret in PLANTED for name, text in files.items() if secret in text}
    assert leaks == set()
    assert set(found) == PARTS
    assert {one["result"] for one in found["manifest"]["parts"]} == {"collected"}
    [blocker] = found["blockers"]["blockers"]
    assert (blocker["pid"], blocker["query"].split()[0]) == (other.get_server_pid(), "select")
    assert found["status"]["accepted"] == 2
    assert found["status"]["tenants"][0]["paused"]["by"] == "ann"
    assert any(one["action"] == "pause" and one["before"] == "" for one in found["changes"]["changes"])
    assert {one["code"] for one in found["doctor"]["checks"]} >= {"leads_unaccounted", "connections_short"}
    assert "router-a" in [one["instance"] for one in found["processes"]]
    assert sorted(found["flights"]["flights"][0]["decided"]) == [0, 1]
    sources = {one["setting"]: one["source"] for one in found["settings"]}
    assert sources["drain.concurrency"] == "LEAD_ROUTER_DRAIN_CONCURRENCY"
    assert sources["drain.batch_leads"] == "default"
    assert found["versions"]["server"]
    assert found["versions"]["libraries"]["asyncpg"]
    [log] = [text for name, text in files.items() if name.startswith("logs/")]
    assert log.count("\n") == 5_000
    assert '"event": "batch failed"' in log


async def test_with_the_database_down_the_rest_is_written_and_what_is_missing_is_said(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    bundles = Bundles(database_url.replace("port=", "port=1"), tmp_path)
    result = await bundles.run()
    assert result.exit_code == 0, result.output
    assert "warning: 6 parts could not be collected" in result.stderr
    found = bundles.documents()
    assert set(found) == {"manifest", "doctor", "settings", "versions"}
    assert found["doctor"]["findings"][0]["code"] == "database_unusable"
    told = {one["name"]: (one["result"], one["problem"] or "") for one in found["manifest"]["parts"]}
    assert all("cannot be used" in problem for result, problem in told.values() if result == "failed")
    assert told["logs"][0] == "not_asked"
    assert "--log FILE" in told["logs"][1]


async def test_a_part_that_fails_is_named_and_the_others_are_there(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    await make_tenant(conn, simple_reps(1))
    await conn.execute("alter table process rename to gone")
    bundles = Bundles(database_url, tmp_path)
    result = await bundles.run()
    assert result.exit_code == 0
    assert "processes: NOT collected" in result.stderr
    assert "flights: collected" in result.stderr
    problems = {one["name"]: one["problem"] for one in bundles.documents()["manifest"]["parts"]}
    assert "does not exist" in problems["processes"]


@pytest.mark.parametrize(("table", "arguments"), [("lead_pool", ()), ("tenant", ("--tenant", "acme"))])
async def test_a_locked_table_is_what_the_doctor_of_the_bundle_says(
    conn: asyncpg.Connection,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
    arguments: tuple[str, ...],
) -> None:
    for module in ("ops.cli.bundle_parts", "ops.doctor.diagnosis", "ops.doctor.scene"):
        monkeypatch.setattr(f"{module}.LOCK_TIMEOUT_S", 0.3)
    await make_tenant(conn, simple_reps(1))
    bundles = Bundles(database_url, tmp_path)
    async with somebody(database_url, "job") as other:
        await other.execute(f"lock table {table} in access exclusive mode")
        await bundles.run(*arguments)
    found = bundles.documents()["doctor"]
    assert found["findings"][0]["code"] == "database_busy"
    assert str(other.get_server_pid()) in str(found["findings"][0]["evidence"])


async def test_with_no_connection_left_the_doctor_says_so(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: Any) -> Any:
        raise asyncpg.TooManyConnectionsError("sorry, too many clients already")

    monkeypatch.setattr("ops.cli.bundle_parts.open_connection", none_left)
    bundles = Bundles(database_url, tmp_path)
    await bundles.run()
    found = bundles.documents()["doctor"]["findings"][0]
    assert (found["code"], "too many clients" in found["sentence"]) == ("database_unusable", True)


@pytest.mark.parametrize("why", ["Mueller", "mueller"])
async def test_a_note_of_one_word_is_left_out_too(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path, why: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    await pause(conn, await tenant_named(conn, "acme"), timedelta(minutes=5), "ann", why)
    bundles = Bundles(database_url, tmp_path)
    await bundles.run()
    files = bundles.files()
    assert "tenant_paused" in files["doctor.json"]
    assert [name for name, text in files.items() if why in text] == []


async def test_a_folder_that_cannot_be_written_is_told_before_anything_is_collected(
    conn: asyncpg.Connection, database_url: str
) -> None:
    result = await CommandLine(bundle, database_url).run("--output", "/proc/incident.tar.gz")
    assert (result.exit_code, "collected (" in result.output) == (2, False)
    assert "--output /tmp/incident.tar.gz" in result.output


async def test_an_older_schema_is_told_as_that(conn: asyncpg.Connection, database_url: str, tmp_path: Path) -> None:
    await conn.execute("drop table mute; delete from _lead_router_migration where migration_id >= '0009'")
    bundles = Bundles(database_url, tmp_path, Settings(database_url=database_url))
    result = await bundles.run()
    assert (result.exit_code, "lead-router migrate" in result.stderr) == (0, True)
    found = bundles.documents()
    assert "lead-router migrate" in found["doctor"]["findings"][0]["sentence"]
    assert set(found) >= {"blockers", "changes", "flights", "processes"}, "what can be read is there all the same"


async def test_one_tenant_is_that_tenant_and_notes_are_in_it_only_when_wanted(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    await make_tenant(conn, simple_reps(1), name="other")
    await make_tenant(conn, reps_csv(["a,A,yes,UTC,"], "rep_id,name,available,time_zone,groups"))
    await pause(conn, await tenant_named(conn, "acme"), timedelta(minutes=5), "ann", "upgrade of the CRM")
    words = ("mute", "reps_without_group", "--for", "4h", "--why", "they start tomorrow")
    await CommandLine(doctor, database_url).json(*words)
    bundles = Bundles(database_url, tmp_path)
    document = json.loads((await bundles.run("--tenant", "acme", "--json")).stdout)
    assert document["file"] == str(bundles.path)
    text = "".join(text for name, text in bundles.files().items() if name != "manifest.json")
    assert '"other"' not in text
    assert "upgrade of the CRM" not in text
    assert "start tomorrow" not in text
    bundles.path.unlink()
    await bundles.run("--with-notes")
    assert "upgrade of the CRM" in "".join(bundles.files().values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--output", "{}/missing/x.tar.gz"), "does not exist"),
        (("--output", "{}/there"), "never overwritten"),
        (("--log", "{}/missing.log"), "does not exist"),
        (("--log", "{}"), "is not a file"),
        (("--output", "{}/new", "--tenant", "acmee"), "acme"),
    ],
)
async def test_what_cannot_be_done_is_refused_before_anything_is_collected(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    (tmp_path / "there").write_text("of somebody")
    result = await CommandLine(bundle, database_url).run(*(one.format(tmp_path) for one in arguments))
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert "collected" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "of somebody"
