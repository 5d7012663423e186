"""`make soak`: random faults with a seed for some minutes, or none and slopes; the last line on stdout is JSON."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic

import click

from loadtest.faults.flat import SERVER, FlatRun, flat
from loadtest.faults.flat_picture import draw
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
@click.option("--flat", "is_flat", is_flag=True, help="No faults: whether anything drifts at 60% of the highest rate.")
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/soak.svg"),
    show_default=True,
    help="With --flat: where the slopes are drawn.",
)
@click.option(
    "--set",
    "changed",
    type=(str, str),
    multiple=True,
    metavar="NAME VALUE",
    help="With --flat: a setting of the routers, such as events.retention_days 0.02.",
)
def main(
    *,
    minutes: float,
    seed: int,
    names: tuple[str, ...],
    is_flat: bool,
    picture: Path,
    changed: tuple[tuple[str, str], ...],
) -> None:
    """Break four routers, their wires and their server for some minutes; exit 1 when a promise was broken.

    With --flat nothing is broken; exit 1 also when a slope is not within noise.
    """
    if names and is_flat:
        raise click.UsageError("--only chooses faults; with --flat there are none")
    if changed and not is_flat:
        raise click.UsageError("--set is for --flat")
    with reachable_folder("lead-router-soak-") as folder:
        if is_flat:
            settings = {name.replace(".", "_"): value for name, value in changed}
            ended_well = _report_flat(asyncio.run(_flat(folder, seed, minutes * 60, settings)), picture)
        else:
            faults = [Fault(name) for name in names] or list(Fault)
            ended_well = _report(asyncio.run(_soaked(folder, seed, minutes * 60, faults)))
    if not ended_well:
        sys.exit(EXIT_FOUND)


def _report(done: Soaked) -> bool:
    """Prints it; returns whether every promise was kept."""
    for line in done.by_fault:
        click.echo(line, err=True)
    _violations(done.violations)
    click.echo(json.dumps(done.document))
    return not done.violations


def _report_flat(run: FlatRun, picture: Path) -> bool:
    """Prints and draws it; returns whether every promise was kept and nothing drifts."""
    for one in run.judged:
        click.echo(one.words, err=True)
    _violations(run.violations)
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(draw(run), encoding="utf-8")
    click.echo(json.dumps({**run.document, "picture": str(picture)}))
    return not run.violations and not run.drifting


def _violations(violations: Sequence[str]) -> None:
    for violation in violations:
        click.echo(f"violation: {violation}", err=True)


def _say() -> Callable[[str], None]:
    """Progress, with the seconds since now."""
    begin = monotonic()
    return lambda what: click.echo(f"{monotonic() - begin:6.0f} s  {what}", err=True)


async def _flat(folder: Path, seed: int, seconds: float, settings: Mapping[str, object]) -> FlatRun:
    say = _say()
    say(f"no faults, seed {seed}, {seconds:g} s")
    async with fault_server(folder, SERVER) as server:
        await migrate(server.url())
        return await flat(server, DATABASE, seed, seconds, say, settings)


async def _soaked(folder: Path, seed: int, seconds: float, faults: Sequence[Fault]) -> Soaked:
    say = _say()
    say(f"seed {seed}, {seconds:g} s")
    async with fault_server(folder) as server:
        await migrate(server.url())
        return await soak(server, DATABASE, seed, seconds, say, faults)


if __name__ == "__main__":
    main()
