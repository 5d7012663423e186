"""Leads in journals are seen: in the sums, by the doctor, and by whoever looks into the file."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cli import journal as commands
from ops.doctor.finding import Severity
from ops.status.document import document
from ops.status.status import status
from router.intake.journal import Journal, open_journal
from router.intake.journal_drain import drain_batch, report
from router.settings.model import JournalSettings, Settings
from router.store.connections.connections import Connections, Part
from tests.command_line import CommandLine
from tests.world import Tenancy, lead, make_tenant, simple_reps


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
async def journal(file: Path) -> AsyncIterator[Journal]:
    async with open_journal(JournalSettings(file=file, maximum_leads=10)) as opened:
        assert opened
        yield opened


@pytest.fixture
async def acme(conn: asyncpg.Connection) -> Tenancy:
    return await make_tenant(conn, simple_reps(2))


def line(command: str, url: str, file: Path) -> CommandLine:
    found = {"list": commands.list_, "show": commands.show, "drain": commands.drain, "forget": commands.forget}[command]
    return CommandLine(found, url, settings=Settings(journal=JournalSettings(file=file)))


async def seen(connections: Connections, tenant: str | None = None) -> dict[str, Any]:
    async with connections.acquire(Part.CONSOLE) as conn:
        return document(await status(conn, tenant))


async def codes(connections: Connections) -> dict[str, Any]:
    found = (await seen(connections))["findings"]
    return {one["code"]: one for one in found if "journal" in one["code"]}


async def test_status_and_audit_count_leads_in_journals_on_both_sides_by_tenant(
    acme: Tenancy, journal: Journal, connections: Connections
) -> None:
    other = await make_tenant(acme.conn, simple_reps(1), name="other")
    await acme.accept([lead(100)])
    await journal.take(acme.tenant_id, [lead(1), lead(2)])
    await journal.take(other.tenant_id, [lead(1)])
    await report(acme.conn, journal, "web-1")
    whole = await seen(connections)
    assert whole["accepted"] == 4
    assert whole["states"]["journalled"] == 3
    assert whole["balanced"]
    assert {one["tenant"]: one["states"]["journalled"] for one in whole["tenants"]} == {"acme": 2, "other": 1}
    found = await audit(acme.conn)
    assert found.violations == []
    assert (found.accepted, found.states["journalled"]) == (4, 3)
    await drain_batch(acme.conn, journal, acme.tenant_id)
    await drain_batch(acme.conn, journal, other.tenant_id)
    assert (await seen(connections))["states"]["journalled"] == 0
    found = await audit(acme.conn)
    assert (found.accepted, found.violations) == (4, [])


async def test_rows_that_vanish_from_the_file_are_a_violation(acme: Tenancy, file: Path) -> None:
    async with open_journal(JournalSettings(file=file)) as journal:
        assert journal
        await journal.take(acme.tenant_id, [lead(number) for number in range(3)])
        journal._sql.execute("delete from lead where external_id = 'e1'")
    async with open_journal(JournalSettings(file=file)) as journal:
        assert journal
        await report(acme.conn, journal, "web-1")
    (violation,) = (await audit(acme.conn)).violations
    assert (violation.kind.name, violation.count) == ("journal_differs", 1)
    assert "took 3, drained 0, holds 2" in violation.examples[0]


async def test_the_doctor_names_instance_file_and_command_and_a_silent_instance_is_critical(
    acme: Tenancy, journal: Journal, connections: Connections
) -> None:
    assert await codes(connections) == {}
    await journal.take(acme.tenant_id, [lead(1), lead(2)])
    await report(acme.conn, journal, "web-1")
    found = (await codes(connections))["leads_journalled"]
    assert found["severity"] == Severity.WARNING
    assert found["sentence"] == "2 accepted leads are in the journal of web-1, not in the database"
    assert found["evidence"][0]["file"] == str(journal.path)
    assert (found["held_back"], found["subject"]) == (2, {"kind": "tenant", "name": "acme"})
    await acme.conn.execute("update journal set seen_at = now() - interval '12 min'")
    found = (await codes(connections))["leads_journalled"]
    assert found["severity"] == Severity.CRITICAL
    assert "has not reported for 12 min: nobody drains it" in found["sentence"]
    assert found["command"] == "lead-router journal drain"


async def test_the_doctor_names_what_was_refused_and_a_journal_that_takes_nothing(
    acme: Tenancy, journal: Journal, connections: Connections
) -> None:
    await acme.conn.execute("alter table lead add constraint no_seven check (external_id <> 'e7')")
    await journal.take(acme.tenant_id, [lead(number) for number in range(10)])
    await report(acme.conn, journal, "web-1")
    full = (await codes(connections))["journal_full"]
    assert "it is full (10 leads, 0 MB)" in full["sentence"]
    await drain_batch(acme.conn, journal, acme.tenant_id)
    await report(acme.conn, journal, "web-1")
    found = await codes(connections)
    assert set(found) == {"journal_set_aside"}
    assert "no_seven" in found["journal_set_aside"]["sentence"]
    assert found["journal_set_aside"]["command"] == "lead-router journal list --set-aside"
    whole = await seen(connections)
    assert (whole["accepted"], whole["states"]["journalled"], whole["balanced"]) == (10, 1, True)


async def test_the_list_reads_the_file_while_the_daemon_runs_and_without_a_database(
    journal: Journal, file: Path
) -> None:
    await journal.take(1, [lead(1, name="Ada"), lead(2)])
    nowhere = "postgresql://nobody@localhost:1/nothing"
    found = await line("list", nowhere, file).json()
    assert (found["waiting"], found["set_aside"], found["used_by"]) == (2, 0, os.getpid())
    assert [one["external_id"] for one in found["entries"]] == ["e1", "e2"]
    shown = await line("list", nowhere, file).run()
    assert "2 leads waiting, 0 set aside" in shown.output
    assert "Ada" not in shown.output
    one = await line("show", nowhere, file).json(str(found["entries"][0]["number"]))
    assert one["lead"]["name"] == "Ada"
    assert "name: Ada" in (await line("show", nowhere, file).run("1")).output
    gone = await line("show", nowhere, file).run("999")
    assert gone.exit_code == 1
    assert "there is no lead 999" in gone.output


async def test_drain_is_refused_while_the_daemon_has_the_file(database_url: str, journal: Journal, file: Path) -> None:
    await journal.take(1, [lead(1)])
    refused = await line("drain", database_url, file).run()
    assert refused.exit_code == 2
    assert f"is in use by process {os.getpid()}" in refused.output
    assert journal.leads == 1


async def test_drain_without_a_daemon_moves_all_and_tries_again_what_was_refused(
    acme: Tenancy, database_url: str, file: Path
) -> None:
    await acme.conn.execute("alter table lead add constraint no_one check (external_id <> 'e1')")
    async with open_journal(JournalSettings(file=file)) as journal:
        assert journal
        await journal.take(acme.tenant_id, [lead(number) for number in range(5)])
    first = await line("drain", database_url, file).json(code=1)
    assert (first["drained"], first["set_aside"]) == (4, 1)
    await acme.conn.execute("alter table lead drop constraint no_one")
    assert (await line("drain", database_url, file).json(code=1))["drained"] == 0
    assert (await line("drain", database_url, file).json("--set-aside"))["drained"] == 1
    assert await acme.conn.fetchval("select count(*) from lead") == 5
    missing = await line("drain", database_url, file.with_name("other.db")).run()
    assert missing.exit_code == 2
    assert "there is no journal" in missing.output


async def test_a_lost_journal_can_be_given_up_and_comes_back_if_it_is_found(
    acme: Tenancy, journal: Journal, database_url: str, file: Path
) -> None:
    await journal.take(acme.tenant_id, [lead(1), lead(2)])
    await report(acme.conn, journal, "web-1")
    command = line("forget", database_url, file)
    assert (await command.run(str(journal.journal_id))).exit_code == 2
    given_up = await command.json(str(journal.journal_id), "--why", "the disk is gone")
    assert given_up["given_up"] == 2
    found = await audit(acme.conn)
    assert (found.accepted, found.violations) == (0, [])
    change = await acme.conn.fetchrow("select action, before, why from change order by id desc limit 1")
    assert change
    assert tuple(change) == ("give up journal", "2 leads", "the disk is gone")
    assert (await command.run(str(journal.journal_id), "--why", "again")).exit_code == 1
    await report(acme.conn, journal, "web-1")
    await drain_batch(acme.conn, journal, acme.tenant_id)
    found = await audit(acme.conn)
    assert (found.accepted, found.violations) == (2, [])


async def test_a_file_that_is_no_journal_is_a_clear_error(database_url: str, file: Path) -> None:
    file.write_text(json.dumps({"x": 1}) * 50)
    for command in ("list", "drain"):
        refused = await line(command, database_url, file).run()
        assert refused.exit_code == 2, refused.output
        assert "is not a journal of lead-router" in refused.output
    assert json.loads(file.read_text()[:8]) == {"x": 1}
