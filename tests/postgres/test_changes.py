"""What was changed before the trouble began is on record: by whom, from what to what, and never with a secret."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from loadtest.daemon import serving
from loadtest.faults.server import FaultServer, reachable_folder
from ops.cli.changes import changes
from router.store.change_log import read_changes
from router.store.changes import Change, record_change
from router.store.migrate import migrate
from router.store.pauses import pause
from router.store.tenants import tenant_named
from tests.command_line import CommandLine
from tests.support import connected, until
from tests.world import CATCH_ALL, make_tenant, reps_csv, simple_reps

FAR = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


async def test_every_kind_of_change_is_told_with_who_and_what(conn: asyncpg.Connection, database_url: str) -> None:
    tenant = await make_tenant(conn, simple_reps(3))
    await tenant.rules(CATCH_ALL.replace("everyone", "all"))
    await tenant.roster(reps_csv(["r001,Ann,no,UTC,all,5,5", "r009,New,yes,UTC,all,5,5"]))
    await pause(conn, await tenant_named(conn, "acme"), timedelta(minutes=5), "ann", "CRM upgrade")
    found = (await CommandLine(changes, database_url).json("--tenant", "acme"))["changes"]
    told = {(one["action"], one["before"], one["after"]): one for one in found}
    assert ("rules apply", "version 1", "version 2") in told
    assert ("roster", "version 1", "version 2: 1 new, 1 changed, 0 of these not active") in told
    assert ("tenants add", "", "time zone UTC") in told
    assert any(one["action"] == "migrate" and one["tenant"] is None for one in found)
    [paused] = [one for one in found if one["action"] == "pause"]
    assert (paused["actor"], paused["why"], paused["tenant"]) == ("ann", "CRM upgrade", "acme")
    assert found == sorted(found, key=lambda one: datetime.fromisoformat(one["at"]))
    shown = await CommandLine(changes, database_url).run("--tenant", "acme")
    assert "CRM upgrade" in shown.output


async def test_another_tenants_changes_are_not_told_and_the_span_holds(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await make_tenant(conn, simple_reps(1))
    other = await make_tenant(conn, simple_reps(1), name="other")
    await record_change(conn, other.tenant_id, Change("mallory", "retry", "all"))
    await conn.execute("update change set at = at - interval '3 h'")
    command = CommandLine(changes, database_url)
    assert "mallory" not in str(await command.json("--tenant", "acme"))
    assert "mallory" in str(await command.json("--since", "4h"))
    assert "mallory" not in str(await command.json("--since", "2h"))
    around = (datetime.now(UTC) - timedelta(hours=2, minutes=30)).isoformat()
    assert "mallory" in str(await command.json("--around", around))
    latest = await command.json("--limit", "1")
    assert latest["more"]
    assert len(latest["changes"]) == 1
    assert (await command.run("--since", "1h", "--around", around)).exit_code == 2


@pytest.mark.parametrize(
    "secret", ["postgresql://ann:s3cret@host/db", "password=s3cret", "alter role x password 's3cret'"]
)
async def test_a_secret_that_somebody_wrote_is_not_shown(conn: asyncpg.Connection, secret: str) -> None:
    await record_change(conn, 0, Change(secret, "configure", secret, secret, secret, secret))
    [told] = await read_changes(conn, [0], *FAR, 1)
    assert "s3cret" not in repr(told)


@pytest.fixture
async def own_url() -> AsyncIterator[str]:
    """A server of the test's own: who wants more than a server has makes all others on it do with less."""
    with reachable_folder("lead-router-own-") as folder:
        server = FaultServer(folder, {"max_connections": "30"})
        await server.start()
        await migrate(server.url())
        yield server.url()
        await server.crash()


async def test_settings_of_the_server_and_of_roles_that_somebody_changes_are_on_record_within_a_minute(
    own_url: str,
) -> None:
    # Who wants more connections than the server has compares with it every few seconds, not twice a minute.
    async with connected(own_url) as conn, serving(own_url, "serve", connections_maximum=100) as daemon:
        await make_tenant(conn, simple_reps(1))
        database = await conn.fetchval("select current_database()")
        await daemon.said("listening")

        async def told(*words: str) -> bool:
            rows = await read_changes(conn, [0], *FAR, 1000)
            return any(words == (row.subject, row.before, row.after) for row in rows)

        async def started() -> bool:
            rows = await read_changes(conn, [0], *FAR, 1000)
            return any(row.action == "start" and row.after for row in rows)

        await until(started, "the instance and its version are on record")
        await conn.execute(f'alter database "{database}" set statement_timeout = 123456')
        name = "server: every role in this database: statement_timeout"
        await until(lambda: told(name, "", "123456"), "the setting is on record", 60)
        await conn.execute(f'alter database "{database}" reset statement_timeout')
        await conn.execute(f"alter database \"{database}\" set app.token = 's3cret'")
        await until(lambda: told(name, "123456", ""), "that it is gone is on record", 60)
        assert "s3cret" not in repr(await read_changes(conn, [0], *FAR, 1000))
        assert await daemon.stop() == 0

        async def stopped() -> bool:
            return any(row.action == "stop" for row in await read_changes(conn, [0], *FAR, 1000))

        await until(stopped, "the stop is on record")
