"""The view of the CRM and its accidents, against a real database: what it says is taken, or nothing and it is told."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog

from ops.cli.commands import reps as reps_command
from ops.cli.context import Context
from ops.cli.status import status as status_command
from ops.doctor.checks import roster_not_understood
from ops.doctor.finding import Severity
from ops.roster_sync.duty import RosterSyncService
from ops.roster_sync.sources import Source
from ops.roster_sync.sync import AUTHOR, Synced, sync
from ops.status.status import status
from router.domain.attendance import Attendance, attendance
from router.domain.holidays import holiday_calendar
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import RosterSyncSettings, Settings
from router.store.connections.connections import Connections
from router.store.roster import current_reps, load_roster, set_rep
from router.store.tenants import Tenant, add
from router.telemetry.instruments import Instruments, SyncResult
from tests.command_line import CommandLine
from tests.support import connected, until

SOURCE = Source("acme", ("crm", "reps"))
VIEW = "create view crm.reps as select emp as rep_id, name, status as available, team as groups from crm.people"
REPLACED = "drop view crm.reps; create view crm.reps as"


class Crm:
    """The CRM's side: a table of people with a view on it."""

    def __init__(self, conn: asyncpg.Connection, tenant: Tenant) -> None:
        self.conn = conn
        self.tenant = tenant

    async def sync(self, source: Source = SOURCE, **how: Any) -> Synced:
        synced = await sync(self.conn, self.tenant, source, **how)
        assert synced is not None
        return synced

    async def versions(self) -> list[tuple[str, str]]:
        """Author and note of every version of the roster."""
        return [tuple(row) for row in await self.conn.fetch("select author, note from roster_version order by version")]

    async def reps(self) -> dict[str, Any]:
        return {rep.rep_id: rep.values for rep in await current_reps(self.conn, self.tenant.tenant_id)}

    async def state(self, rep_id: str, at: datetime) -> tuple[Attendance, datetime | None]:
        """What routing makes of a rep at that time."""
        version = await self.conn.fetchval("select roster from tenant")
        roster = await load_roster(self.conn, self.tenant.tenant_id, version)
        rep = next(rep for rep in roster.reps if rep.rep_id == rep_id)
        return attendance(rep, at, holiday_calendar(None), None)


@pytest.fixture
async def crm(conn: asyncpg.Connection) -> Crm:
    tenant = await add(conn, "acme", "Asia/Shanghai")
    await conn.execute("create schema crm; create table crm.people (emp text, name text, status boolean, team text)")
    await conn.execute(
        "insert into crm.people select 'r' || i, 'Rep ' || i, true, 'east' from generate_series(1, 10) i"
    )
    await conn.execute(VIEW)
    crm = Crm(conn, tenant)
    assert (await crm.sync()).result is SyncResult.CHANGED
    return crm


async def as_text(crm: Crm) -> None:
    """The accident of the outage: somebody turns the availability into text."""
    await crm.conn.execute("drop view crm.reps")
    await crm.conn.execute(
        "alter table crm.people alter status type text using case when status then '是' else '否' end"
    )
    await crm.conn.execute(VIEW)


async def refused(crm: Crm, *words: str, result: SyncResult = SyncResult.REFUSED) -> None:
    """Nothing is taken, it is said why, and it is kept for `status`."""
    before, versions = await crm.reps(), await crm.versions()
    synced = await crm.sync()
    assert (synced.result, synced.change, synced.news) == (result, None, True)
    assert all(word in synced.problem for word in words), synced.problem
    assert (await crm.reps(), await crm.versions()) == (before, versions)
    assert await crm.conn.fetchval("select problem from roster_sync") == synced.problem
    assert not (await crm.sync()).news


async def test_the_roster_is_as_the_view_says_and_versions_are_made_only_by_changes(crm: Crm) -> None:
    assert await crm.versions() == [(AUTHOR, "view crm.reps")]
    assert (await crm.reps())["r3"]["groups"] == ("east",)
    assert (await crm.sync()).result is SyncResult.UNCHANGED
    await crm.conn.execute("update crm.people set status = false, team = 'west;East' where emp = 'r3'")
    await crm.conn.execute("insert into crm.people values ('r11', 'New', true, 'west')")
    synced = await crm.sync()
    assert synced.change is not None
    assert (synced.change.added, synced.change.fields) == (("r11",), {"available": 1, "groups": 1})
    assert len(await crm.versions()) == 2


async def test_who_left_the_view_becomes_inactive_when_few_did(crm: Crm) -> None:
    await crm.conn.execute("delete from crm.people where emp in ('r1', 'r2')")
    assert (await crm.sync()).result is SyncResult.CHANGED
    assert [rep_id for rep_id, rep in (await crm.reps()).items() if not rep["active"]] == ["r1", "r2"]


