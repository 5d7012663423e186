"""`lead-router cleanup`: what is told beforehand is what is done, and another process that cleans is no crash."""

import asyncpg

from ops.audit.audit import audit
from ops.cli.cleanup import cleanup
from router.store.cleanup import last_runs, take_lease
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.postgres.cleanup_world import a_past


async def test_what_a_dry_run_shows_is_then_removed_and_shown(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await a_past(conn, connections)
    command = CommandLine(cleanup, database_url)
    told = await command.json("--dry-run")
    assert told["dry_run"] and {one["tenant"]: one["removed"]["closed"] for one in told["tenants"]} == {"acme": 18}
    assert await conn.fetchval("select count(*) from closed") == 17
    [expected] = told["tenants"]
    done = {one["tenant"]: one for one in (await command.json())["tenants"]}
    assert done["acme"]["removed"] == expected["removed"] and done["acme"]["outcome"] == "done"
    assert (await audit(conn)).ok
    words = (await command.run("--dry-run")).stdout
    assert "nothing is past its retention" in words


async def test_one_table_is_cleaned_alone_and_does_not_count_as_all(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await a_past(conn, connections)
    done = await CommandLine(cleanup, database_url).json("--table", "closed", "--tenant", "acme")
    assert done["tenants"] == [{"tenant": "acme", "removed": {}, "outcome": "done", "note": ""}]  # flights need them
    done = await CommandLine(cleanup, database_url).json("--table", "flight", "--tenant", "acme")
    assert list(done["tenants"][0]["removed"]) == ["flight"]
    run = (await last_runs(conn, [tenant.tenant_id]))[tenant.tenant_id]
    assert (run.outcome, run.done_at) == ("partial", None)
    assert (await audit(conn)).ok


async def test_wrong_words_are_refused_and_another_process_that_cleans_is_named(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    await a_past(conn, connections)
    command = CommandLine(cleanup, database_url)
    assert (await command.run("--table", "lead_pool")).exit_code == 2
    unknown = await command.run("--tenant", "acem")
    assert unknown.exit_code == 2 and "acem" in unknown.stderr
    assert await take_lease(conn, 99, 60)
    busy = await command.run()
    assert busy.exit_code == 1 and "another process cleans up" in busy.stderr
