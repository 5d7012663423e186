"""A configured database is changed by `lead-router migrate` only; every other command says so and stops."""

import asyncio
import json
from urllib.parse import quote

from click.testing import CliRunner

from ops.cli import main
from tests.support import database_of


async def lead_router(url: str, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command, as it starts with the database at `url` configured."""
    configured = {"LEAD_ROUTER_DATABASE_URL": url}
    done = await asyncio.to_thread(CliRunner().invoke, main, words, env=configured, prog_name="lead-router")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


async def test_a_database_with_an_old_schema_is_left_alone_until_migrate(empty_database_url: str) -> None:
    code, out, err = await lead_router(empty_database_url, "tenants", "list", "--json")
    assert (code, out) == (2, "")
    assert "lead-router migrate" in err

    code, out, err = await lead_router(empty_database_url, "migrate", "--check", "--json")
    assert code == 1
    pending = json.loads(out)["pending"]
    assert "0001_foundation" in pending

    code, out, _ = await lead_router(empty_database_url, "migrate", "--json")
    assert (code, json.loads(out)) == (0, {"applied": pending})

    code, out, _ = await lead_router(empty_database_url, "migrate", "--check")
    assert (code, out) == (0, "the schema is up to date\n")
    code, out, _ = await lead_router(empty_database_url, "tenants", "list", "--json")
    assert code == 0


async def test_a_database_that_refuses_is_named_without_a_traceback(admin_url: str) -> None:
    code, _, err = await lead_router(database_of(admin_url, "no_such_database"), "migrate")
    assert code == 2
    assert "no_such_database" in err and "LEAD_ROUTER_DATABASE_URL" in err
    assert "Traceback" not in err


async def test_a_database_that_is_not_there_is_told_without_a_traceback() -> None:
    code, _, err = await lead_router(f"postgresql://x@/x?host={quote('/nowhere')}", "migrate")
    assert code == 2
    assert "no connection to the database" in err
    assert "Traceback" not in err


async def test_wrong_settings_stop_a_command_before_it_does_anything(empty_database_url: str) -> None:
    code, _, err = await lead_router(empty_database_url, "--config", "no-such-file.yaml", "migrate")
    assert code == 2
    assert "no-such-file.yaml" in err
