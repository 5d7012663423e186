"""`make real`: 8,000 real leads routed in their own order, by their own clock, and every one of them accounted for.

Runs on embedded servers in a folder of its own, from the beginning each time: simulated time cannot go back.
"""

import asyncio
import csv
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import asyncpg
import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest.datasets import olist
from loadtest.replay import Replay
from loadtest.shell import CommandFailed, Shell
from loadtest.summary import Share, print_summary
from loadtest.timeline import steps
from ops.servers import open_servers
from router.cli.context import EXIT_CANNOT_RUN, EXIT_FOUND, CannotRun, console
from router.drain import Drain
from router.logs import configure_logs
from router.settings import LogSettings, Settings
from router.store.connections import Connections, Part, open_connections
from router.store.statements import load
from router.store.tenants import all_tenants, tenant_named

TENANT = "olist"
RULES = Path(olist.__file__).with_name("olist_rules.yaml")
_SQL = load("summary")


class LeadsMissing(Exception):
    """The states do not add up to the leads that were accepted."""


@click.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), default=Settings().data_dir / "real")
@click.option("--leads", type=click.IntRange(1), help="Only so many, the earliest.")
def main(data_dir: Path, leads: int | None) -> None:
    """Replay the real leads on embedded servers in a data folder, which is emptied first."""
    configure_logs(LogSettings(level="warning"), TENANT)
    try:
        asyncio.run(replay(data_dir, leads))
    except olist.DataMissing as missing:
        click.echo(f"No real data: {missing}", err=True)
        sys.exit(EXIT_CANNOT_RUN)
    except (CommandFailed, LeadsMissing) as error:
        click.echo(f"The replay failed: {error}", err=True)
        sys.exit(EXIT_FOUND)


async def replay(data_dir: Path, most: int | None = None) -> None:
    """Raises DataMissing, CannotRun, CommandFailed, LeadsMissing."""
    folder = olist.data_folder()
    leads = olist.read_leads(folder)[:most]
    known = {lead.mql_id for lead in leads}
    deals = [deal for deal in olist.read_deals(folder) if deal.mql_id in known]
    settings, out = replace(Settings(), data_dir=data_dir), console()
    await _empty(settings)
    async with (
        open_servers(settings) as urls,
        open_connections(urls.database) as connections,
    ):
        shell = Shell(urls, out)
        await _set_up(shell, olist.roster(olist.read_leads(folder), olist.read_deals(folder)))
        async with connections.acquire(Part.CONSOLE) as conn:
            tenant = await tenant_named(conn, TENANT)
        run = Replay(Drain(connections, lambda: secrets.randbits(63)), tenant)
        await _walk(run, leads, deals, out)
        await _report(connections, shell, out, run)


async def _empty(settings: Settings) -> None:
    """Removes what an earlier replay left in this folder's database. Raises CannotRun when there is more in it."""
    async with open_servers(settings) as urls:
        conn = await asyncpg.connect(urls.database)
        try:
            others = [tenant.name for tenant in await all_tenants(conn) if tenant.name != TENANT]
            if others:
                raise CannotRun(
                    f"{settings.data_dir} holds the tenants {', '.join(others)}: a replay begins with an empty "
                    "database; give it a folder of its own with --data-dir"
                )
            await _SQL.empty.execute(conn)
        finally:
            await conn.close()


async def _set_up(shell: Shell, roster: Sequence[dict[str, str]]) -> None:
    await shell.run("tenants", "add", TENANT, "--time-zone", olist.ZONE.key)
    with tempfile.TemporaryDirectory() as folder:
        reps = Path(folder) / "olist-reps.csv"
        with reps.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, roster[0].keys())
            writer.writeheader()
            writer.writerows(roster)
        await shell.run("reps", "import", reps, "--tenant", TENANT)
    await shell.run("rules", "apply", _from_here(RULES), "--tenant", TENANT, most_lines=8)


def _from_here(path: Path) -> str:
    """The path as one would type it."""
    return os.path.relpath(path)


async def _walk(run: Replay, leads: Sequence[olist.OlistLead], deals: Sequence[olist.Deal], out: Console) -> None:
    """All steps, with a bar that shows the simulated day."""
    out.print(f"\nReplaying {len(leads):,} leads and {len(deals):,} deals with their own clock.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out) as progress:
        bar = progress.add_task("", total=len(leads))
        for step in steps(leads, deals, olist.ZONE):
            await run.take(step)
            progress.update(bar, advance=len(step.leads), description=f"{step.at.astimezone(olist.ZONE):%Y-%m-%d}")


async def _report(connections: Connections, shell: Shell, out: Console, run: Replay) -> None:
    now = run.at.isoformat() if run.at else "never"
    await shell.run("status", "--tenant", TENANT, "--now", now)
    status = await shell.json("status", "--tenant", TENANT, "--now", now)
    out.print()
    async with connections.acquire(Part.CONSOLE) as conn:
        shares = [Share(*row) for row in await _SQL.shares.fetch(conn, tenant_id=run.tenant.tenant_id)]
        examples = [
            await statement.value(conn, tenant_id=run.tenant.tenant_id)
            for statement in (_SQL.assigned_at_once, _SQL.assigned_late, _SQL.waiting, _SQL.parked)
        ]
    print_summary(out, status["accepted"], status["states"], shares)
    refusals = ", ".join(f"{reason} {n:,}" for reason, n in run.total.refused.most_common()) or "none"
    out.print(f"On the way, leads had to wait: {refusals}.")
    out.print(
        f"Deals: {run.won:,} ended as won, {run.late:,} of them after their date because nobody had the lead yet; "
        f"{len(run.open_deals):,} belong to leads that nobody has."
    )
    for lead in [lead for lead in examples if lead is not None][:3]:
        await shell.run("why", str(lead))
    await shell.run("audit")
    if status["accepted"] != sum(status["states"].values()) or status["accepted"] != len(run.lead_ids):
        raise LeadsMissing(f"{len(run.lead_ids):,} were handed in; {status['accepted']:,} accepted: {status['states']}")
    out.print(f"All {status['accepted']:,} leads are accounted for.")


if __name__ == "__main__":
    main()