async def test_a_view_that_loses_many_reps_changes_nothing_until_a_person_says_so(crm: Crm) -> None:
    await crm.conn.execute("delete from crm.people where emp in ('r1', 'r2', 'r3')")
    await refused(crm, "3 of 10 active reps", "r1, r2, r3")
    assert (await crm.sync(replace(SOURCE, most_lost_share=Decimal("0.3")), dry_run=True)).change is not None
    assert (await crm.sync(accept_loss=True)).result is SyncResult.CHANGED
    assert (await crm.sync()).result is SyncResult.UNCHANGED


async def test_a_view_that_makes_everybody_inactive_is_the_same_accident(crm: Crm) -> None:
    await crm.conn.execute(f"drop view crm.reps; {VIEW.replace(' from', ', false as active from')}")
    await refused(crm, "10 of 10 active reps")


@pytest.mark.parametrize(
    ("accident", "words", "result"),
    [
        ("drop view crm.reps", ("crm.reps is not there",), SyncResult.REFUSED),
        ("drop schema crm cascade", ("is not there",), SyncResult.REFUSED),
        ("delete from crm.people", ("it is empty",), SyncResult.REFUSED),
        ("update crm.people set emp = null where emp = 'r1'", ("1 of its 10 rows without rep_id",), SyncResult.REFUSED),
        ("insert into crm.people values ('r1', 'Twin')", ("more than once: r1",), SyncResult.REFUSED),
        (
            f"{REPLACED} select emp as rep_id, name, status as available from crm.people",
            ("lost groups",),
            SyncResult.REFUSED,
        ),
        (
            "drop view crm.reps; create view crm.reps as select emp, status as available from crm.people",
            ("no column rep_id", "available, emp"),
            SyncResult.REFUSED,
        ),
        (
            f"{REPLACED} select (1 / (random() * 0)::int)::text as rep_id from crm.people",
            ("division by zero",),
            SyncResult.FAILED,
        ),
    ],
)
async def test_an_accident_of_the_view_changes_nothing(
    crm: Crm, accident: str, words: Sequence[str], result: SyncResult
) -> None:
    await crm.conn.execute(accident)
    await refused(crm, *words, result=result)


