"""Endings from a file: each once, whatever runs beside it, and the same file again changes nothing."""

import asyncio
import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cli.leads_end import end as leads_end
from router.outbox.cursor import START
from router.outbox.feed import read_events
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.support import connected
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


async def a_tenant(conn: asyncpg.Connection, connections: Connections, leads: int = 6) -> Tenancy:
    """Leads e0, e1 …, each with one of two reps."""
    tenant = await make_tenant(conn, simple_reps(2))
    await tenant.accept([lead(n, product=f"p{n}") for n in range(leads)], NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    assert (await tenant.states())["assigned"] == leads
    return tenant


def a_file(folder: Path, *rows: str, header: str = "external_id,outcome", name: str = "ends.csv") -> str:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


async def test_a_file_ends_its_leads_and_the_same_file_again_changes_nothing(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await a_tenant(conn, connections)
    file = a_file(
        tmp_path, "e0,won,good talk", "e1,LOST,too dear", "e2,returned,not mine", header="external_id,outcome,reason"
    )
    command = CommandLine(leads_end, database_url)
    looked = await command.run(file, "--tenant", "acme", "--dry-run")
    assert looked.exit_code == 0, looked.output
    assert "3 assignments would end (1 won, 1 lost, 1 returned)" in looked.output
    assert (await tenant.states())["assigned"] == 6
    done = await command.json(file, "--tenant", "acme")
    assert done["ended"] == {"won": 1, "lost": 1, "returned": 1}
    states = await tenant.states()
    assert states == {"waiting": 1, "assigned": 3, "parked": 0, "merged": 0, "closed": 2}
    assert (await audit(conn)).violations == []
    rows = await conn.fetch(
        "select external_id, outcome, note, ended_by <> '' as by from assignment_history "
        "join lead using (tenant_id, lead_id)"
    )
    assert {tuple(row) for row in rows} == {
        ("e0", "won", "good talk", True),
        ("e1", "lost", "too dear", True),
        ("e2", "returned", "not mine", True),
    }
    again = await command.run(file, "--tenant", "acme")
    assert again.exit_code == 0, again.output
    assert "0 assignments ended, 3 ended before, 0 rejected" in again.output
    assert "nothing changed: what the file says is so already" in again.output
    # Also once somebody else has the returned one.
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await tenant.states())["assigned"] == 4
    once_more = await command.json(file, "--tenant", "acme")
    assert (once_more["ended"], once_more["already"], once_more["returned_before"]) == (
        {"won": 0, "lost": 0, "returned": 0},
        2,
        1,
    )
    assert (await tenant.states())["assigned"] == 4
    assert (await audit(conn)).violations == []


async def test_every_ending_of_a_file_is_an_event_as_a_single_one_is(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await a_tenant(conn, connections)
    file = a_file(tmp_path, "e0,won", "e1,lost", "e2,returned")
    await CommandLine(leads_end, database_url).json(file, "--tenant", "acme")
    found = await read_events(conn, tenant.tenant_id, START, limit=100)
    ends = {(e.type, e.data["external_id"], e.data.get("outcome")) for e in found.events if "assigned" not in e.type}
    assert ends == {
        ("lead.ended", "e0", "won"),
        ("lead.ended", "e1", "lost"),
        ("lead.returned", "e2", None),
    }


async def test_rows_that_cannot_be_done_are_named_with_their_reason_and_the_others_are_done(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await a_tenant(conn, connections)
    owner = await conn.fetchval(
        "select rep_id from assignment join lead using (tenant_id, lead_id) join rep using (tenant_id, rep_no) "
        "where external_id = 'e1'"
    )
    other = "r001" if owner == "r002" else "r002"
    await tenant.accept([lead(99, region="x")], NOON)
    tomorrow = (datetime.now(UTC) + timedelta(days=3)).date()
    file = a_file(
        tmp_path,
        "e0,won,,",
        f"e1,won,{other},",
        "nothing,won,,",
        "e2,gone,,",
        "e3,lost,nobody,",
        "e99,won,,",
        "e0,lost,,",
        ",won,,",
        f"e4,won,,{tomorrow}",
        "e4,,,",
        "e4,won,,2020-01-01T00:00:00Z",
        header="external_id,outcome,rep_id,ended_at",
    )
    result = await CommandLine(leads_end, database_url).run(file, "--tenant", "acme")
    assert result.exit_code == 1, result.output
    for line, words in {
        3: f"rep_id: the lead is not with rep {other} now",
        4: "external_id: there is no such lead",
        5: "outcome: 'gone' is not one of won, lost, returned",
        6: "rep_id: there is no rep 'nobody'",
        7: "the lead is waiting, not assigned; there is nothing to end",
        8: "outcome: line 2 says that it ended as won",
        9: "external_id: is empty",
        10: "lies ahead by more than a day",
        11: "outcome: is empty",
        12: "ended_at: is before assigned_at 20",
    }.items():
        assert f"line {line}" in result.output
        assert words in result.output.replace("\n", " "), (line, result.output)
    assert (await tenant.states())["closed"] == 1
    with (tmp_path / "ends.csv.rejects.csv").open(encoding="utf-8") as rejects:
        assert [row["rejected_line"] for row in csv.DictReader(rejects)] == [str(n) for n in range(3, 13)]
    assert (await audit(conn)).violations == []


async def test_a_lead_of_two_sources_is_not_ended_by_a_guess(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await a_tenant(conn, connections, 1)
    await tenant.accept([lead(0, product="other")._replace(source="phone")], NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    command = CommandLine(leads_end, database_url)
    result = await command.run(a_file(tmp_path, "e0,won"), "--tenant", "acme")
    assert "2 sources have a lead of this id (phone, web)" in result.output
    done = await command.json(a_file(tmp_path, "e0,phone,won", header="external_id,source,outcome"), "--tenant", "acme")
    assert done["ended"]["won"] == 1


async def test_a_mapping_says_what_the_columns_and_words_of_a_crm_mean(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await a_tenant(conn, connections)
    file = a_file(
        tmp_path, "e0;Gewonnen;02.03.2026 15:30", "e1;Verloren;03.03.2026 09:00", header="Kennung;Ergebnis;Am"
    )
    command = CommandLine(leads_end, database_url)
    refused = await command.run(file, "--tenant", "acme")
    assert refused.exit_code == 2
    assert "no column is mapped to outcome; the file has Kennung, Ergebnis, Am" in refused.output
    assert "rename: {Ergebnis: outcome}" in refused.output
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        "rename: {Kennung: external_id, Ergebnis: outcome, Am: ended_at}\n"
        "values: {outcome: {Gewonnen: won, Verloren: lost}}\ntime_zone: Europe/Berlin\n",
        encoding="utf-8",
    )
    done = await command.json(file, "--tenant", "acme", "--mapping", str(mapping))
    assert done["ended"] == {"won": 1, "lost": 1, "returned": 0}
    at = await conn.fetchval(
        "select ended_at from assignment_history join lead using (tenant_id, lead_id) where external_id = 'e0'"
    )
    assert at == datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
    assert (await audit(conn)).violations == []
    assert tenant.tenant_id


async def test_a_lead_that_somebody_else_has_locked_is_named_and_holds_up_no_other(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await a_tenant(conn, connections)
    file = a_file(tmp_path, *(f"e{n},won" for n in range(6)))
    async with connected(database_url) as other, other.transaction():
        await other.execute(
            "select from assignment where lead_id = (select lead_id from lead where external_id = 'e3') for update"
        )
        result = await CommandLine(leads_end, database_url).run(file, "--tenant", "acme")
    assert result.exit_code == 1
    assert "5 assignments ended (5 won)" in result.output
    assert "line 5: is locked by another session; import the file again" in result.output
    done = await CommandLine(leads_end, database_url).json(file, "--tenant", "acme")
    assert (done["ended"]["won"], done["already"]) == (1, 5)
    assert (await tenant.states())["closed"] == 6


async def test_routers_that_drain_meanwhile_keep_every_law(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await a_tenant(conn, connections, 600)
    await tenant.accept([lead(n, product=f"q{n}") for n in range(1000, 1600)])
    rows = [f"e{n},{('won', 'lost', 'returned')[n % 3]}" for n in range(600)]
    file, drain = a_file(tmp_path, *rows), a_drain(connections, ready=50)
    stop = asyncio.Event()

    async def draining() -> None:
        while not stop.is_set():
            await drain.drain_tenant(tenant.tenant_id)

    beside = asyncio.create_task(draining())
    try:
        # Not as JSON: the drain logs to the same stdout.
        done = await CommandLine(leads_end, database_url).run(file, "--tenant", "acme")
    finally:
        stop.set()
        await beside
    assert "600 assignments ended (200 won, 200 lost, 200 returned)" in done.output
    await settle(drain, tenant.tenant_id)
    assert (await audit(conn)).violations == []
    assert (await tenant.states())["closed"] == 400


@pytest.mark.parametrize("rows", ["e0,won\0", '"e0,won', "e0,won,more,cells"])
async def test_a_hostile_row_ends_nothing(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path, rows: str
) -> None:
    tenant = await a_tenant(conn, connections, 1)
    result = await CommandLine(leads_end, database_url).run(a_file(tmp_path, rows), "--tenant", "acme")
    assert result.exit_code in (1, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert (await tenant.states())["assigned"] == 1
