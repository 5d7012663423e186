"""What an import reports while it runs and when it is done."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from ops.cli.column_report import columns_table, suggestion_lines
from ops.cli.contact_report import unreadable_lines
from ops.cli.context import console, print_json
from ops.cli.customer_notes import customers_lines
from ops.cli.repeats_report import repeats_lines
from ops.cli.same_ids_report import same_ids_lines
from ops.cli.screen import Screen
from ops.documents.file_import import taken_as
from ops.documents.import_columns import columns_document
from ops.documents.import_result import KEPT, ImportResult
from router.domain.phrases import count, listed
from router.intake.lead_file import LeadFile
from router.intake.lead_import import Imported
from router.rules.mapping import COLUMNS_LISTED, FileMapping
from router.rules.reader import shorten
from router.telemetry.logs import get_logger

log = get_logger(__name__)

LOG_EVERY_S = 10.0
SHOWN = 10
"""Rows that are named one by one."""

Report = Callable[[Imported], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import brought, in so many seconds; `rejects_file` None = none was written."""

    result: ImportResult
    seconds: float
    rejects_file: str | None

    @property
    def done(self) -> Imported:
        return self.result.done

    def print(self, *, as_json: bool) -> None:
        if as_json:
            print_json(self.result.document(self.rejects_file, self.seconds))
        else:
            self._for_people()

    def _for_people(self) -> None:
        out, done = console(), self.done
        rate = round(done.rows / self.seconds) if self.seconds else 0
        out.print(f"{self.result.file.path}: detected: {taken_as(self.result.file)}")
        self._print_columns()
        new = f"{count(done.new, 'lead')} would be new" if self.result.checked else count(done.new, "new lead")
        out.print(
            f"{count(done.rows, 'row')}: {new}, {done.repeated:,} already imported, "
            f"{done.rejected:,} rejected ({rate:,} rows/s)"
        )
        for line in unreadable_lines(self.done.contacts, self.result.reader):
            out.print(line)
        for name, cells in self.result.reader.failed_cells.items():
            out.print(f"{name}: {count(cells, 'cell')} with no value (such as #N/A or NULL), read as empty")
        for line in customers_lines(self.done.customers, self.result.tenant):
            out.print(line)
        for line in same_ids_lines(self.result.same_ids):
            out.print(line)
        self._print_differences()
        if self.result.repeats is not None:
            for line in repeats_lines(self.result.repeats):
                out.print(line)
            out.print("nothing was written")
        elif done.merged is not None:
            waiting = done.new - done.merged - done.parked
            merged = count(done.merged, "duplicate merged into an earlier lead", "duplicates merged into earlier leads")
            out.print(f"new: {waiting:,} waiting, {merged}, {done.parked:,} parked")
        self._print_rejected()

    def _print_columns(self) -> None:
        out, result = console(), self.result
        for note in result.file.notes:
            out.print(note)
        if document := columns_document(result.file, result.plan):
            out.print(columns_table(document))
            for line in suggestion_lines(document):
                out.print(line)
        if unseen := result.unseen:
            out.print(
                f"no row has what the mapping names: {', '.join(map(repr, unseen))}; is it spelled as in the file?"
            )
        if self.done.rejected == self.done.rows and result.plan == FileMapping() and result.file.first_fields:
            has = listed(map(shorten, result.file.first_fields), COLUMNS_LISTED)
            out.print(f"the rows have {has}; say in a mapping what they mean: --mapping M.yaml")
        if result.file.blank_rows:
            out.print(f"{count(result.file.blank_rows, 'blank row')} skipped")
        if times := result.reader.times_without_offset:
            whose = "as the mapping says" if result.plan.time_zone else "the tenant's zone; time_zone: in the mapping"
            out.print(f"{count(times, 'time')} without offset read in {result.zone} ({whose})")
            if doubt := result.zone_doubt:
                out.print(f"  but their column {doubt}; if that is their zone, name it in the mapping: time_zone")

    def _print_rejected(self) -> None:
        out, rejected, number = console(), self.done.rejected, self.result.number
        for one in self.result.rejected.first[:SHOWN]:
            where = f"line {one['line']}" + (f", {one['column']}" if one["column"] else "")
            out.print(f"  {where}: {one['reason']}")
        if rejected > SHOWN:
            rest = "" if self.rejects_file else "; --rejects FILE writes all of them"
            out.print(f"  … and {rejected - SHOWN:,} more{rest}")
        if self.rejects_file:
            out.print(f"rejected rows with reasons: {self.rejects_file}")
        if number is not None and self.done.new:
            out.print(f"import {number}; to take it back: lead-router leads undo-import {number}")

    def _print_differences(self) -> None:
        out, differing = console(), self.done.differing
        if not differing:
            return
        verb = count(differing, "existing lead differs", "existing leads differ")
        out.print(f"{verb} from this file; the stored version was kept:")
        for one in self.result.differing.first[:SHOWN]:
            out.print(f"  line {one['line']}, {one['external_id']}: {', '.join(one['fields'])}")
        if differing > SHOWN:
            out.print(f"  … and {differing - SHOWN:,} more; --json has the first {KEPT}")
        out.print("  edits are ignored; a different person needs a different external_id")
        if not self.result.checked:
            out.print("  to change leads that no rep has yet: lead-router leads correct FILE")


@contextmanager
def reporting(file: LeadFile) -> Iterator[Report]:
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
            log.info("importing leads", file=str(file.path), percent=percent, **done.counts())

    return report
