"""`make bench`: every figure with its target, in one run on this machine; `build/bench.json` has them for machines."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic

import asyncpg
import click
from rich.console import Console
from rich.table import Table

from loadtest.bench import (
    cleaning,
    console_pages,
    copied,
    drains,
    flat_line,
    foreign_cleanup,
    growth,
    held,
    http_batches,
    http_latency,
    http_singles,
    imports,
    operating,
    outbox,
    pooled,
    scaling,
    starts,
    survival,
    telemetry,
    trickle,
    waits,
)
from loadtest.bench.figures import TARGETS, Figure, rounded
from loadtest.bench.stage import NotClean, Stage
from loadtest.bench.written import machine, write_documents
from ops.cli.context import EXIT_FOUND, console
from ops.embedded.embedded import embedded, stopped
from router.runtime.garbage import tune_gc
from router.telemetry.log_format import configure_logs

Measure = Callable[[Stage], Awaitable[list[Figure]]]
MEASURES: Mapping[str, Measure] = {
    "one-tenant": drains.one_tenant,
    "eight-tenants": drains.eight_tenants,
    "burst": drains.burst_after_empty,
    "backlog": growth.backlog,
    "reps": growth.reps,
    "rules": growth.rules,
    "tenants": growth.tenants,
    "history": growth.history,
    "waiting": waits.waiting,
    "half-locked": waits.half_locked,
    "held-snapshot": held.held_snapshot,
    "single-leads": trickle.single_leads,
    "idle-latency": trickle.idle_latency,
    "large-backlog": operating.large_backlog,
    "console-pages": console_pages.console_pages,
    "import": operating.import_csv,
    "import-copy": copied.import_vs_copy,
    "import-before": imports.import_vs_before,
    "cleanup": cleaning.cleanup,
    "events": outbox.events,
    "webhooks": outbox.webhooks,
    "http-singles": http_singles.singles,
    "http-batches": http_batches.batches,
    "http-latency": http_latency.posted_to_assigned,
    "telemetry": telemetry.telemetry,
    "starts": starts.starts,
    "faults": survival.faults,
    "connections": survival.connections,
    "pgbouncer": pooled.pooled,
    "foreign-cleanup": foreign_cleanup.with_gate,
    "flat-line": flat_line.soak_slopes,
    "scaling": scaling.scaling,
}
# Commit times tell latency from the server's own side; more buffers, so that a million leads do not measure the disk.
SERVER = {"track_commit_timestamp": "on", "shared_buffers": "1GB", "max_wal_size": "16GB"}


@click.command()
@click.option("--quick", is_flag=True, help="Small worlds, one run: for being runnable, never for its figures.")
@click.option("--only", "names", type=click.Choice(list(MEASURES)), multiple=True, help="Only these; else all.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("build/bench.json"))
def main(quick: bool, names: tuple[str, ...], output: Path) -> None:
    """Measure the drain beside its limit and its peers; print a table, and write it as JSON."""
    configure_logs("error", "auto", "bench")
    out = console()
    begin = monotonic()
    folder = Path(tempfile.mkdtemp(prefix="lead-router-bench-"))
    # Root's servers run as another user, who must be able to enter.
    folder.chmod(0o755)
    # As every command does: some measures drain in this process.
    tune_gc()
    try:
        figures, failed = asyncio.run(_measured(folder, names or _all(quick), quick, out, output))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _print(out, figures, quick)
    missed = [one.target.id for one in figures if not one.holds]
    out.print(f"{machine()}; {monotonic() - begin:,.0f} s; written to {output}")
    if missed and not quick:
        out.print(f"Not reached: {', '.join(missed)}; docs/performance.md says why.", style="yellow")
    if failed:
        sys.exit(EXIT_FOUND)


def _all(quick: bool) -> tuple[str, ...]:
    """What is measured when nothing is named. A quick run leaves the curves out: what they consist of is in other
    measures, and the starts of their routers alone take half a minute.
    """
    return tuple(name for name in MEASURES if not quick or name != "scaling")


async def _measured(
    folder: Path, names: Sequence[str], quick: bool, out: Console, output: Path
) -> tuple[list[Figure], list[str]]:
    """All figures in the order of TARGETS, and the measures that failed."""
    figures, failed = list[Figure](), list[str]()
    begin = monotonic()

    def say(what: str) -> None:
        out.print(f"{monotonic() - begin:6.0f} s  {what}", style="dim")

    async with embedded(folder, SERVER, linger_s=0.5) as urls:
        stage = Stage(urls.database, quick, say)
        for name in names:
            say(name)
            try:
                found = await MEASURES[name](stage)
            except (NotClean, AssertionError, OSError, asyncpg.PostgresError) as error:
                failed.append(name)
                out.print(f"{name}: does not count: {type(error).__name__}: {error}", style="red")
            else:
                figures = sorted([*figures, *found], key=_place)
                write_documents(output, [one.document for one in figures], quick)
                for one in found:
                    say(f"  {one.target.id} {rounded(one.value):,g} {one.target.unit}: {one.note}")
    await stopped(folder)
    return figures, failed


def _place(one: Figure) -> int:
    return TARGETS.index(one.target)


def _print(out: Console, figures: Sequence[Figure], quick: bool) -> None:
    table = Table(title="QUICK: these are no figures" if quick else None, title_style="yellow")
    for heading in ("id", "median", "spread", "unit", "target", "holds"):
        table.add_column(heading, justify="right" if heading in ("median", "spread", "target") else "left")
    for one in figures:
        sign = "≥" if one.target.least else "≤"
        spread = f"{rounded(min(one.runs)):,g} … {rounded(max(one.runs)):,g}" if len(one.runs) > 1 else ""
        table.add_row(
            one.target.id,
            f"{rounded(one.value):,g}",
            spread,
            one.target.unit,
            f"{sign} {one.target.target:,g}",
            "yes" if one.holds else "no",
        )
    out.print(table)
    for one in figures:
        out.print(f"{one.target.id}: {one.note}", style="dim", highlight=False)


if __name__ == "__main__":
    main()
