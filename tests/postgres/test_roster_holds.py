"""An availability that nobody understands: texts say truly whether the last known one still holds."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
import structlog

from ops.cli.commands import reps as reps_command
from ops.cli.context import Context
from ops.cli.status import status as status_command
from ops.cli.why import why as why_command
from ops.roster_sync.duty import RosterSyncService
from ops.roster_sync.sources import Source
from ops.roster_sync.sync import sync
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import RosterSyncSettings, Settings
from router.store.connections.connections import Connections
from router.store.roster import set_rep
from router.store.tenants import tenant_named
from router.telemetry.instruments import Instruments
from tests.command_line import CommandLine
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

HOLDS = Source("acme", (None, "crm_reps"))
# The word was understood until now, and holds for no time at all.
OVER = replace(HOLDS, unknown_holds_for=timedelta(0))
RULES = """
rules:
  - {name: all, match: {}, assign_to: "group:all"}
"""


@pytest.fixture
async def tenant(conn: asyncpg.Connection) -> Tenancy:
    """Two reps; the view says nothing that anybody understands of r001."""
    tenant = await make_tenant(conn, simple_reps(2), RULES)
    await conn.execute(
        "create view crm_reps as select 'r00' || i as rep_id, case i when 1 then '忙' else 'yes' end as available, "
        "'all' as groups, 'Rep ' || i as name, 'UTC' as time_zone from generate_series(1, 2) i"
    )
    return tenant


async def synced(tenant: Tenancy, source: Source) -> None:
    assert await sync(tenant.conn, await tenant_named(tenant.conn, "acme"), source)


def reps_with(url: str, folder: Path, holds_for: str) -> CommandLine:
    """The command `reps` with the view configured."""
    file = folder / "sync.yaml"
    file.write_text(f"tenants: {{acme: {{view: crm_reps, unknown_holds_for: {holds_for}}}}}")
    command = CommandLine(reps_command, url)
    command._context = Context(Settings(roster_sync=RosterSyncSettings(file)), command._context.servers)
    return command


async def warnings(url: str) -> Sequence[str]:
    told = await CommandLine(status_command, url).json()
    found: Sequence[str] = told["tenants"][0]["warnings"]
    return found


async def test_while_it_holds_the_texts_say_until_when(tenant: Tenancy, database_url: str, tmp_path: Path) -> None:
    command = reps_with(database_url, tmp_path, "15m")
    told = (await command.run("sync", "--tenant", "acme")).output
    assert "the last known one still holds: r001 (yes until 20" in told and "no more" not in told
    document = await command.json("sync", "--tenant", "acme", code=1)
    assert [(one["rep_id"], one["over"]) for one in document["availability_held"]] == [("r001", False)]
    listed = await command.json("list", "--tenant", "acme")
    assert [rep["availability"] for rep in listed] == ["held", "known"]
    assert "UTC, then unknown" in (await command.run("list", "--tenant", "acme")).output
    assert any("still holds: r001 (yes until" in words for words in await warnings(database_url))


async def test_when_it_is_over_the_texts_say_since_when_and_what_to_do(
    tenant: Tenancy, connections: Connections, database_url: str, tmp_path: Path
) -> None:
    await synced(tenant, OVER)
    command = reps_with(database_url, tmp_path, "15m")
    told = (await command.run("sync", "--tenant", "acme")).output
    assert "no leads for them until the view or reps set says yes or no: r001 (since 20" in told
    assert "still holds" not in told and "holds for a while" not in told
    listed = (await command.run("list", "--tenant", "acme")).output
    assert "unknown since 20" in listed and "then unknown" not in listed
    assert [rep["availability"] for rep in await command.json("list", "--tenant", "acme")] == ["unknown", "known"]
    assert any("has expired" in words for words in await warnings(database_url))
    await tenant.accept([lead(1)])
    await settle(a_drain(connections), tenant.tenant_id)
    why = (await CommandLine(why_command, database_url).run("e1", "--tenant", "acme", "--lang", "en")).output
    assert "left out, availability unknown: 1 (r001)" in why


async def test_it_ends_between_two_syncs_and_a_person_ends_it(tenant: Tenancy, database_url: str) -> None:
    await synced(tenant, HOLDS)
    await tenant.conn.execute("update rep_row set availability_held_until = clock_timestamp()")
    assert any("has expired" in words for words in await warnings(database_url))
    await set_rep(tenant.conn, tenant.tenant_id, "r001", {"available": True}, "boss")
    await set_rep(tenant.conn, tenant.tenant_id, "r002", {"available": True}, "boss")
    assert not any("holds" in words for words in await warnings(database_url))


async def test_the_log_says_once_that_it_is_over(tenant: Tenancy, connections: Connections) -> None:
    duty = RosterSyncService(connections, replace(HOLDS, every=timedelta(0)), Instruments.silent())
    life = Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None)
    with structlog.testing.capture_logs() as logs:
        await duty.once(life)
        await duty.once(life)
        await tenant.conn.execute(
            "update rep_row set availability_held_until = clock_timestamp() where availability_held_until is not null"
        )
        await duty.once(life)
        await duty.once(life)
    told = [log["warnings"][-1] for log in logs if log["event"] == "roster not understood"]
    assert ["still holds" in words for words in told] == [True, False]
    assert "has expired" in told[1]


@pytest.mark.parametrize(
    ("accident", "helps"),
    [
        ("drop view crm_reps", False),
        ("drop view crm_reps; create view crm_reps as select 'r001' as rep_id, 'yes' as available", True),
        ("drop view crm_reps; create view crm_reps as select 'r001' as rep_id where false", False),
        (
            "create or replace view crm_reps as select 'r001' as rep_id, 'yes' as available, 'all' as groups, "
            "'x' as name, 'UTC' as time_zone from generate_series(1, 2)",
            False,
        ),
    ],
)
async def test_accept_loss_is_named_only_where_it_helps(
    tenant: Tenancy, database_url: str, tmp_path: Path, accident: str, helps: bool
) -> None:
    command = reps_with(database_url, tmp_path, "15m")
    await command.run("sync", "--tenant", "acme")
    await tenant.conn.execute(accident)
    refused = await command.run("sync", "--tenant", "acme")
    assert (refused.exit_code, "nothing was taken" in refused.output) == (1, True)
    assert ("--accept-loss" in refused.output) is helps
    accepted = await command.run("sync", "--tenant", "acme", "--accept-loss")
    assert ("nothing was taken" not in accepted.output) is helps
