"""`leads correct`: leads that nobody has say what the file says, others are named; the same id of another source."""

from pathlib import Path
from typing import Any

import asyncpg
import openpyxl

from ops.audit.audit import audit
from ops.cli.commands import leads as leads_family
from ops.cli.customers_check import check as customers_check
from router.store import tenants
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.postgres.test_repeats import merged
from tests.postgres.test_undo_import import EAST, HEADER, row, sane, written
from tests.world import a_drain, make_tenant, settle, simple_reps


async def run(url: str, command: str, file: str, *more: str, code: int = 0) -> dict[str, Any]:
    said: dict[str, Any] = await CommandLine(leads_family, url).json(
        command, file, "--tenant", "acme", *more, code=code
    )
    return said


async def whose(conn: asyncpg.Connection) -> dict[str, int | None]:
    return {row[0]: row[1] for row in await conn.fetch("select external_id, customer_id from lead")}


async def test_leads_that_nobody_has_are_corrected_and_routed_and_what_was_decided_stays_explained(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    """Refused leads get a region and a rep; the one that a rep has keeps what it said, and is named."""
    tenant = await make_tenant(conn, simple_reps(1), EAST)
    await run(database_url, "import", written(tmp_path, [row(n, region="east" if n == 0 else "") for n in range(4)]))
    await settle(a_drain(connections), tenant.tenant_id)
    assert await tenant.states() == {**await tenant.states(), "assigned": 1, "waiting": 3}
    right = [row(n, region="east", product="valve") for n in range(3)] + [row(3), row(9)]
    file = written(tmp_path, right)
    dry = await run(database_url, "correct", file, "--dry-run", code=1)
    assert await conn.fetchval("select count(*) from lead where region = 'east'") == 1
    said = await run(database_url, "correct", file, "--why", "region was missing", code=1)
    counts = ("corrected", "same", "stays", "locked", "unknown", "rejected")
    assert {name: said[name] for name in counts} == {name: dry[name] for name in counts}
    assert said["corrected"] == {"waiting": 2, "merged": 0, "parked": 0}
    assert (said["same"], said["unknown"], said["stays"]) == (1, 1, {"assigned": 1})
    [kept] = said["differences"]
    assert (kept["external_id"], kept["fields"], kept["rep_id"]) == ("L0", ["product"], "r001")
    assert sorted(said["corrections"][0]["fields"]) == ["product", "region"]
    assert (await settle(a_drain(connections), tenant.tenant_id)).assigned == 2
    found = await audit(conn, sample=50)
    assert found.ok and found.replayed > 1, found.violations
    change = await conn.fetchrow("select subject, after, why from change where action = 'leads correct'")
    assert change is not None
    assert tuple(change) == (file, "2 leads corrected", "region was missing")


async def test_leads_that_a_first_mapping_read_wrongly_are_put_right_and_not_doubled(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    """The case first-mapping-cannot-be-fixed: corrected, or taken back where the right mapping names a source."""
    await tenants.add(conn, "acme", "UTC")
    file, mapping = tmp_path / "leads.csv", tmp_path / "mapping.yaml"
    file.write_text("external_id,created_at,Kontakt\n1,2026-03-02T09:30:00+08:00,ann@example.com\n", encoding="utf-8")
    emails = "select coalesce(source, '') || ':' || coalesce(email, '-') from lead order by lead_id"
    first = await run(database_url, "import", str(file))
    assert [row[0] for row in await conn.fetch(emails)] == [":-"]
    mapping.write_text("rename: {Kontakt: email}\n", encoding="utf-8")
    assert (await run(database_url, "import", str(file), "--mapping", str(mapping)))["repeated"] == 1
    assert [row[0] for row in await conn.fetch(emails)] == [":-"]
    said = await run(database_url, "correct", str(file), "--mapping", str(mapping))
    assert sum(said["corrected"].values()) == 1
    assert [row[0] for row in await conn.fetch(emails)] == [":ann@example.com"]
    mapping.write_text("rename: {Kontakt: email}\nconstants: {source: crm}\n", encoding="utf-8")
    again = await run(database_url, "import", str(file), "--mapping", str(mapping))
    assert (again["new"], again["same_ids"]) == (1, 1)
    await CommandLine(leads_family, database_url).json("undo-import", str(first["import"]))
    assert [row[0] for row in await conn.fetch(emails)] == ["crm:ann@example.com"]
    assert (await audit(conn)).ok


async def test_a_corrected_contact_ties_the_lead_to_whom_it_names_and_decides_anew_what_repeats_it(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant_id = (await tenants.add(conn, "acme", "UTC")).tenant_id
    rows = [row(0, phone=7), row(1, hours=1, phone=7), row(2, hours=2, phone=7), row(3, phone=8, product="valve")]
    await run(database_url, "import", written(tmp_path, rows))
    assert await merged(conn, tenant_id) == {"L1": "L0", "L2": "L0"}
    customers = await whose(conn)
    # The first was somebody else's, the last is one more of the enquiry.
    right = [row(0, phone=9), *rows[1:3], row(3, hours=3, phone=7)]
    said = await run(database_url, "correct", written(tmp_path, right))
    assert said["corrected"]["waiting"] == 2
    assert await merged(conn, tenant_id) == {"L2": "L1", "L3": "L1"}
    now = await whose(conn)
    assert now["L1"] == now["L2"] == now["L3"] == customers["L1"] != now["L0"]
    assert await conn.fetchval("select count(*) from customer_key") == 2
    pool = await conn.fetch(
        "select l.customer_id, p.customer_id from lead_pool p join lead l using (tenant_id, lead_id)"
    )
    assert all(one == other for one, other in pool)
    assert (await sane(conn))["merged"] == 2


async def test_a_parked_lead_that_can_be_reached_now_waits(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    await tenants.add(conn, "acme", "UTC")
    file = tmp_path / "leads.csv"
    file.write_text(f"{HEADER},Mail\n{row(0).replace('+861380013', 'x')},ann@example.com\n")
    mapping = tmp_path / "m.yaml"
    mapping.write_text("require_contact: true\n")
    assert (await run(database_url, "import", str(file), "--mapping", str(mapping)))["parked"] == 1
    mapping.write_text("require_contact: true\nrename: {Mail: email}\n")
    said = await run(database_url, "correct", str(file), "--mapping", str(mapping))
    assert said["corrected"]["parked"] == 1
    assert await conn.fetchval("select email from lead where attributes is null") == "ann@example.com"
    assert (await sane(conn))["waiting"] == 1


async def test_a_lead_that_a_correction_makes_invalid_is_parked_and_not_left_waiting_in_silence(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    """L0 stands for L1: once nobody can reach L0, L1 waits by itself. So with a merged one."""
    tenant = await make_tenant(conn, simple_reps(1), EAST)
    rows = [row(n, hours=n, phone=n // 2) for n in range(4)]
    await run(database_url, "import", written(tmp_path, rows))
    assert await merged(conn, tenant.tenant_id) == {"L1": "L0", "L3": "L2"}
    mapping = tmp_path / "m.yaml"
    mapping.write_text("require_contact: true\n")
    unreachable = [
        rows[0].replace("+8613800130000", "see notes"),
        rows[1],
        rows[2],
        rows[3].replace("+8613800130001", ""),
    ]
    file, how = written(tmp_path, unreachable), ("--mapping", str(mapping))
    assert (await run(database_url, "correct", file, *how, "--dry-run"))["invalid"] == 2
    said = await run(database_url, "correct", file, *how)
    assert (said["invalid"], said["corrected"]) == (2, {"waiting": 1, "merged": 1, "parked": 0})
    assert ["no readable phone" in (one["invalid"] or "") for one in said["corrections"]] == [True, True]
    found = await conn.fetch("select external_id, reason from parked join lead using (tenant_id, lead_id)")
    parked = {row["external_id"]: row["reason"] for row in found}
    assert parked == {"L0": "lead_invalid", "L3": "lead_invalid"}
    assert await merged(conn, tenant.tenant_id) == {}
    assert (await sane(conn))["waiting"] == 2
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await audit(conn, sample=50)).ok
    again = await CommandLine(leads_family, database_url).run("correct", file, "--tenant", "acme", *how)
    assert "0 leads corrected, 4 the same" in again.output
    back = await run(database_url, "correct", written(tmp_path, rows))
    assert (back["corrected"]["parked"], back["invalid"]) == (2, 0)
    assert await merged(conn, tenant.tenant_id) == {"L1": "L0", "L3": "L2"}


async def test_an_id_that_comes_from_another_source_is_noticed_and_is_one_lead_where_the_mapping_says_so(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    """The smallest case: on Tuesday somebody edited the source of a lead of Monday."""
    tenant_id = (await tenants.add(conn, "acme", "Asia/Shanghai")).tenant_id
    header = "external_id,created_at,source,name,phone"
    monday = "INC1,2026-03-02T09:30:00+08:00,phone,Ann Example,+8613812345601"
    tuesday = monday.replace("phone,", "email,")
    files = {name: tmp_path / f"{name}.csv" for name in ("monday", "tuesday", "both")}
    files["monday"].write_text(f"{header}\n{monday}\n")
    files["tuesday"].write_text(f"{header}\n{tuesday}\n")
    files["both"].write_text(f"{header}\n{monday}\n{tuesday}\n".replace("INC1", "INC2"))
    unique = tmp_path / "unique.yaml"
    unique.write_text("ids_unique_over_sources: true\n")
    await run(database_url, "import", str(files["monday"]))
    checked = await run(database_url, "import", str(files["tuesday"]), "--check")
    assert (checked["same_ids"], checked["same_id"][0]["line"], checked["same_id"][0]["other_source"]) == (
        1,
        2,
        "phone",
    )
    for more in (["--check"], []):
        said = await run(database_url, "import", str(files["tuesday"]), "--mapping", str(unique), *more)
        assert (said["new"], said["repeated"], said["differing"], said["same_ids"]) == (0, 1, 1, 0)
        assert said["differences"][0]["fields"] == ["source"]
        said = await run(database_url, "import", str(files["both"]), "--mapping", str(unique), "--check")
        assert (said["new"], said["repeated"]) == (1, 1)
    assert await conn.fetchval("select count(*) from lead where tenant_id = $1", tenant_id) == 1
    said = await run(database_url, "import", str(files["tuesday"]))
    assert (said["new"], said["same_ids"], said["same_id"][0]["external_id"]) == (1, 1, "INC1")
    both = await run(database_url, "import", str(files["both"]), "--check")
    assert (both["same_ids"], both["same_id"][0]["other_lead"]) == (1, None)


async def test_the_sheet_that_was_imported_can_be_corrected_and_checked(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    await tenants.add(conn, "acme", "UTC")
    book = openpyxl.Workbook()
    book.worksheets[0].append(["notes"])
    sheet = book.create_sheet("leads")
    sheet.append(["external_id", "created_at", "source", "email"])
    sheet.append(["1", "2026-03-02T09:30:00+08:00", "web", "ann@example.com"])
    book.save(tmp_path / "book.xlsx")
    file, which = str(tmp_path / "book.xlsx"), ("--sheet", "leads")
    assert (await run(database_url, "import", file, *which))["new"] == 1
    assert (await run(database_url, "correct", file, *which))["same"] == 1
    checked = await CommandLine(customers_check, database_url).json(file, "--tenant", "acme", *which)
    assert checked["rejected"] == 0
