"""What a runbook tells people to type at night, into the database or the command line, works as the page says."""

import re
import shlex
from pathlib import Path

import asyncpg
import click
import pytest

from ops.audit.audit import audit
from ops.cli import main
from ops.cli.commands import COMMANDS
from ops.cli.retry import retry
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.world import a_drain, lead, make_tenant, settle, simple_reps

PAGES = sorted((Path(__file__).parents[2] / "runbooks").glob("*.md"))
_SQL = re.compile(r"^ *```sql\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^ *\$ lead-router ([^\n#>]+)|`lead-router ([^`\n>]+)`", re.MULTILINE)


def statements(page: Path) -> list[str]:
    return [one.strip() for block in _SQL.findall(page.read_text(encoding="utf-8")) for one in block.split(";\n")]


def commands(page: Path) -> list[list[str]]:
    """The commands that a page shows, as words without `lead-router`."""
    found = _COMMAND.findall(page.read_text(encoding="utf-8"))
    return [shlex.split(shown or named) for shown, named in found]


def parsed(words: list[str]) -> None:
    """Raises click.UsageError for an option or argument that the command does not have."""
    command: click.Command = main
    with click.Context(main) as ctx:
        while isinstance(command, click.Group):
            name, found, words = command.resolve_command(ctx, words)
            assert found is not None, name
            command = found
        command.make_context(command.name or "", words, parent=ctx)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_every_statement_of_a_runbook_fits_the_schema(conn: asyncpg.Connection, page: Path) -> None:
    for statement in statements(page):
        if statement and not statement.startswith("show"):
            await conn.prepare(statement)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_runbook_has_people_change_our_tables_by_sql(page: Path) -> None:
    assert not [sql for sql in statements(page) if re.search(r"\b(insert|update|delete)\b", sql, re.IGNORECASE)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_runbook_can_be_typed(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("rules.yaml", "leads.csv", "mapping.yaml"):
        (tmp_path / name).touch()
    for words in commands(page):
        if words[0] in COMMANDS and len(words) > 1:
            parsed(words)


async def test_leads_sent_back_as_the_runbook_says_get_a_rep(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, simple_reps(2))
    await tenant.accept([lead(1, invalid="nobody can be reached"), lead(2)])
    await conn.execute("update parked set reason = 'internal_error'")
    typed = [words[1:] for words in commands(PAGES[0].with_name("README.md")) if words[0] == "retry"]
    assert len(typed) == 2
    for words in typed:
        done = await CommandLine(retry, database_url).run(*words)
        assert done.exit_code == 0, done.output
    await settle(a_drain(connections), tenant.tenant_id)
    assert {state: n for state, n in (await tenant.states()).items() if n} == {"assigned": 2}
    assert (await audit(conn, None, 10)).ok
