"""`lead-router leads`: import."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import structlog
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from router.cli.context import EXIT_FOUND, CannotRun, Context, async_command, console, json_option, print_json
from router.cli.screen import Screen
from router.intake.lead_file import FileUnusable, LeadFile
from router.intake.lead_import import Imported, import_leads
from router.intake.mapping import FileMapping, MappingError, check_columns, read_mapping
from router.intake.normalise import LeadReader
from router.intake.rejects import RejectsFile, is_rejects_file
from router.store.leads import database_clock
from router.store.rulesets import load_ruleset
from router.store.statements import Connection
from router.store.tenants import Tenant, TenantUnknown, tenant_named

log = structlog.get_logger(__name__)

LOG_EVERY_S = 10.0

Report = Callable[[Imported], None]


@click.group()
def leads() -> None:
    """Leads that come from files."""


@leads.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--tenant", "tenant_name", required=True, metavar="T", help="Name of the tenant.")
@click.option(
    "--mapping", "mapping_file", type=click.Path(path_type=Path), metavar="M.yaml", help="What the columns mean."
)
@click.option(
    "--batch", type=click.IntRange(1, 100_000), default=5000, show_default=True, help="Rows in one transaction."
)
@click.option(
    "--rejects", "rejects_file", type=click.Path(path_type=Path), help="Default: FILE.rejects.csv beside FILE."
)
@json_option
@async_command
async def import_(
    context: Context,
    /,
    *,
    file: Path,
    tenant_name: str,
    mapping_file: Path | None,
    batch: int,
    rejects_file: Path | None,
    as_json: bool,
) -> int:
    """Accept the leads in FILE (.csv or .ndjson). Importing it again, or after it was cut off, is fine.

    Rows that cannot be leads go to a rejects file with line, column and reason; then the exit code is 1.

    \b
    Example:
      lead-router leads import leads.csv --tenant acme --mapping mapping.yaml
    """
    plan = _plan(mapping_file)
    rejects_path = rejects_file or file.parent / f"{file.name}.rejects.csv"
    started = time.monotonic()
    async with AsyncExitStack() as open_:
        opened = open_.enter_context(_opened(file, plan))
        _check_rejects_path(rejects_path, file)
        conn = await open_.enter_async_context(context.connection())
        tenant = await _tenant(conn, tenant_name)
        reader = LeadReader(plan, await database_clock(conn), await _phone_region(conn, tenant))
        rejects = RejectsFile(rejects_path, opened.original_columns)
        open_.callback(rejects.discard)
        report = open_.enter_context(_reporting(opened))
        done = await import_leads(conn, tenant.tenant_id, opened, reader, rejects, batch, report)
        rejects.finish()
    _print(done, rejects, tenant, file, time.monotonic() - started, as_json=as_json)
    return EXIT_FOUND if done.rejected else 0


def _plan(mapping_file: Path | None) -> FileMapping:
    if mapping_file is None:
        return FileMapping()
    try:
        return read_mapping(mapping_file)
    except MappingError as error:
        raise CannotRun(str(error)) from error
    except OSError as error:
        raise CannotRun(f"{mapping_file}: {error.strerror or error}") from error


def _opened(file: Path, plan: FileMapping) -> LeadFile:
    try:
        opened = LeadFile(file)
        if opened.has_fields:
            check_columns(plan, opened.columns or ())
    except (FileUnusable, MappingError) as error:
        raise CannotRun(str(error)) from error
    except OSError as error:
        raise CannotRun(f"{file}: {error.strerror or error}") from error
    return opened


def _check_rejects_path(rejects: Path, file: Path) -> None:
    """Better now than after an hour, at the first row that has to go there; and never over anything else."""
    if rejects.exists() and (rejects.samefile(file) or not is_rejects_file(rejects)):
        raise CannotRun(f"{rejects} is there and is no rejects file; say where that may go with --rejects")
    if not os.access(rejects.parent, os.W_OK | os.X_OK):
        raise CannotRun(f"{rejects.parent} cannot be written; say where the rejects file may go with --rejects")


async def _tenant(conn: Connection, name: str) -> Tenant:
    try:
        return await tenant_named(conn, name)
    except TenantUnknown as error:
        raise CannotRun(str(error)) from error


async def _phone_region(conn: Connection, tenant: Tenant) -> str | None:
    """That of the rules in force; None when there are none."""
    if not tenant.ruleset:
        return None
    return (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).default_phone_region


@contextmanager
def _reporting(file: LeadFile) -> Iterator[Report]:
    """A progress bar on a terminal, otherwise a line in the log now and then; both on stderr."""
    screen = Screen(stderr=True)
    if not screen.is_terminal:
        yield _log_now_and_then(file)
        return
    counts = TextColumn("{task.fields[new]:,} new, {task.fields[rejected]:,} rejected")
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        counts,
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen) as bar:
        task = bar.add_task(file.path.name, total=file.size, new=0, rejected=0)

        def report(done: Imported) -> None:
            bar.update(task, completed=done.position, new=done.new, rejected=done.rejected)

        yield report


def _log_now_and_then(file: LeadFile) -> Report:
    last = time.monotonic()

    def report(done: Imported) -> None:
        nonlocal last
        if time.monotonic() - last >= LOG_EVERY_S:
            last = time.monotonic()
            percent = 100 * done.position // max(1, file.size)
            log.info("importing leads", file=str(file.path), percent=percent, **asdict(done))

    return report


def _print(done: Imported, rejects: RejectsFile, tenant: Tenant, file: Path, seconds: float, *, as_json: bool) -> None:
    rate = round(done.rows / seconds) if seconds else 0
    rejects_file = str(rejects.path) if done.rejected else None
    if as_json:
        counts: dict[str, Any] = asdict(done)
        del counts["position"]
        place = {"file": str(file), "tenant": tenant.name, "rejects_file": rejects_file}
        print_json({**place, **counts, "seconds": round(seconds, 3), "rows_per_s": rate})
        return
    out = console()
    out.print(
        f"{done.rows:,} rows: {done.new:,} new leads, {done.repeated:,} were there before, "
        f"{done.rejected:,} rejected ({rate:,} rows/s)"
    )
    waiting = done.new - done.merged - done.parked
    out.print(f"new: {waiting:,} wait, {done.merged:,} repeat an earlier lead, {done.parked:,} parked")
    if rejects_file:
        out.print(f"why, row by row: {rejects_file}")
