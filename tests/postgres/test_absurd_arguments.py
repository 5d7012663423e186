"""Whatever somebody types, a command answers with a sentence and exit code 2, and never with a traceback."""

from pathlib import Path

import asyncpg
import click
import pytest

from ops.cli.bundle import bundle as bundle_command
from ops.cli.commands import customers as customers_command
from ops.cli.commands import tenants as tenants_command
from ops.cli.doctor import doctor as doctor_command
from ops.cli.end import end as end_command
from ops.cli.status import status as status_command
from ops.cli.why import why as why_command
from tests.command_line import CommandLine
from tests.world import make_tenant, simple_reps

HUGE = "9" * 25


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (why_command, HUGE),
        (why_command, "\udcff\udcfe"),
        (end_command, f"{HUGE} --as won"),
        (customers_command, f"show {HUGE} --tenant acme"),
        (customers_command, f"merge 1 {HUGE} --tenant acme"),
        (customers_command, f"merge {HUGE} 2 --tenant acme"),
        (customers_command, "show \udcff --tenant acme"),
        (customers_command, "show 1 --tenant \udcff"),
        (tenants_command, "add \udcff --time-zone UTC"),
        (doctor_command, f"--lead {HUGE}"),
        (doctor_command, "--lead \udcff --tenant acme"),
        (doctor_command, "mute \udcff --for 4h --why x"),
        (doctor_command, "mute could_not_check --for 99999999999999d --why x"),
        (doctor_command, "unmute groups_empty --tenant \udcff"),
        (bundle_command, "--tenant \udcff"),
        (bundle_command, "--log \udcff"),
        (status_command, "--now 0001-01-01T00:00:00Z"),
        (status_command, "--now 9999-12-31T23:59:59Z"),
    ],
    ids=lambda value: (
        value.name if isinstance(value, click.Command) else str(value).encode("ascii", "replace").decode()
    ),
)
async def test_an_absurd_argument_is_answered_with_a_sentence(
    conn: asyncpg.Connection,
    database_url: str,
    command: click.Command,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    await make_tenant(conn, simple_reps(1))
    result = await CommandLine(command, database_url).run(*words.split())
    assert result.exit_code == 2, result.output
    assert "Error: " in result.output
    assert isinstance(result.exception, SystemExit), result.exception
