"""`make demo`: the main job on the embedded servers, with the commands that a user would type.

A tenant, a roster, rules and 5,000 generated leads; routes them, sums up, and explains one assigned and one
waiting lead. Running it again is fine: the imports change nothing, and what waited is tried again.
"""

import asyncio
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import click
from rich.console import Console

from loadtest.datasets import demo as data
from loadtest.shell import CommandFailed, Shell
from loadtest.summary import Share, print_summary
from ops.cli.context import EXIT_FOUND, console
from ops.embedded.servers import open_servers
from ops.embedded.urls import ServersError
from router.settings.model import Settings
from router.store.statements import load
from router.store.tenants import TenantUnknown, tenant_named

TENANT = "demo"
_SQL = load("summary")


@click.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), default=Settings().data_dir)
@click.option("--leads", type=click.IntRange(1, 1_000_000), default=data.LEADS, show_default=True)
@click.option("--seed", type=int, default=data.SEED, show_default=True)
def main(data_dir: Path, leads: int, seed: int) -> None:
    """Show the main job on the embedded servers of a data folder."""
    try:
        asyncio.run(demonstrate(data_dir, leads, seed))
        click.echo(
            f"\nLook at it in a browser: lead-router --data-dir {data_dir} up, then http://127.0.0.1:"
            f"{Settings().console.port}/ with the token that it shows."
        )
    except (CommandFailed, ServersError) as error:
        click.echo(f"The demo stopped: {error}", err=True)
        sys.exit(EXIT_FOUND)


async def demonstrate(data_dir: Path, leads: int, seed: int) -> None:
    """Raises CommandFailed, and ServersError when there are no servers."""
    out = console()
    async with open_servers(Settings(data_dir=data_dir)) as urls:
        conn = await asyncpg.connect(urls.database)
        try:
            files = await _files(conn, out, data_dir / "demo", leads, seed)
            await _session(conn, Shell(urls, out), out, files)
        finally:
            await conn.close()


async def _files(conn: asyncpg.Connection, out: Console, folder: Path, leads: int, seed: int) -> data.DemoFiles:
    """The files of the first run, or new ones."""
    files = data.demo_files(folder)
    try:
        await tenant_named(conn, TENANT)
    except TenantUnknown:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        out.print("The demo has run here before: the imports below change nothing, what waits is tried again.")
    if not files.leads.is_file():
        files = data.write(folder, datetime.now(UTC), seed, leads)
        out.print(f"Generated a roster, rules and {leads:,} leads (seed {seed}) in {folder}.")
    return files


async def _session(conn: asyncpg.Connection, shell: Shell, out: Console, files: data.DemoFiles) -> None:
    tenant = ("--tenant", TENANT)
    await shell.run("tenants", "add", TENANT, "--time-zone", data.BUSINESS_ZONE.key)
    tenant_id = (await tenant_named(conn, TENANT)).tenant_id
    await shell.run("reps", "import", files.reps, *tenant)
    # The demo's data is odd on purpose: one group has no reps, others nobody who is available.
    await shell.run("rules", "apply", files.rules, *tenant, "--anyway", most_lines=8)
    await shell.run("leads", "import", files.leads, *tenant, "--mapping", files.mapping)
    await shell.run("drain", "--until-idle", *tenant)
    await shell.run("status", *tenant)
    await _summary(conn, shell, out, tenant_id)
    for statement in (_SQL.assigned_by_share, _SQL.waiting):
        lead = await statement.value(conn, tenant_id=tenant_id)
        if lead is not None:
            await shell.run("why", str(lead))


async def _summary(conn: asyncpg.Connection, shell: Shell, out: Console, tenant_id: int) -> None:
    out.print()
    status = await shell.json("status", "--tenant", TENANT)
    shares = [Share(*row) for row in await _SQL.shares.fetch(conn, tenant_id=tenant_id)]
    print_summary(out, status["accepted"], status["states"], shares)


if __name__ == "__main__":
    main()
