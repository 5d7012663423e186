"""What a new user types by mistake, with a database: the answer says what is wrong, and nothing is changed."""

import asyncpg
import pytest

from ops.cli.context import _in_words
from ops.cli.pause import pause
from ops.cli.status import status
from ops.cli.why import why
from router.settings.model import Settings
from tests.command_line import CommandLine
from tests.world import lead, make_tenant, simple_reps

BYTES = b"caf\xe9".decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("command", "words"),
    [(why, [BYTES]), (status, ["--tenant", BYTES]), (pause, ["acme", "--for", "1h", "--why", BYTES])],
)
async def test_bytes_that_are_no_text_are_called_that_and_not_a_fault_of_the_database(
    conn: asyncpg.Connection, database_url: str, command: object, words: list[str]
) -> None:
    tenant = await make_tenant(conn, simple_reps(1), name="acme")
    await tenant.accept([lead(1)])
    result = await CommandLine(command, database_url).run(*words)  # type: ignore[arg-type]
    assert (result.exit_code, "not valid text" in result.output) == (2, True), result.output
    assert "encoding of the terminal" in result.output and "query argument" not in result.output
    assert await conn.fetchval("select count(*) from lane where paused_until is not null") == 0


def test_a_full_disk_is_said_to_be_one() -> None:
    assert _in_words(OSError(28, "No space left on device"), Settings()) == (
        "what was to be written: No space left on device"
    )
