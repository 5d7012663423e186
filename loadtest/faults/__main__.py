"""`make soak`: random faults with a seed for some minutes; the last line on stdout is JSON."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import click

from loadtest.faults.schedule import Fault
from loadtest.faults.server import fault_server, reachable_folder
from loadtest.faults.soak import Soaked, soak
from ops.cli.context import EXIT_FOUND
from ops.embedded.server import DATABASE
from router.store.migrate import migrate


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.1), default=10.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same faults.")
@click.option(
    "--only", "names", type=click.Choice([fault.value for fault in Fault]), multiple=True, help="Only these; else all."
)
def main(minutes: float, seed: int, names: tuple[str, ...]) -> None:
    """Break four routers, their wires and their server for some minutes; exit 1 when a promise was broken."""
    with reachable_folder("lead-router-soak-") as folder:
        done = asyncio.run(_soaked(folder, seed, minutes * 60, [Fault(name) for name in names] or list(Fault)))
    for line in done.by_fault:
        click.echo(line, err=True)
    for told in done.violations:
        click.echo(f"violation: {told}", err=True)
    click.echo(json.dumps(done.document))
    if done.violations:
        sys.exit(EXIT_FOUND)


async def _soaked(folder: Path, seed: int, seconds: float, faults: Sequence[Fault]) -> Soaked:
    begin = monotonic()

    def say(what: str) -> None:
        click.echo(f"{monotonic() - begin:6.0f} s  {what}", err=True)

    say(f"seed {seed}, {seconds:g} s")
    async with fault_server(folder) as server:
        await migrate(server.url())
        return await soak(server, DATABASE, seed, seconds, say, faults)


if __name__ == "__main__":
    main()