async def test_a_view_that_never_answers_is_given_up_and_holds_nothing(
    crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.roster_sync.view.STATEMENT_TIMEOUT", "100ms")
    await crm.conn.execute(f"drop view crm.reps; {VIEW.replace(' as rep_id', ' || pg_sleep(60)::text as rep_id')}")
    await refused(crm, "statement timeout", result=SyncResult.FAILED)
    # The limit is of the sync alone.
    assert await crm.conn.fetchval("show statement_timeout") == "0"


async def test_a_view_that_may_not_be_read_changes_nothing(crm: Crm) -> None:
    name = f"reader_{uuid.uuid4().hex}"
    await crm.conn.execute(
        f"create role {name}; grant usage on schema crm to {name}; grant all on all tables in schema public to {name}; "
        f"set role {name}"
    )
    try:
        await refused(crm, "permission denied", result=SyncResult.FAILED)
    finally:
        await crm.conn.execute(f"reset role; drop owned by {name}; drop role {name}")


async def test_what_was_wrong_with_the_view_is_over_when_it_is_mended(crm: Crm) -> None:
    await crm.conn.execute("alter view crm.reps rename to gone")
    await refused(crm, "is not there")
    await crm.conn.execute("alter view crm.gone rename to reps")
    synced = await crm.sync()
    assert (synced.result, synced.news) == (SyncResult.UNCHANGED, True)
    assert await crm.conn.fetchval("select problem from roster_sync") == ""


async def test_a_text_that_is_understood_is_taken_and_reported(crm: Crm) -> None:
    await as_text(crm)
    synced = await crm.sync()
    assert (synced.result, synced.unknown, synced.news) == (SyncResult.UNCHANGED, 0, True)
    assert synced.warnings == (
        "column available is of type text, not boolean; it was boolean; each value is read as text",
    )
    await crm.conn.execute("update crm.people set status = '离岗' where emp = 'r4'")
    assert (await crm.sync()).result is SyncResult.CHANGED
    assert not (await crm.reps())["r4"]["available"]


async def test_a_column_of_another_type_is_a_ticket_only_while_a_value_of_it_is_not_understood(crm: Crm) -> None:
    async def found() -> list[tuple[Severity, str]]:
        findings = (await status(crm.conn)).findings
        return [(one.severity, one.sentence) for one in findings if one.code == roster_not_understood.CODE]

    await as_text(crm)
    await crm.sync()
    column = (Severity.INFO, "roster: column available is of type text, not boolean; each value is read as text")
    await crm.sync()  # the one that says what it was before is over
    assert await found() == [column]
    await crm.conn.execute("update crm.people set status = '忙' where emp = 'r1'")
    await crm.sync()
    (first, *others) = await found()
    assert first[0] is Severity.WARNING
    assert 'value "忙" is not understood' in first[1]
    assert others == [column]
    await crm.conn.execute("update crm.people set status = '是' where emp = 'r1'")
    await crm.sync()
    assert await found() == [column]


async def test_a_value_nobody_understands_holds_the_last_known_one_and_then_excludes_the_rep(crm: Crm) -> None:
    await as_text(crm)
    await crm.conn.execute(
        "update crm.people set status = '忙' where emp = 'r1'; update crm.people set status = null where emp = 'r2'"
    )
    synced = await crm.sync()
    assert (synced.result, synced.unknown, synced.news) == (SyncResult.CHANGED, 2, True)
    assert any('rep r1: available: value "忙" is not understood' in warning for warning in synced.warnings)
    held: datetime = (await crm.reps())["r1"]["availability_held_until"]
    now = await crm.conn.fetchval("select clock_timestamp()")
    assert now + timedelta(minutes=14) < held < now + timedelta(minutes=15)
    assert await crm.state("r1", now) == (Attendance.ON_DUTY, held)
    assert await crm.state("r1", held) == (Attendance.AVAILABILITY_UNKNOWN, None)
    # The time runs on from the first such word, and another look is no change.
    assert (await crm.sync()).result is SyncResult.UNCHANGED
    await crm.conn.execute("update crm.people set status = 'no' where emp = 'r1'")
    await crm.sync()
    assert await crm.state("r1", held) == (Attendance.UNAVAILABLE, None)
    assert await crm.state("r2", held) == (Attendance.AVAILABILITY_UNKNOWN, None)
    # A person's word counts at once.
    await set_rep(crm.conn, crm.tenant.tenant_id, "r2", {"available": True}, "boss")
    assert await crm.state("r2", held) == (Attendance.ON_DUTY, None)


async def test_a_new_rep_of_unknown_availability_gets_nothing_before_it_is_known(crm: Crm) -> None:
    await crm.conn.execute("insert into crm.people values ('r11', 'New', null, 'east')")
    assert (await crm.sync()).unknown == 1
    now = await crm.conn.fetchval("select clock_timestamp()")
    assert await crm.state("r11", now) == (Attendance.AVAILABILITY_UNKNOWN, None)


async def test_other_values_that_are_not_understood_leave_the_field_as_it_is(crm: Crm) -> None:
    await crm.conn.execute(
        f"drop view crm.reps; alter table crm.people add zone text; {VIEW.replace(' from', ', zone as time_zone from')}"
    )
    await crm.conn.execute("update crm.people set zone = 'Mars/Olympus', name = 'Renamed' where emp = 'r1'")
    await crm.conn.execute("insert into crm.people values ('r11', 'New', true, 'east', 'Mars/Olympus')")
    synced = await crm.sync()
    assert [warning.partition(":")[0] for warning in synced.warnings] == ["rep r1", "rep r11"]
    reps = await crm.reps()
    assert (reps["r1"]["time_zone"], reps["r1"]["name"]) == ("Asia/Shanghai", "Renamed")
    assert "r11" not in reps


async def test_names_are_names_and_never_statements(crm: Crm) -> None:
    bad = 'x"; drop table crm.people; --'
    await crm.conn.execute(
        f'create view crm."{bad.replace(chr(34), chr(34) * 2)}" as select emp as "E ""x""", team "T;" from crm.people'
    )
    source = Source("acme", ("crm", bad), {"rep_id": 'E "x"', "groups": "T;"})
    assert (await crm.sync(source, accept_loss=True)).result is SyncResult.UNCHANGED
    missing = await crm.sync(replace(source, columns={"rep_id": "Emp"}))
    assert "lost column Emp" in missing.problem
    assert await crm.conn.fetchval("select count(*) from crm.people") == 10


async def test_a_view_that_writes_is_refused_and_writes_nothing(crm: Crm) -> None:
    await crm.conn.execute(
        "create table crm.log (t text); create function crm.f() returns text language sql volatile as "
        "$$ insert into crm.log values ('x') returning 'r1' $$; drop view crm.reps; "
        "create view crm.reps as select crm.f() as rep_id, true as available, '' as groups, '' as name"
    )
    await refused(crm, "read-only", result=SyncResult.FAILED)
    assert await crm.conn.fetchval("select count(*) from crm.log") == 0


async def test_arrays_and_numbers_are_read(crm: Crm) -> None:
    await crm.conn.execute(
        "drop view crm.reps; create view crm.reps as select emp as rep_id, name, status as available, "
        "array['east', 'west'] as groups, 1.5::numeric(5,2) as weight, 7 as max_open from crm.people"
    )
    synced = await crm.sync()
    assert synced.warnings == ()
    one = (await crm.reps())["r1"]
    assert (one["groups"], one["weight"], one["max_open"]) == (("east", "west"), 1500, 7)


async def test_a_database_that_is_away_changes_nothing_and_its_password_is_not_told(crm: Crm) -> None:
    away = replace(SOURCE, database_url="postgresql://u:s3cret@127.0.0.1:1/x")
    synced = await crm.sync(away)
    assert (synced.result, synced.change) == (SyncResult.FAILED, None)
    assert "s3cret" not in synced.problem + repr(away)


async def test_another_database_is_read_by_its_url(crm: Crm, database_url: str) -> None:
    await crm.conn.execute("update crm.people set name = 'Renamed' where emp = 'r1'")
    assert (await crm.sync(replace(SOURCE, database_url=database_url))).result is SyncResult.CHANGED
    assert (await crm.reps())["r1"]["name"] == "Renamed"


async def test_only_one_syncs_at_a_time_and_the_others_find_it_done(crm: Crm, database_url: str) -> None:
    async with connected(database_url) as other, other.transaction():
        assert await sync(other, crm.tenant, SOURCE) is not None
        assert await sync(crm.conn, crm.tenant, SOURCE) is None
    assert await sync(crm.conn, crm.tenant, SOURCE, if_older_than=timedelta(minutes=5)) is None
    assert await sync(crm.conn, crm.tenant, SOURCE, if_older_than=timedelta(microseconds=1)) is not None
    # A look at a time that is yet to come, by a clock that was wrong, keeps nobody from looking.
    await crm.conn.execute("update roster_sync set tried_at = tried_at + interval '40 days'")
    assert await sync(crm.conn, crm.tenant, SOURCE, if_older_than=timedelta(minutes=5)) is not None


async def test_the_duty_takes_changes_and_says_once_what_is_wrong(crm: Crm, connections: Connections) -> None:
    duty = RosterSyncService(connections, replace(SOURCE, every=timedelta(milliseconds=20)), Instruments.silent())
    stop = asyncio.Event()
    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(duty.run(Lifeline(stop, MonotonicClock(), lambda _: None)))
        await crm.conn.execute("update crm.people set name = 'Renamed' where emp = 'r1'")

        async def renamed() -> bool:
            return bool((await crm.reps())["r1"]["name"] == "Renamed")

        async def last_try() -> datetime:
            at: datetime = await crm.conn.fetchval("select tried_at from roster_sync")
            return at

        async def tried_since(before: datetime) -> bool:
            return await last_try() > before

        await until(renamed, "the new name")
        await crm.conn.execute("drop view crm.reps")
        for _ in range(4):
            before = await last_try()
            await until(partial(tried_since, before), "another look")
        stop.set()
        await task
    assert [log["event"] for log in logs] == ["roster synced", "roster not synced"]


async def test_by_hand_it_shows_what_would_change_and_what_is_wrong(
    crm: Crm, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "sync.yaml"
    file.write_text("tenants: {acme: {view: crm.reps}}")
    command = CommandLine(reps_command, database_url)
    command._context = Context(Settings(roster_sync=RosterSyncSettings(file)), command._context.servers)
    await as_text(crm)
    await crm.conn.execute(
        "update crm.people set status = 'maybe' where emp = 'r1'; update crm.people set name = 'X' where emp = 'r2'"
    )
    dry = await command.json("sync", "--tenant", "acme", "--dry-run", code=1)
    assert (dry["result"], dry["availability_unknown"], dry["change"]["fields"]) == (
        "changed",
        1,
        {"availability_held_until": 1, "name": 1},
    )
    assert len(await crm.versions()) == 1
    shown = await command.run("sync", "--tenant", "acme")
    assert shown.exit_code == 1
    assert 'warning: rep r1: available: value "maybe"' in shown.output
    assert "rep r2: name: Rep 2 → X" in shown.output
    await crm.conn.execute("drop view crm.reps")
    gone = await command.run("sync", "--tenant", "acme")
    assert (gone.exit_code, "nothing was taken from crm.reps: crm.reps is not there" in gone.output) == (1, True)
    assert (await command.run("sync", "--tenant", "other")).exit_code == 2
    told = await CommandLine(status_command, database_url).json()
    assert any("roster not synced: crm.reps is not there" in words for words in told["tenants"][0]["warnings"])
    assert "warning: acme: roster not synced" in (await CommandLine(status_command, database_url).run()).output
