"""`lead-router leads correct`: leads that no one has worked on say what a file says now."""

import secrets
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, async_command, console, json_option, print_json
from ops.cli.file_options import file_options
from ops.cli.lead_report import reporting
from ops.cli.leads import mapping_of, opened_file
from ops.cli.options import current_user, require_tenant, tenant_option, why_option
from ops.documents.file_import import reader_for, taken_as
from ops.documents.import_result import RejectedRows
from router.domain.phrases import count
from router.domain.text import visible
from router.intake.lead_file import FileUnusable
from router.intake.lead_import import Imported, import_leads
from router.manual.correct_leads import Correcting, Corrections, Named
from router.manual.merge_customers import CannotMerge
from router.store.errors import LOCK_TIMEOUTS
from router.store.imports import FREE

SHOWN = 10
_BATCH_ROWS = 2_000


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@tenant_option
@file_options
@click.option("--dry-run", is_flag=True, help="Count what would be corrected, and change nothing.")
@why_option()
@json_option
@async_command
async def correct(
    context: Context,
    /,
    *,
    file: Path,
    tenant_name: str | None,
    mapping_file: Path | None,
    encoding: str | None,
    delimiter: str | None,
    sheet: str | None,
    dry_run: bool,
    why: str,
    as_json: bool,
) -> int:
    """Change leads that are stored to what FILE says, where no one has worked on them.

    FILE is read as by leads import; a lead is found by its source and external id. Leads that wait, are parked or
    merged get the facts of the file (a cell that is empty empties the field) and the customer that these name, and are
    tried again; those that cannot be worked on then (with require_contact) are parked as lead_invalid. Leads that a rep
    has or had stay as they are, and what differs is named. Rows of leads that are not stored are counted; import them.
    Replays and audits know what earlier batches were decided with. Recorded among the changes.

    Exit code 1 when something stays: leads that a rep has, that are locked, or rows that cannot be read.

    \b
    Example:
      lead-router leads correct leads.csv --tenant acme --mapping mapping.yaml --dry-run
      lead-router leads correct leads.csv --tenant acme --mapping mapping.yaml --why "e-mail was not mapped"
    """
    plan = mapping_of(mapping_file)
    started = time.monotonic()
    async with AsyncExitStack() as open_:
        opened = open_.enter_context(opened_file(file, plan, encoding, delimiter, sheet))
        conn = await open_.enter_async_context(context.connection())
        tenant = await require_tenant(conn, tenant_name)
        reader = await reader_for(conn, tenant, plan, opened)
        work = Correcting(
            conn, tenant.tenant_id, str(file), current_user(), why, lambda: secrets.randbits(63), dry_run=dry_run
        )
        rejected = RejectedRows()
        report = open_.enter_context(reporting(opened))
        try:
            done = await import_leads(work, opened, reader, rejected.add, _BATCH_ROWS, report)
        except FileUnusable as error:
            raise CannotRun(f"{error} ({taken_as(opened)})") from error
        except CannotMerge as error:
            raise Found(f"{count(work.done.total, 'lead')} corrected; then: {error}") from error
        except LOCK_TIMEOUTS as error:
            corrected = f"{count(work.done.total, 'lead')} corrected"
            why_not = "then the lane or customers were locked by another session: run it again"
            raise Found(f"{corrected}; {why_not}") from error
    shown = _Shown(str(file), done, work.done, rejected, dry_run, time.monotonic() - started)
    shown.tell(as_json=as_json)
    return EXIT_FOUND if done.rejected or work.done.stays or work.done.locked else 0


class _Shown:
    """What was corrected, or would be, for people and machines."""

    def __init__(
        self, file: str, read: Imported, done: Corrections, rejected: RejectedRows, dry_run: bool, seconds: float
    ) -> None:
        self._file = file
        self._read = read
        self._done = done
        self._rejected = rejected
        self._dry_run = dry_run
        self._seconds = seconds

    def tell(self, *, as_json: bool) -> None:
        if as_json:
            print_json(self._document())
            return
        for line in self._lines():
            console().print(line)

    def _document(self) -> dict[str, Any]:
        done = self._done
        return {
            "file": self._file,
            "dry_run": self._dry_run,
            "rows": self._read.rows,
            "corrected": {state: done.corrected[state] for state in FREE},
            "same": done.same,
            "stays": dict(sorted(done.stays.items())),
            "locked": done.locked,
            "invalid": done.invalid,
            "unknown": done.unknown,
            "rejected": self._read.rejected,
            "corrections": [one._asdict() for one in done.corrected_named],
            "differences": [one._asdict() for one in done.stays_named],
            "rejects": self._rejected.first,
            "seconds": round(self._seconds, 3),
        }

    def _lines(self) -> Iterator[str]:
        done, read = self._done, self._read
        verb = "would be corrected" if self._dry_run else "corrected"
        rows, total = count(read.rows, "row"), count(done.total, "lead")
        yield f"{rows}: {total} {verb}, {done.same:,} the same, {read.rejected:,} rejected"
        yield from _named(done.corrected_named, done.total)
        if done.invalid:
            parked = "would be parked" if self._dry_run else "parked"
            yield f"{done.invalid:,} of these {parked} as lead_invalid, since they cannot be worked on then:"
            wrong = [one for one in done.corrected_named if one.invalid]
            yield from (f"  line {one.line}, {visible(one.external_id)}: {one.invalid}" for one in wrong[:SHOWN])
        if stays := sum(done.stays.values()):
            yield f"{count(stays, 'lead differs and stays', 'leads differ and stay')} as stored: a rep has or had them"
            yield from _named(done.stays_named, stays)
        if done.locked:
            yield f"{count(done.locked, 'lead')} skipped: locked or changed by another session; run it again"
        if done.unknown:
            rows = count(done.unknown, "row")
            yield f"{rows} of leads that are not stored; lead-router leads import {self._file} adds them"
        for one in self._rejected.first[:SHOWN]:
            where = f"line {one['line']}" + (f", {one['column']}" if one["column"] else "")
            yield f"  {where}: {one['reason']}"
        if self._dry_run:
            yield "nothing changed (--dry-run)"


def _named(found: list[Named], number: int) -> Iterator[str]:
    for one in found[:SHOWN]:
        who = f", at {visible(one.rep_id)}" if one.rep_id else ""
        where = f"lead {one.lead_id}, {one.state}{who}"
        yield f"  line {one.line}, {visible(one.external_id)} ({where}): {', '.join(one.fields)}"
    if number > SHOWN:
        yield f"  … and {number - SHOWN:,} more; --json has the first {len(found)}"
