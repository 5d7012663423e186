"""docs/maintenance.md: what it prints is run as it is printed."""

import asyncio
import os
import random
import re
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from loadtest.foreign_cleanup import PAGE, make_crm, old_left, printed
from tests.cleaning import all_runs, script
from tests.e2e.commands import PROJECT
from tests.postgres.test_connections import as_role
from tests.world import make_tenant, simple_reps

OLD, NEW = 12_000, 30
COMMANDS = re.findall(r"^\$ (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
[CALLED] = {found for command in COMMANDS for found in re.findall(r'"(call crm_cleanup\(\'acme\'\))"', command)}


@asynccontextmanager
async def crm(conn: asyncpg.Connection, url: str) -> AsyncIterator[str]:
    """The CRM's table and procedure; a URL with a role that has the printed grants and its own table, no more."""
    await make_tenant(conn, simple_reps(1))
    await make_crm(conn, OLD)
    await conn.execute(
        "insert into crm_lead (created_at, name) select now() - interval '89 days', 'new' from generate_series(1, $1)",
        NEW,
    )
    # Roles belong to the whole server, on which other tests run.
    role = f"crm_cleanup_{random.getrandbits(40):x}"
    await conn.execute(printed()[0].replace("crm_cleanup", role))
    await conn.execute(f"alter table crm_lead owner to {role}")
    try:
        yield as_role(url, role)
    finally:
        await conn.execute(f"reassign owned by {role} to postgres; drop owned by {role}; drop role {role}")


async def shell(command: str, url: str, folder: Path) -> tuple[int, str]:
    """Runs a line as it is printed, in a folder in which `lead-router` is found; exit code and all that it said."""
    program = folder / "lead-router"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'from ops.cli import main; main()' \"$@\"\n")
    program.chmod(0o755)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LEAD_ROUTER_")},
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
        "LEAD_ROUTER_DATABASE_URL": url,
        "CRM_DATABASE_URL": url,
    }
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def is_clean(conn: asyncpg.Connection, name: str) -> None:
    """What is old is gone, what is not stays, and the run says so."""
    assert await old_left(conn) == 0
    assert await conn.fetchval("select count(*) from crm_lead") == NEW
    [run] = await all_runs(conn)
    assert (run.name, run.removed, run.turn, run.overruns) == (name, OLD, None, 0)


@pytest.mark.direct
async def test_the_printed_procedure_cleans_with_the_printed_grants(
    conn: asyncpg.Connection, database_url: str
) -> None:
    async with crm(conn, database_url) as url, script(url, "crm-cleanup") as session:
        await session.execute(CALLED)
        await is_clean(conn, "crm-cleanup")
        [run] = await all_runs(conn)
        assert run.turns == 7, "12,000 rows, 2,000 at a time, and one that finds nothing"


@pytest.mark.direct
async def test_the_printed_procedure_ends_after_its_time_where_there_is_no_turn(
    conn: asyncpg.Connection, database_url: str
) -> None:
    async with crm(conn, database_url) as url, script(url, "crm-cleanup") as session:
        await conn.execute(
            "insert into lead_pool (tenant_id, lead_id, rank, queued_at, created_at) "
            "values (1, 1, 0, now() - interval '1 h', now())"
        )
        await session.execute("call crm_cleanup('acme', stop_after => '2 s')")
        assert await old_left(conn) == OLD
        [run] = await all_runs(conn)
        assert run.turns == 0 and run.refusals >= 2 and "1 lead of acme could be placed now" in run.refused_why


@pytest.mark.servers
@pytest.mark.parametrize("command", [one for one in COMMANDS if "psql" in one], ids=["psql", "in a turn"])
async def test_the_printed_commands_with_psql_clean(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path, command: str
) -> None:
    async with crm(conn, database_url) as url:
        assert await shell(command, url, tmp_path) == (0, "")
        await is_clean(conn, "crm-cleanup" if command.startswith("PGAPPNAME") else "sh")


@pytest.mark.direct
async def test_the_printed_command_runs_a_script_that_is_not_to_be_changed(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    [command] = [one for one in COMMANDS if "cleanup.sh" in one]
    told = tmp_path / "cleanup.sh"
    told.write_text("#!/bin/sh\necho $LEAD_ROUTER_MAINTENANCE_TENANT $LEAD_ROUTER_MAINTENANCE_ROWS\n")
    told.chmod(0o755)
    async with crm(conn, database_url) as url:
        assert await shell(command, url, tmp_path) == (0, "acme 200000\n")
        [run] = await all_runs(conn)
        assert (run.name, run.turns, run.turn) == ("crm-cleanup", 1, None)


@pytest.mark.direct
async def test_the_printed_list_is_a_command(conn: asyncpg.Connection, database_url: str, tmp_path: Path) -> None:
    [command] = [one for one in COMMANDS if "maintenance list" in one]
    assert shlex.split(command)[0] == "lead-router"
    await make_tenant(conn, simple_reps(1))
    code, output = await shell(command, database_url, tmp_path)
    assert (code, output) == (0, "no script asked for a turn in this time\n")
