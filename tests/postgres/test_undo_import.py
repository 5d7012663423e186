"""Imports are listed and can be taken back: what nobody has worked on goes, the rest is named, sums stay right."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ops.audit.audit import audit
from ops.cli.commands import leads as leads_family
from ops.status.status import status
from ops.text.translation import translator
from ops.why.collect import why
from ops.why.summary import summary
from router.store import tenants
from router.store.assignments import Ending, end, find_lead
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.postgres.test_repeats import merged, waiting
from tests.support import BLOCKED, connected, until
from tests.world import Tenancy, a_drain, make_tenant, settle, simple_reps

HEADER = "external_id,source,created_at,name,phone,product,region"
EAST = """
rules:
  - {name: east, match: {region: east}, assign_to: "group:all"}
"""
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def row(number: int, *, hours: int = 0, phone: int | None = None, region: str = "", product: str = "pump") -> str:
    when = (NOON + timedelta(hours=hours)).isoformat()
    digits = f"+861380013{number if phone is None else phone:04}"
    return f"L{number},web,{when},Ann,{digits},{product},{region}"


def written(folder: Path, rows: list[str], name: str = "leads.csv") -> str:
    (folder / name).write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return str(folder / name)


async def imported(url: str, file: str, *more: str) -> dict[str, Any]:
    said: dict[str, Any] = await CommandLine(leads_family, url).json("import", file, "--tenant", "acme", *more)
    return said


async def undone(url: str, number: int, *more: str, code: int = 0) -> dict[str, Any]:
    words = ("undo-import", str(number), "--why", "wrong mapping", *more)
    said: dict[str, Any] = await CommandLine(leads_family, url).json(*words, code=code)
    return said


async def sane(conn: asyncpg.Connection) -> dict[str, int]:
    """The audit finds nothing, and status has the same sums; the leads by state."""
    found = await audit(conn)
    assert found.ok, found.violations
    seen = await status(conn)
    assert seen.balanced
    assert dict(seen.states) == found.states
    return found.states


async def worked_on(conn: asyncpg.Connection, connections: Connections, url: str, folder: Path) -> tuple[Tenancy, int]:
    """An import of ten leads: one assigned, one returned by its rep, one merged; the others were refused."""
    tenant = await make_tenant(conn, simple_reps(1), EAST)
    rows = [row(n, region="east" if n < 2 else "") for n in range(9)] + [row(9, hours=1, phone=8)]
    said = await imported(url, written(folder, rows), "--batch", "4")
    await settle(a_drain(connections), tenant.tenant_id)
    returned = await find_lead(conn, "L1", "acme")
    await end(conn, tenant.tenant_id, returned.lead_id, Ending.RETURNED)
    return tenant, said["import"]


async def test_what_nobody_has_worked_on_is_removed_and_the_rest_is_named(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant, number = await worked_on(conn, connections, database_url, tmp_path)
    before = await sane(conn)
    dry = await undone(database_url, number, "--dry-run", code=1)
    assert await sane(conn) == before
    said = await undone(database_url, number, code=1)
    assert {**dry, "dry_run": False} == said
    assert said["removed"] == {"waiting": 7, "merged": 1, "parked": 0}
    assert (said["stays"], said["locked"]) == ({"assigned": 1, "waiting": 1}, 0)
    assert {(one["external_id"], one["state"], one["rep_id"]) for one in said["leads"]} == {
        ("L0", "assigned", "r001"),
        ("L1", "waiting", None),
    }
    states = await sane(conn)
    assert (states["removed"], sum(states.values())) == (8, 10)
    assert await conn.fetchval("select count(*) from lead where name = 'Ann'") == 2
    assert await conn.fetchval("select count(*) from customer_key") == 2
    change = await conn.fetchrow("select subject, after, why from change where action = 'leads undo-import'")
    assert change is not None
    assert tuple(change) == (f"import {number}", "8 leads removed", "wrong mapping")
    events = await conn.fetch("select cardinality(leads) from event where type = 'lead.removed'")
    assert sum(found[0] for found in events) == 8
    gone = await conn.fetchval("select lead_id from removed_lead where external_id = 'L5'")
    told = await why(conn, await find_lead(conn, str(gone), None))
    assert "import" in summary(told, translator("en")) and told.place.state == "removed"
    again = await undone(database_url, number, code=1)
    assert (sum(again["removed"].values()), again["stays"]) == (0, said["stays"])
    await settle(a_drain(connections), tenant.tenant_id)


async def test_an_import_of_another_tenant_than_the_one_that_was_named_is_left_alone(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEAD_ROUTER_TENANT", raising=False)
    await make_tenant(conn, simple_reps(1))
    await tenants.add(conn, "zeta", "UTC")
    number = (await imported(database_url, written(tmp_path, [row(1), row(2)])))["import"]
    command = CommandLine(leads_family, database_url)
    named = await command.run("undo-import", str(number), "--tenant", "zeta")
    monkeypatch.setenv("LEAD_ROUTER_TENANT", "zeta")
    taken = await command.run("undo-import", str(number))
    for refused in (named, taken):
        assert refused.exit_code == 2, refused.output
        assert f"import {number} is of tenant acme, not of zeta; nothing was changed" in refused.stderr
    assert "tenant zeta (LEAD_ROUTER_TENANT)" in taken.stderr
    assert (await command.run("undo-import", str(number), "--tenant", "acne")).exit_code == 2
    assert await conn.fetchval("select count(*) from lead where name = 'Ann'") == 2
    monkeypatch.delenv("LEAD_ROUTER_TENANT")
    dry = await command.run("undo-import", str(number), "--dry-run")
    assert f"import {number} of tenant acme: 2 leads would be removed" in dry.stdout, dry.output
    done = await command.run("undo-import", str(number), "--tenant", "acme")
    assert f"import {number} of tenant acme: 2 leads removed" in done.stdout, done.output


async def test_the_same_file_can_be_imported_again_with_another_mapping_and_routed(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    """The smallest case: an e-mail address that was not mapped, and then was."""
    tenant = await make_tenant(conn, simple_reps(1))
    file = tmp_path / "leads.csv"
    file.write_text("external_id,created_at,source,Mail\n1,2026-03-02T09:30:00+08:00,web,ann@example.com\n")
    first = await imported(database_url, str(file))
    [listed] = (await CommandLine(leads_family, database_url).json("imports", "--tenant", "acme"))["imports"]
    assert (listed["import"], listed["file"], listed["rows"], listed["new"]) == (first["import"], str(file), 1, 1)
    assert listed["ended_at"] and listed["actor"]
    assert (await undone(database_url, first["import"]))["removed"]["waiting"] == 1
    (tmp_path / "m.yaml").write_text("rename: {Mail: email}\n")
    second = await imported(database_url, str(file), "--mapping", str(tmp_path / "m.yaml"))
    assert (second["new"], second["repeated"]) == (1, 0)
    assert await conn.fetchval("select email from lead") == "ann@example.com"
    assert (await settle(a_drain(connections), tenant.tenant_id)).assigned == 1
    assert (await sane(conn))["removed"] == 1
    found = (await CommandLine(leads_family, database_url).json("imports", "--tenant", "acme"))["imports"]
    assert [(one["removed"], one["undone_by"] is None) for one in found] == [(0, True), (1, False)]


async def test_leads_of_another_import_that_repeat_removed_ones_wait_or_repeat_what_is_left(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant_id = (await tenants.add(conn, "acme", "UTC")).tenant_id
    first = await imported(database_url, written(tmp_path, [row(0, phone=7)], "one.csv"))
    later = [row(1, hours=20, phone=7), row(2, hours=40, phone=7), row(3, hours=41, phone=7)]
    await imported(database_url, written(tmp_path, later, "two.csv"))
    assert await merged(conn, tenant_id) == {"L1": "L0", "L3": "L2"}
    assert (await undone(database_url, first["import"]))["removed"]["waiting"] == 1
    assert await merged(conn, tenant_id) == {"L2": "L1", "L3": "L1"}
    assert await waiting(conn, tenant_id) == {"L1"}
    assert (await sane(conn))["merged"] == 2
    assert await conn.fetchval("select count(distinct customer_id) from lead") == 1


async def test_contacts_of_removed_leads_tie_nobody_any_more_also_those_that_too_many_shared(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    await tenants.add(conn, "acme", "UTC")
    rows = [row(n, phone=7, product=f"p{n}").replace("Ann", f"Person {n}") for n in range(7)]
    said = await imported(database_url, written(tmp_path, rows))
    assert said["shared_keys"] == 1
    await undone(database_url, said["import"])
    assert await conn.fetchval("select count(*) from customer_key") == 0
    await imported(database_url, written(tmp_path, rows[:2]))
    assert await conn.fetchval("select count(distinct customer_id) from lead") == 1


async def test_a_lead_that_another_session_holds_stays_and_the_next_run_removes_it(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    await tenants.add(conn, "acme", "UTC")
    said = await imported(database_url, written(tmp_path, [row(n) for n in range(3)]))
    async with connected(database_url) as other, other.transaction():
        await other.execute(
            "select from lead_pool p join lead using (lead_id) where external_id = 'L1' for update of p"
        )
        held = await undone(database_url, said["import"], code=1)
        assert (held["removed"]["waiting"], held["locked"]) == (2, 1)
        assert [one["external_id"] for one in held["leads"]] == ["L1"]
    assert (await undone(database_url, said["import"]))["removed"]["waiting"] == 1
    assert (await sane(conn))["removed"] == 3
    result = await CommandLine(leads_family, database_url).run("undo-import", "999")
    assert (result.exit_code, "there is no import 999" in result.output) == (2, True)


async def test_a_lead_that_comes_while_its_customer_is_forgotten_is_known_by_its_contacts(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    """An intake that waits for a key finds it gone; what it stores must still tie whoever comes next."""
    tenant_id = (await tenants.add(conn, "acme", "UTC")).tenant_id
    said = await imported(database_url, written(tmp_path, [row(0)]))
    async with connected(database_url) as other, connected(database_url) as looks:
        async with other.transaction():
            # As undo-import has it: the keys are held, then forgotten with the lead.
            await other.fetch("select from customer_key for update")
            coming = asyncio.create_task(imported(database_url, written(tmp_path, [row(1, phone=0)], "late.csv")))
            await until(lambda: looks.fetchval(BLOCKED), "the import waits for the key")
            await other.execute("delete from customer_key")
        assert (await coming)["new"] == 1
    await undone(database_url, said["import"])
    assert await conn.fetchval("select count(*) from customer_key where tenant_id = $1", tenant_id) == 1
