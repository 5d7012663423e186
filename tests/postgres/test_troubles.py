"""What a command says when the database is not what it expects: never a traceback, always where and what to do."""

import asyncpg
import pytest

from ops.cli.commands import tenants as tenants_command
from ops.cli.context import Context
from ops.embedded.servers import pending_migrations
from ops.embedded.urls import ServersError, Urls
from router.settings.model import Settings
from tests.command_line import CommandLine


async def test_the_database_of_a_newer_version_is_refused(conn: asyncpg.Connection, database_url: str) -> None:
    await conn.execute("insert into _lead_router_migration values ('9999_future')")
    with pytest.raises(ServersError, match="newer than this version, which does not know 9999_future"):
        await pending_migrations(Settings(), Urls(database_url, None))


async def test_a_database_that_is_read_only_is_no_traceback(conn: asyncpg.Connection, database_url: str) -> None:
    name = await conn.fetchval("select current_database()")
    await conn.execute(f'alter database "{name}" set default_transaction_read_only = on')
    result = await CommandLine(tenants_command, database_url).run("add", "acme", "--time-zone", "UTC")
    assert result.exit_code == 2
    assert "cannot execute INSERT in a read-only transaction" in result.output


@pytest.mark.parametrize("rest", ["99999/db", "abc/db", "5432/db?sslmode=maybe"])
async def test_a_url_that_asyncpg_cannot_use_is_a_setting_to_mend(rest: str) -> None:
    with pytest.raises(ServersError, match="check LEAD_ROUTER_DATABASE_URL"):
        await pending_migrations(Settings(), Urls(f"postgresql://u:secret@127.0.0.1:{rest}", None))


async def test_a_database_that_cannot_be_reached_is_named_without_its_password() -> None:
    url = "postgresql://u:secret@127.0.0.1:1/leads"
    line = CommandLine(tenants_command, url)
    line._context = Context(Settings(database_url=url), line._context.servers)
    result = await line.run("list")
    assert result.exit_code == 2
    assert "no connection to the database (LEAD_ROUTER_DATABASE_URL is postgresql://u:***@127.0.0.1:1/leads)" in (
        result.output
    )
