"""What a new user types by mistake, with a database: the answer says what is wrong, and nothing is changed."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner

from loadtest.shell import PROJECT
from ops.cli import main
from ops.cli.context import _in_words
from ops.cli.family import Later
from ops.cli.pause import pause
from ops.cli.status import status
from ops.cli.why import why
from router.settings.model import Settings
from tests.command_line import CommandLine
from tests.support import until
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


async def interrupted(url: str, sees: Callable[[], Awaitable[bool]], *words: str) -> tuple[int | None, str]:
    """A command in a process of its own that gets Ctrl-C once something is seen: its exit code and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from ops.cli import main; main()", *words),
        cwd=PROJECT,
        env={**os.environ, "LEAD_ROUTER_DATABASE_URL": url},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        # Tests that run in a shell's background have it ignored, and what they start inherits that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    await until(sees, "it is at work")
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def test_who_ends_an_import_with_ctrl_c_reads_what_is_stored_and_how_to_go_on(
    conn: asyncpg.Connection, database_url: str, tmp_path: Path
) -> None:
    tenant = await make_tenant(conn, simple_reps(1), name="acme")
    file = tmp_path / "leads.csv"
    file.write_text("external_id,source\n" + "".join(f"{number},web\n" for number in range(40_000)))

    async def some() -> bool:
        return bool(await conn.fetchval("select count(*) > 500 from lead"))

    code, errors = await interrupted(
        database_url, some, "leads", "import", str(file), "--tenant", "acme", "--batch", "100"
    )
    stored = sum((await tenant.states()).values())
    words = " ".join(errors.split())
    assert code == 130 and "new leads stored, which stay; import the same file again for the rest" in words, errors
    assert 500 < stored < 40_000


def test_ctrl_c_while_a_command_is_still_being_read_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(_self: Later) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Later, "read", pressed)
    assert CliRunner().invoke(main, ["audit"]).exit_code == 130


def test_a_full_disk_is_said_to_be_one() -> None:
    assert _in_words(OSError(28, "No space left on device"), Settings()) == (
        "what was to be written: No space left on device"
    )
