"""A locked table costs time and says so; it never silences the router and never loses a lead."""

import asyncio
from functools import partial
from pathlib import Path

import asyncpg
import click
import pytest

from ops.cli.assign import assign as assign_command
from ops.cli.audit import audit as audit_command
from ops.cli.changes import changes as changes_command
from ops.cli.commands import customers as customers_command
from ops.cli.commands import leads as leads_command
from ops.cli.commands import reps as reps_command
from ops.cli.commands import rules as rules_command
from ops.cli.commands import tenants as tenants_command
from ops.cli.doctor import doctor as doctor_command
from ops.cli.end import end as end_command
from ops.cli.lane import reset_clock as reset_clock_command
from ops.cli.retry import retry as retry_command
from ops.cli.status import status as status_command
from ops.cli.why import why as why_command
from ops.daemon.services import lanes_can_be_worked
from router.store.blocking.blocked import ReadOnly
from router.store.connections.connections import Connections
from router.store.errors import TRANSIENT_ERRORS
from tests.command_line import CommandLine
from tests.support import connected, until
from tests.workers import serving
from tests.world import CATCH_ALL, Tenancy, a_drain, lead, make_tenant, settle, simple_reps

READERS = (status_command, doctor_command, changes_command, why_command, audit_command)


@pytest.mark.parametrize("table", ["lane", "lead_pool", "rep_load", "assignment"])
async def test_a_locked_table_is_an_error_in_seconds_and_every_lead_is_there_afterwards(
    conn: asyncpg.Connection, connections: Connections, database_url: str, table: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept(lead(i) for i in range(30))
    drain = a_drain(connections)
    async with connected(database_url) as other:
        holding = other.transaction()
        await holding.start()
        await other.execute(f"lock table {table} in access exclusive mode")
        async with asyncio.timeout(30):
            with pytest.raises(TRANSIENT_ERRORS):
                await drain.tenants_with_work()
                await drain.drain_tenant(tenant.tenant_id)
        await holding.rollback()
    done = await settle(drain, tenant.tenant_id)
    assert done.assigned == 30
    assert sum((await tenant.states()).values()) == 30


@pytest.mark.parametrize(
    ("command", "words", "table"),
    [
        (status_command, "", "lead_pool"),
        (status_command, "--tenant acme", "tenant"),
        (doctor_command, "", "lead_pool"),
        (changes_command, "", "ruleset"),
        (reset_clock_command, "acme", "lane"),
        (why_command, "1", "lead_pool"),
        (why_command, "1", "lead"),
        (audit_command, "", "assignment"),
        (rules_command, "list --tenant acme", "ruleset"),
        (rules_command, "apply {rules} --tenant acme", "tenant"),
        (reps_command, "list --tenant acme", "rep_row"),
        (reps_command, "set r001 --tenant acme --available no", "tenant"),
        (reps_command, "import {reps} --tenant acme", "tenant"),
        (customers_command, "show 1 --tenant acme", "customer_key"),
        (customers_command, "merge 1 2 --tenant acme", "lane"),
        (leads_command, "import {leads} --tenant acme", "lead_pool"),
        (assign_command, "1 --to r001", "lane"),
        (assign_command, "1 --to r001", "lead"),
        (end_command, "1 --as won", "assignment"),
        (end_command, "1 --as won", "lead"),
        (tenants_command, "list", "tenant"),
        (retry_command, "--reason lead_invalid --dry-run", "parked"),
    ],
    ids=lambda value: value.name if isinstance(value, click.Command) else str(value),
)
async def test_no_command_hangs_on_a_locked_table_and_each_names_who_has_it(
    conn: asyncpg.Connection,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: click.Command,
    words: str,
    table: str,
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.accept([lead(1)])
    for name, text in (("leads.csv", "source,external_id\nweb,e7\n"), ("rules", CATCH_ALL)):
        (tmp_path / name).write_text(text)
    (tmp_path / "reps").write_bytes(simple_reps(4))
    monkeypatch.setattr("router.store.connections.single.LOCK_TIMEOUT_S", 0.5)
    monkeypatch.setattr("ops.doctor.scene.LOCK_TIMEOUT_S", 0.5)
    monkeypatch.setattr("ops.doctor.diagnosis.LOCK_TIMEOUT_S", 0.5)
    monkeypatch.setattr("router.store.changes._LOCK_TIMEOUT_S", 0.5)
    monkeypatch.setattr("ops.audit.audit.LOCK_TIMEOUT_S", 0.5)
    arguments = words.format(rules=tmp_path / "rules", reps=tmp_path / "reps", leads=tmp_path / "leads.csv").split()
    other = await asyncpg.connect(database_url, server_settings={"application_name": "nightly-cleanup"})
    try:
        pid = other.get_server_pid()
        await other.execute("begin")
        await other.execute(f"lock table {table} in access exclusive mode")
        async with asyncio.timeout(60):
            result = await CommandLine(command, database_url).run(*arguments)
    finally:
        await other.close()
    assert result.exit_code in (1, 2), result.output
    assert f"nightly-cleanup (process {pid}, " in result.output, result.output
    assert f"has {table} locked (ACCESS EXCLUSIVE)" in result.output, result.output
    assert "Traceback" not in result.output
    if command in READERS or {"list", "show", "--dry-run"} & set(arguments):
        assert "only what was confirmed" not in result.output, "it reads, and says that it may have changed something"
    assert isinstance(result.exception, SystemExit), result.exception


async def test_readiness_is_lost_with_the_name_of_the_blocker_and_comes_back(
    conn: asyncpg.Connection, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    async with serving(database_url, "serve") as daemon, connected(database_url) as other:
        await daemon.said("listening")

        async def ready(status: int, words: str) -> None:
            async def answers() -> bool:
                found, text = await daemon.get("/readyz")
                return found == status and words in text

            await until(answers, f"/readyz answers {status} with {words!r}")

        await ready(200, "")
        await other.execute("set application_name = 'nightly-cleanup'")
        await other.execute("begin")
        await other.execute("lock table lead_pool in share mode")
        await ready(503, f"nightly-cleanup (process {other.get_server_pid()}")
        assert (await daemon.get("/livez"))[0] == 200
        await daemon.said("blocked")
        await other.execute("rollback")
        await ready(200, "")
        await daemon.said("no longer blocked")
        await tenant.accept(lead(i) for i in range(5))

        async def assigned() -> bool:
            return (await tenant.states()).get("assigned") == 5

        await until(assigned, "the leads are routed")
        assert await daemon.stop() == 0
        assert "service crashed" not in daemon.events()


@pytest.mark.direct
async def test_a_database_that_cannot_be_written_is_not_called_ready(
    connections: Connections, conn: asyncpg.Connection
) -> None:
    await lanes_can_be_worked(connections, 2.0)
    name = await conn.fetchval("select current_database()")
    await conn.execute(f'alter database "{name}" set default_transaction_read_only = on')
    connections.stock.abandon()
    connections.stock.end_resting(0)
    with pytest.raises(ReadOnly, match="default_transaction_read_only"):
        await lanes_can_be_worked(connections, 2.0)


@pytest.mark.parametrize("table", ["rep_row", "ruleset", "grp"])
async def test_who_locks_a_table_of_rules_or_rosters_stops_only_the_tenants_that_need_it(
    conn: asyncpg.Connection, database_url: str, table: str
) -> None:
    tenants = [await make_tenant(conn, simple_reps(2), name=f"t{number}") for number in range(5)]
    *others, free = tenants
    async with serving(database_url, "serve", connections_maximum=2) as daemon, connected(database_url) as other:
        await daemon.said("listening")
        await free.accept([lead(1)])

        async def routed(tenant: Tenancy, leads: int) -> bool:
            return (await tenant.states()).get("assigned") == leads

        await until(lambda: routed(free, 1), "the lead before the lock is routed")
        for tenant in others:
            await tenant.rules(CATCH_ALL.replace("everyone", "all"))
        await other.execute("set application_name = 'nightly-cleanup'")
        await other.execute("begin")
        await other.execute(f"lock table {table} in access exclusive mode")
        for tenant in others:
            await tenant.accept([lead(1)])

        async def degraded() -> bool:
            status, text = await daemon.get("/readyz")
            return status == 200 and "is not routed" in text and "nightly-cleanup (process" in text

        await until(degraded, "/readyz says which tenant is not routed, and who has the table locked", 60)
        assert (await daemon.get("/livez"))[0] == 200
        for number in range(2, 5):
            await free.accept([lead(number)])
            await until(partial(routed, free, number), "a lead of a tenant that needs nothing is routed")
        await other.execute("rollback")
        for tenant in others:
            await until(partial(routed, tenant, 1), "the others' leads are routed after the lock")

        async def well() -> bool:
            return '"degraded": {}' in (await daemon.get("/readyz"))[1]

        await until(well, "nothing is degraded any more")
        assert await daemon.stop() == 0


@pytest.mark.parametrize("table", ["change", "assignment_history", "process", "mute"])
async def test_a_lock_on_what_routing_does_not_need_is_no_reason_for_a_restart(
    conn: asyncpg.Connection, database_url: str, table: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    async with connected(database_url) as other:
        await other.execute("begin")
        await other.execute(f"lock table {table} in access exclusive mode")
        async with serving(database_url, "serve", supervision_stop_deadline_s=2) as daemon:
            await daemon.said("listening")
            for number in range(3):
                await tenant.accept([lead(number)])

                async def routed(leads: int = number + 1) -> bool:
                    return (await tenant.states()).get("assigned") == leads

                await until(routed, "the lead is routed")
                assert (await daemon.get("/livez"))[0] == 200
                assert (await daemon.get("/readyz"))[0] == 200
            await other.execute("rollback")
            assert await daemon.stop() == 0
