"""`make real`: 30,327 real leads of three publishers routed, by their own clock, and every one accounted for.

Runs on embedded servers in a folder of its own, from the beginning each time: simulated time cannot go back.
"""

import asyncio
import csv
import os
import secrets
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import asyncpg
import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from loadtest.datasets import bpic2012, olist, x_education
from loadtest.datasets.dataset import DataMissing, Dataset
from loadtest.replay import Replay
from loadtest.shell import CommandFailed, Shell
from loadtest.summary import Share, print_summary
from loadtest.timeline import SLOT, steps
from ops.cli.context import EXIT_CANNOT_RUN, EXIT_FOUND, CannotRun, console
from ops.embedded.servers import open_servers
from ops.embedded.urls import ServersError
from router.drain.drain import Drain
from router.settings.model import Settings
from router.store.connections.connections import Connections, Part, open_connections
from router.store.statements import load
from router.store.tenants import all_tenants, tenant_named
from router.telemetry.log_format import configure_logs

DATASETS: Mapping[str, Callable[[int | None], Dataset]] = {
    one.NAME: one.dataset for one in (olist, bpic2012, x_education)
}
_SQL = load("summary")


class LeadsMissing(Exception):
    """The states do not add up to the leads that were accepted."""


@click.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), default=Settings().data_dir / "real")
@click.option("--dataset", "names", type=click.Choice(list(DATASETS)), multiple=True, help="Only these; else all.")
@click.option("--leads", type=click.IntRange(1), help="Only so many of each that is replayed, the earliest.")
@click.option(
    "--slot-minutes",
    type=click.IntRange(1, 1440),
    default=SLOT // timedelta(minutes=1),
    show_default=True,
    help="Simulated time between two looks.",
)
def main(data_dir: Path, names: tuple[str, ...], leads: int | None, slot_minutes: int) -> None:
    """Route the real leads on embedded servers in a data folder, which is emptied first."""
    configure_logs("warning", "auto", "real")
    try:
        data = [DATASETS[name](leads) for name in dict.fromkeys(names or DATASETS)]
        asyncio.run(replay(data_dir, data, timedelta(minutes=slot_minutes)))
    except DataMissing as missing:
        click.echo(f"No real data: {missing}", err=True)
        sys.exit(EXIT_CANNOT_RUN)
    except (CommandFailed, LeadsMissing, ServersError) as error:
        click.echo(f"The replay failed: {error}", err=True)
        sys.exit(EXIT_FOUND)


async def replay(data_dir: Path, datasets: Sequence[Dataset], slot: timedelta) -> None:
    """Raises CannotRun, CommandFailed, LeadsMissing, ServersError."""
    settings, out = Settings(data_dir=data_dir), console()
    await _empty(settings)
    accounted = []
    async with (
        open_servers(settings) as urls,
        open_connections(urls.database) as connections,
    ):
        shell = Shell(urls, out)
        for data in datasets:
            await _set_up(shell, data)
            async with connections.acquire(Part.CONSOLE) as conn:
                tenant = await tenant_named(conn, data.name)
            run = Replay(Drain(connections, lambda: secrets.randbits(63)), tenant, slot)
            await (_import(shell, run, data) if data.file else _walk(run, data, out))
            accounted.append(await _report(connections, shell, out, run, data))
        for data in datasets:
            # Exit code 1 also where no batch could be checked.
            await shell.run("replay", "--tenant", data.name, "--verify")
        await shell.run("audit")
    every = " + ".join(f"{leads:,}" for leads in accounted)
    out.print(f"All {every} leads are accounted for, and the audit is clean.", style="bold")


async def _empty(settings: Settings) -> None:
    """Removes what an earlier replay left in this folder's database. Raises CannotRun when there is more in it."""
    async with open_servers(settings) as urls:
        conn = await asyncpg.connect(urls.database)
        try:
            others = [tenant.name for tenant in await all_tenants(conn) if tenant.name not in DATASETS]
            if others:
                raise CannotRun(
                    f"{settings.data_dir} holds the tenants {', '.join(others)}: a replay begins with an empty "
                    "database; give it a folder of its own with --data-dir"
                )
            await _SQL.empty.execute(conn)
        finally:
            await conn.close()


