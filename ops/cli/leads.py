"""`lead-router leads import`."""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, cannot_read, json_option, tell
from ops.cli.file_options import file_options
from ops.cli.lead_report import Outcome, reporting
from ops.cli.options import current_user, require_tenant, tenant_option, warn_of_zone
from ops.documents.file_import import CannotImport, FileImport, ReadAs, open_leads, reader_for
from router.domain.phrases import count
from router.intake.lead_file import LeadFile
from router.intake.lead_import import Imported
from router.intake.rejects import RejectsFile, is_rejects_file
from router.rules.mapping import FIELDS, FileMapping, read_mapping
from router.rules.problems import InvalidFile
from router.runtime.garbage import tune_gc_for_import


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@tenant_option
@file_options
@click.option(
    "--batch", type=click.IntRange(1, 100_000), default=5000, show_default=True, help="Rows in one transaction."
)
@click.option(
    "--rejects", "rejects_file", type=click.Path(path_type=Path), help="Default: FILE.rejects.csv beside FILE."
)
@click.option("--check", is_flag=True, help="Read everything, write nothing, and report what importing would do.")
@json_option
@async_command
async def import_(
    context: Context,
    /,
    *,
    file: Path,
    tenant_name: str | None,
    mapping_file: Path | None,
    batch: int,
    rejects_file: Path | None,
    encoding: str | None,
    delimiter: str | None,
    sheet: str | None,
    check: bool,
    as_json: bool,
) -> int:
    """Import the leads in FILE (.csv, .tsv, .txt, .xlsx, .json, .jsonl or .ndjson). Safe to repeat or resume.

    Invalid rows go to a rejects file with line, column and reason; then the exit code is 1. A file that is broken
    as a whole is refused (exit code 2) before anything of it is imported. With --check no rejects file is written
    either, unless --rejects names one.

    An existing lead is never changed. Rows that differ from it are counted, and the first of them listed: they were
    edited later, or two people have the same external id.

    \b
    Example:
      lead-router leads import leads.csv --tenant acme --mapping mapping.yaml --check
      lead-router leads import leads.csv --tenant acme --mapping mapping.yaml
    """
    plan = mapping_of(mapping_file)
    rejects_path = None if check and not rejects_file else rejects_file or file.parent / f"{file.name}.rejects.csv"
    started = time.monotonic()
    tune_gc_for_import()
    async with AsyncExitStack() as open_:
        opened = open_.enter_context(opened_file(file, plan, encoding, delimiter, sheet))
        if rejects_path:
            check_rejects_path(rejects_path, file)
        conn = await open_.enter_async_context(context.connection())
        tenant = await require_tenant(conn, tenant_name)
        rejects = RejectsFile(rejects_path, opened) if rejects_path else None
        if rejects:
            open_.callback(rejects.discard)
        work = FileImport(
            conn=conn,
            tenant=tenant,
            file=opened,
            reader=await reader_for(conn, tenant, plan, opened),
            plan=plan,
            name=str(file),
            mapping=str(mapping_file or ""),
            actor=current_user(),
            check=check,
            batch=batch,
            rejects=rejects,
        )
        stopped: list[str] = []
        # Below the bar, when that has gone.
        open_.callback(lambda: tell(stopped[0]) if stopped else None)
        report, so_far = open_.enter_context(reporting(opened)), [Imported()]

        def progress(done: Imported) -> None:
            so_far[0] = done
            report(done)

        try:
            result = await work.run(progress)
        except asyncio.CancelledError:
            stopped.append(_stopped(so_far[0], check=check))
            raise
        except CannotImport as error:
            raise CannotRun(str(error)) from error
        if rejects:
            rejects.finish()
    named = str(rejects_path) if result.done.rejected and rejects_path else None
    Outcome(result, time.monotonic() - started, named).print(as_json=as_json)
    return EXIT_FOUND if result.done.rejected else 0


def _stopped(done: Imported, *, check: bool) -> str:
    """What somebody who pressed Ctrl-C has to know."""
    if check:
        return "stopped; nothing was written"
    return (
        f"stopped after {count(done.rows, 'row')}: {count(done.new, 'new lead')} stored, which stay; import the same "
        "file again for the rest. leads imports lists what each import took, leads undo-import takes it back"
    )


def mapping_of(mapping_file: Path | None, fields: tuple[str, ...] = FIELDS) -> FileMapping:
    """The mapping; None = the columns are named as the fields are, which are `fields`. Raises CannotRun."""
    if mapping_file is None:
        return FileMapping(fields=fields)
    try:
        plan = read_mapping(mapping_file, fields)
    except InvalidFile as error:
        raise CannotRun(str(error)) from error
    except OSError as error:
        raise cannot_read(mapping_file, error) from error
    warn_of_zone(mapping_file, plan.time_zone)
    return plan


def opened_file(
    file: Path,
    plan: FileMapping,
    encoding: str | None,
    delimiter: str | None,
    sheet: str | None = None,
    needed: Sequence[tuple[str, ...]] = (("external_id",),),
) -> LeadFile:
    """The file, whose columns fit the mapping, and one of each of the `needed` fields. Raises CannotRun."""
    try:
        return open_leads(file, ReadAs(plan, encoding, delimiter, sheet), needed=needed)
    except CannotImport as error:
        raise CannotRun(str(error)) from error
    except OSError as error:
        raise cannot_read(file, error) from error


def check_rejects_path(rejects: Path, file: Path) -> None:
    """Fails now rather than after an hour, at the first rejected row; and never overwrites anything else."""
    if rejects.exists() and (rejects.samefile(file) or not is_rejects_file(rejects)):
        raise CannotRun(f"{rejects} exists and is not a rejects file; choose another file with --rejects")
    if not os.access(rejects.parent, os.W_OK | os.X_OK):
        raise CannotRun(f"{rejects.parent} is not writable; choose another place for the rejects file with --rejects")
