"""Which rep has which customer, from a CRM: found as leads are, and the same file again changes nothing."""

from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from ops.audit.audit import audit
from ops.cli.customers_import_owners import import_owners
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def a_file(folder: Path, *rows: str, header: str = "customer_id,phone,email,rep_id") -> str:
    path = folder / "owners.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


async def owners(tenant: Tenancy) -> dict[str, str]:
    """Of the leads that say who they are from: the rep who has the customer, by external id."""
    rows = await tenant.conn.fetch(
        """select l.external_id, r.rep_id from lead l join customer_owner o using (tenant_id, customer_id)
             join rep r using (tenant_id, rep_no) where tenant_id = $1""",
        tenant.tenant_id,
    )
    return {row[0]: row[1] for row in rows}


async def test_the_first_lead_of_a_customer_goes_to_the_rep_who_has_the_customer_in_the_crm(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    file = a_file(tmp_path, "C1,+493090182047,,r003", "C2,,ann@example.com,r002", ",,bob@example.com,r001")
    command = CommandLine(import_owners, database_url)
    looked = await command.json(file, "--tenant", "acme", "--dry-run")
    assert (looked["new"], looked["dry_run"]) == (3, True)
    assert await conn.fetchval("select count(*) from customer_owner") == 0
    done = await command.json(file, "--tenant", "acme")
    assert (done["new"], done["given"], done["moved"], done["already"]) == (3, 0, 0, 0)
    again = await command.run(file, "--tenant", "acme")
    assert again.exit_code == 0, again.output
    assert "0 customers got an owner, 3 had it, 0 rejected" in again.output
    assert "nothing changed: what the file says is so already" in again.output
    arrivals = [
        lead(1, phone="+493090182047"),
        lead(2, email="ann@example.com"),
        lead(3, email="bob@example.com"),
        lead(4, declared_customer="C1"),
    ]
    await tenant.accept(arrivals, NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    got = await conn.fetch(
        "select external_id, rep_id from assignment join lead using (tenant_id, lead_id) "
        "join rep using (tenant_id, rep_no)"
    )
    assert {row[0]: row[1] for row in got} == {"e1": "r003", "e2": "r002", "e3": "r001", "e4": "r003"}
    assert (await audit(conn)).violations == []


async def test_leads_that_wait_are_decided_again_and_go_to_the_owner_of_the_file(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    rules = "rules:\n  - {name: known, match: {known_customer: true}, assign_to: owner}\n"
    tenant = await make_tenant(conn, simple_reps(2), rules)
    await tenant.accept([lead(1, email="ann@example.com")])
    await settle(a_drain(connections), tenant.tenant_id)
    assert (await tenant.states())["waiting"] == 1
    done = await CommandLine(import_owners, database_url).json(
        a_file(tmp_path, ",,ann@example.com,r002"), "--tenant", "acme"
    )
    assert (done["given"], done["decided_again"]) == (1, 1)
    await settle(a_drain(connections), tenant.tenant_id)
    assert await tenant.counts() == {"r002": 1}
    assert (await audit(conn)).violations == []


async def test_a_customer_moves_to_the_rep_of_the_file_unless_owners_are_to_stay(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(1))
    await tenant.accept([lead(1, email="ann@example.com")], NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    await tenant.roster(simple_reps(2))
    file = a_file(tmp_path, ",,ann@example.com,r002")
    command = CommandLine(import_owners, database_url)
    kept = await command.json(file, "--tenant", "acme", "--only-new")
    assert (kept["kept"], await owners(tenant)) == (1, {"e1": "r001"})
    moved = await command.json(file, "--tenant", "acme", "--why", "territory")
    assert (moved["moved"], await owners(tenant)) == (1, {"e1": "r002"})
    assert await tenant.counts() == {"r001": 1}
    assert await conn.fetchval("select why from change where action = 'customers import-owners'") == "territory"


async def test_rows_that_name_two_customers_or_none_are_rejected_and_tie_nobody(
    conn: asyncpg.Connection, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    await tenant.accept([lead(1, email="ann@example.com"), lead(2, phone="+493090182047")], NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    keys = await conn.fetchval("select count(*) from customer_key")
    file = a_file(
        tmp_path,
        "C1,+493090182047,ann@example.com,r001",
        ",,,r001",
        ",no phone,,r001",
        "C3,,,nobody",
        "C4,,,",
        "C5,,,r001",
        "C5,,,r002",
    )
    result = await CommandLine(import_owners, database_url).run(file, "--tenant", "acme")
    assert result.exit_code == 1, result.output
    for words in (
        "line 2, email: is of another customer than the rest of the row",
        "line 3: does not say which customer",
        "line 4",
        "line 5, rep_id: there is no rep 'nobody' in the roster",
        "line 6, rep_id: is empty",
        "line 8, rep_id: line 7 gives this customer to another rep",
    ):
        assert words in result.output, result.output
    assert await conn.fetchval("select count(*) from customer_key") == keys + 1
    assert (await audit(conn)).violations == []


async def test_a_dry_run_counts_what_the_run_does_also_over_its_parts(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    await make_tenant(conn, simple_reps(3))
    # Each customer twice, far apart, by another contact the second time.
    rows = [f"K{n},,k{n}@example.com,r00{n % 3 + 1}" for n in range(1500)]
    rows += [f",,k{n}@example.com,r00{n % 3 + 1}" for n in range(1500)]
    file = a_file(tmp_path, *rows)
    command = CommandLine(import_owners, database_url)
    looked, done = [await command.json(file, "--tenant", "acme", *more) for more in (["--dry-run"], [])]
    assert looked["new"] == done["new"] == 1500
    assert looked["already"] == done["already"] == 1500
    assert await conn.fetchval("select count(*) from customer_owner") == 1500