async def _set_up(shell: Shell, data: Dataset) -> None:
    await shell.run("tenants", "add", data.name, "--time-zone", data.zone.key)
    with tempfile.TemporaryDirectory() as folder:
        reps = _written(Path(folder) / f"{data.name}-reps.csv", data.roster)
        await shell.run("reps", "import", reps, "--tenant", data.name)
    await shell.run("rules", "apply", _from_here(data.rules), "--tenant", data.name, "--anyway", most_lines=8)


def _written(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def _from_here(path: Path) -> str:
    """The path as one would type it."""
    return os.path.relpath(path)


async def _import(shell: Shell, run: Replay, data: Dataset) -> None:
    """The publisher's own file through the command that takes files, and then routing until nothing changes."""
    tenant = ("--tenant", data.name)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mapping = folder / f"{data.name}-mapping.yaml"
        mapping.write_text(data.mapping, encoding="utf-8")
        words = _written(folder / f"{data.name}-synonyms.csv", data.synonyms)
        await shell.run("leads", "synonyms", "import", words, *tenant)
        rejects = ("--rejects", folder / "rejects.csv")
        await shell.run("leads", "import", str(data.file), *tenant, "--mapping", mapping, *rejects)
    await run.settle(data.outcomes)


async def _walk(run: Replay, data: Dataset, out: Console) -> None:
    """All steps, with a bar that shows the simulated day."""
    out.print(f"\nReplaying {len(data.arrivals):,} leads and {len(data.outcomes):,} outcomes with their own clock.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out) as progress:
        bar = progress.add_task("", total=len(data.arrivals))
        for step in steps(data, run.slot):
            await run.take(step)
            day = f"{step.at.astimezone(data.zone):%Y-%m-%d}"
            progress.update(bar, advance=len(step.arrivals), description=day)


async def _report(connections: Connections, shell: Shell, out: Console, run: Replay, data: Dataset) -> int:
    """What the run came to; returns how many leads are accounted for. Raises LeadsMissing."""
    asked = ("status", "--tenant", data.name, *(("--now", run.at.isoformat()) if run.at else ()))
    await shell.run(*asked)
    status = await shell.json(*asked)
    out.print()
    tenant_id = run.tenant.tenant_id
    async with connections.acquire(Part.CONSOLE) as conn:
        shares = [Share(*row) for row in await _SQL.shares.fetch(conn, tenant_id=tenant_id)]
        examples = [
            await statement.value(conn, tenant_id=tenant_id)
            for statement in (
                _SQL.assigned_at_once,
                _SQL.assigned_late,
                _SQL.assigned_by_share,
                _SQL.waiting,
                _SQL.parked,
            )
        ]
        wait_s = await _SQL.median_wait.value(conn, tenant_id=tenant_id)
    print_summary(out, status["accepted"], status["states"], shares)
    _print_course(out, run, data, wait_s)
    for lead in list(dict.fromkeys(lead for lead in examples if lead is not None))[:3]:
        await shell.run("why", str(lead))
    accepted: int = status["accepted"]
    handed_in = len(data.arrivals) or len(run.lead_ids)
    if not accepted == sum(status["states"].values()) == len(run.lead_ids) == handed_in:
        raise LeadsMissing(
            f"{data.name}: {handed_in:,} were handed in, {len(run.lead_ids):,} stored; "
            f"{accepted:,} accepted: {status['states']}"
        )
    out.print(f"All {accepted:,} leads of {data.name} are accounted for.\n", style="bold")
    return accepted


def _print_course(out: Console, run: Replay, data: Dataset, wait_s: float | None) -> None:
    """What happened on the way."""
    refusals = ", ".join(f"{reason} {n:,}" for reason, n in run.total.refused.most_common()) or "none"
    out.print(f"On the way, leads had to wait: {refusals}.")
    out.print(
        f"Outcomes: {run.ended:,} booked, {run.late:,} of them after their time because nobody had the lead yet; "
        f"{len(run.open_outcomes):,} belong to leads that nobody has."
    )
    if data.first_touches and wait_s is not None:
        there = statistics.median(wait / timedelta(minutes=1) for wait in data.first_touches)
        out.print(
            f"Half of the leads had somebody within {wait_s / 60:,.0f} minutes of their arrival; "
            f"in the data, the first person began on half of them within {there:,.0f} minutes."
        )


if __name__ == "__main__":
    main()
