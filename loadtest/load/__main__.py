"""`make load`: an open-loop load on the service, and a report that says whether it holds what was agreed.

Exit code 0 = every objective holds, 1 = one does not (also when nothing was sent), 2 = it could not be run, 3 = the
generator was too busy for a verdict.
"""

import asyncio
import json
import os
import sys
from math import isinf
from pathlib import Path
from typing import Any

import asyncpg
import click

from loadtest.datasets.dataset import DataMissing
from loadtest.load import objectives
from loadtest.load.faults import FAULTS, NEEDS_OWN_STACK
from loadtest.load.generator import GeneratorFailed
from loadtest.load.judging import Judged, judged
from loadtest.load.page import page
from loadtest.load.report import caution, document, of_ramp, sentence
from loadtest.load.run import Options, Ran, run
from loadtest.load.setting_out import Refused
from loadtest.load.shapes import APPLICATIONS, SHAPES
from ops.cli.context import EXIT_CANNOT_RUN
from ops.embedded.account import EmbeddedError
from ops.embedded.urls import ServersError
from router.telemetry.log_format import configure_logs

_AFTER_FIX_S = 10.0
_FAILURES_TOLD = 3
_DATABASE, _REDIS = "LEAD_ROUTER_DATABASE_URL", "LEAD_ROUTER_REDIS_URL"
_CANNOT = (
    objectives.BadObjectives,
    DataMissing,
    GeneratorFailed,
    Refused,
    EmbeddedError,
    ServersError,
    OSError,
    asyncpg.PostgresError,
)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--shape", type=click.Choice([*SHAPES, APPLICATIONS]), default="steady", show_default=True)
@click.option("--minutes", type=click.FloatRange(0.05, 24 * 60), default=1.0, show_default=True)
@click.option("--rate", type=click.FloatRange(0.1, 100_000), default=20.0, show_default=True, help="Requests a second.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="That send.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--fault", "faults", default="", help='What is broken on purpose: "F4", or several: "F4 F5".')
@click.option("--at", "at_s", type=click.FloatRange(0), default=20.0, show_default=True, help="From this second on.")
@click.option("--until", "until_s", type=click.FloatRange(0), default=35.0, show_default=True, help="Until this one.")
@click.option("--url", help=f"The API of a service that runs; {_DATABASE} names its database. Else a stack of our own.")
@click.option("--objectives", "file", type=_FILE, default=objectives.FILE, help="What is to be reached, as YAML.")
@click.option("--output", type=_FOLDER, default=Path("build/load"), show_default=True)
def main(file: Path, output: Path, **asked: Any) -> None:
    """Put load on the service, and write report.html and report.json."""
    configure_logs("error", "auto", "load")
    options = _options(**asked)
    output.mkdir(parents=True, exist_ok=True)
    try:
        wanted = objectives.read(options.shape, file)
        ran = asyncio.run(run(options, output / "locust.log", lambda what: click.echo(f"load: {what}")))
    except _CANNOT as error:
        click.echo(f"Not run: {type(error).__name__}: {error}", err=True)
        sys.exit(EXIT_CANNOT_RUN)
    found = judged(ran, wanted)
    _write(ran, found, output)
    _tell(ran, found, output)
    sys.exit(int(found.verdict))


def _options(
    *,
    shape: str,
    minutes: float,
    rate: float,
    processes: int,
    seed: int,
    faults: str,
    at_s: float,
    until_s: float,
    url: str | None,
) -> Options:
    """What was asked for, if it goes together. Raises click.UsageError."""
    seconds = 60 * minutes
    names = list(dict.fromkeys(faults.replace(",", " ").upper().split()))
    if unknown := [name for name in names if name not in FAULTS]:
        raise click.UsageError(f"--fault: there is no {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    if names and not at_s < until_s <= seconds - _AFTER_FIX_S:
        raise click.UsageError(
            f"--at {at_s:g} --until {until_s:g}: a fault begins before it ends, and ends {_AFTER_FIX_S:g} s before the "
            f"end of the {seconds:g} s"
        )
    if url is not None and NEEDS_OWN_STACK & set(names):
        raise click.UsageError("--url: F1, F4 and F5 hurt others, too; leave it out, and a stack of our own is used")
    database = os.environ.get(_DATABASE)
    if url is not None and database is None:
        raise click.UsageError(f"--url needs {_DATABASE}: what was stored is read from the database afterwards")
    return Options(shape, seconds, rate, seed, processes, names, at_s, until_s, url, database, os.environ.get(_REDIS))


def _write(ran: Ran, found: Judged, output: Path) -> None:
    said = json.dumps(document(ran, found), indent=1, ensure_ascii=False)
    (output / "report.json").write_text(said + "\n", encoding="utf-8")
    (output / "report.html").write_text(page(ran, found), encoding="utf-8")


def _tell(ran: Ran, found: Judged, output: Path) -> None:
    for one in found.checks:
        if not one.holds:
            click.echo(f"missed: {one.words}")
    if found.failures and ran.trouble is not None:
        click.echo("what failed, also while it was broken on purpose:")
    for failure in found.failures[:_FAILURES_TOLD]:
        names = ", ".join(f"{name} {number:,}" for name, number in failure.names.items())
        click.echo(f"failed: {failure.number:,} × {failure.answer} ({names})")
    if len(found.failures) > _FAILURES_TOLD:
        click.echo(f"failed: {len(found.failures) - _FAILURES_TOLD} more answers, see the report")
    every = found.assigned[0]
    if every.waits:
        click.echo(
            f"{every.number:,} leads from post to rep: half within {every.waits[0] * 1000:,.0f} ms, "
            f"99 of 100 within {every.waits[2] * 1000:,.0f} ms; generator {found.generator:.0f}% of a core"
        )
    if found.recovery is not None and isinf(found.recovery.seconds):
        click.echo(f"not right again by the end; last: {found.recovery.last}")
    elif found.recovery is not None:
        click.echo(f"right again {max(0.0, found.recovery.seconds):.1f} s after the fix; last: {found.recovery.last}")
    if ramp := of_ramp(ran, found):
        click.echo(ramp)
    if warning := caution(ran, found):
        click.echo(warning)
    click.echo(f"{sentence(found)} {output / 'report.html'}")


if __name__ == "__main__":
    main()
