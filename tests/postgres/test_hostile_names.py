"""What others wrote (leads come from web forms) is shown as written: it breaks no command and commands no terminal."""

from datetime import UTC, datetime

import asyncpg

from ops.cli.assign import assign as assign_command
from ops.cli.audit import audit as audit_command
from ops.cli.commands import reps as reps_command
from ops.cli.end import end as end_command
from ops.cli.status import status as status_command
from ops.cli.why import why as why_command
from router.store.connections.connections import Connections
from tests.command_line import CommandLine
from tests.world import a_drain, lead, make_tenant, reps_csv, settle

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RULES = """
rules:
  - {name: "[/]", match: {region: ["[bold]"]}, assign_to: "group:[/]"}
  - {name: ":smile:", match: {}, assign_to: "group:[/nobody]"}
"""


async def test_square_brackets_in_names_are_no_markup(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    reps = reps_csv(["[/],[red]x[/red],yes,UTC,[/],10,10", "[/red],:smile:,yes,UTC,[/],10,10"])
    tenant = await make_tenant(conn, reps, RULES)
    await tenant.accept([lead(1, region="[bold]", company="[/]"), lead(2)], NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)

    async def shown(command: object, *arguments: str) -> str:
        result = await CommandLine(command, database_url).run(*arguments)  # type: ignore[arg-type]
        assert result.exit_code == 0, result.output
        return result.stdout

    why = await shown(why_command, "1")
    assert "1. [/]: matches (region [bold])" in why
    assert "[/] [red]x[/red]" in why
    assert "a rep in group [/nobody]" in await shown(status_command, "--now", NOON.isoformat())
    assert "now belongs to rep [/red]" in await shown(assign_command, "2", "--to", "[/red]")
    assert "of rep [/red] ended as won" in await shown(end_command, "2", "--as", "won")
    assert ":smile:" in await shown(reps_command, "list", "--tenant", "acme")
    assert "no problems found" in await shown(audit_command)


async def test_a_lead_cannot_move_the_cursor_nor_forge_a_line_of_its_story(
    conn: asyncpg.Connection, connections: Connections, database_url: str
) -> None:
    tenant = await make_tenant(conn, reps_csv(["r0,Ann,yes,UTC,all,10,10"]), RULES)
    await tenant.accept([lead(1, region="x\x1b[2J\u202e\nTimeline", product="\x9b31m\r")], NOON)
    await settle(a_drain(connections), tenant.tenant_id, NOON)
    shown = (await CommandLine(why_command, database_url).run("1")).stdout
    assert r"region x\x1b[2J\u202e\nTimeline" in shown
    assert r"product \x9b31m\r" in shown
    assert not {"\x1b", "\u202e", "\x9b", "\r"} & set(shown)
    assert sum(line.startswith("Timeline") for line in shown.splitlines()) == 1
