"""What an import reports while it runs and when it is done."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from ops.cli.column_report import columns_document, columns_table, suggestion_lines
from ops.cli.contact_report import unreadable_document, unreadable_lines
from ops.cli.context import console, print_json
from ops.cli.customer_notes import customers_document, customers_lines
from ops.cli.repeats_report import repeats_document, repeats_lines
from ops.cli.same_ids_report import same_ids_document, same_ids_lines
from ops.cli.screen import Screen
from router.domain.calendar import zone_names
from router.domain.lead_in import LeadIn
from router.domain.phrases import count, listed
from router.domain.zone_meant import zone_in_name
from router.intake import delimiter, encoding
from router.intake.lead_file import LeadFile, Row
from router.intake.lead_import import Imported
from router.intake.normalise import LeadReader
from router.intake.repeat_book import WouldRepeat
from router.rules.mapping import COLUMNS_LISTED, FileMapping
from router.rules.reader import shorten
from router.store.ids import SameIds
from router.telemetry.logs import get_logger

log = get_logger(__name__)

LOG_EVERY_S = 10.0
KEPT = 100
SHOWN = 10
"""Rows that are named one by one: in JSON, and for people."""
_LONG = 500

Report = Callable[[Imported], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result. `checked` = nothing was written; `rejects_file` None = none was. `repeats` are those that a check
    found; `number` is that of the import; `same_ids` are new leads with the id of a lead from another source.
    """

    done: Imported
    file: LeadFile
    tenant: str
    seconds: float
    checked: bool
    rejects_file: str | None
    rejected: "RejectedRows"
    differing: "DifferingRows"
    reader: LeadReader
    plan: FileMapping
    zone: str
    repeats: WouldRepeat | None = None
    number: int | None = None
    same_ids: SameIds = field(default_factory=SameIds)

    def print(self, *, as_json: bool) -> None:
        if as_json:
            print_json(self._document())
        else:
            self._for_people()

    def _document(self) -> dict[str, Any]:
        counts = self.done.counts()
        del counts["position"]
        if self.repeats is not None:
            counts["merged"] = self.repeats.count
        rate = round(self.done.rows / self.seconds) if self.seconds else 0
        document = {
            "file": str(self.file.path),
            "encoding": self.file.encoding,
            "delimiter": self.file.delimiter if self.file.is_csv else None,
            "sheet": self.file.sheet,
            "notes": self.file.notes,
            "columns": columns_document(self.file, self.plan),
            "unseen": self._unseen(),
            "blank_rows": self.file.blank_rows,
            "time_zone": self.zone,
            "times_without_offset": self.reader.times_without_offset,
            "zone_doubt": self._zone_named() if self.reader.times_without_offset else "",
            "tenant": self.tenant,
            "checked": self.checked,
            "import": self.number,
            "rejects_file": self.rejects_file,
            **counts,
            "unreadable": unreadable_document(self.done.contacts, self.reader),
            "failed_cells": dict(self.reader.failed_cells),
            **customers_document(self.done.customers),
            **same_ids_document(self.same_ids),
            "differences": self.differing.first,
            "seconds": round(self.seconds, 3),
            "rows_per_s": rate,
        }
        document |= {"rejects": self.rejected.first}
        return document if self.repeats is None else document | {"repeats": repeats_document(self.repeats)}

    def _for_people(self) -> None:
        out, done = console(), self.done
        rate = round(done.rows / self.seconds) if self.seconds else 0
        out.print(f"{self.file.path}: detected: {taken_as(self.file)}")
        self._print_columns()
        new = f"{count(done.new, 'lead')} would be new" if self.checked else count(done.new, "new lead")
        out.print(
            f"{count(done.rows, 'row')}: {new}, {done.repeated:,} already imported, "
            f"{done.rejected:,} rejected ({rate:,} rows/s)"
        )
        for line in unreadable_lines(self.done.contacts, self.reader):
            out.print(line)
        for name, cells in self.reader.failed_cells.items():
            out.print(f"{name}: {count(cells, 'cell')} with no value (such as #N/A or NULL), read as empty")
        for line in customers_lines(self.done.customers, self.tenant):
            out.print(line)
        for line in same_ids_lines(self.same_ids):
            out.print(line)
        self._print_differences()
        if self.repeats is not None:
            for line in repeats_lines(self.repeats):
                out.print(line)
            out.print("nothing was written")
        elif done.merged is not None:
            waiting = done.new - done.merged - done.parked
            merged = count(done.merged, "duplicate merged into an earlier lead", "duplicates merged into earlier leads")
            out.print(f"new: {waiting:,} waiting, {merged}, {done.parked:,} parked")
        self._print_rejected()

    def _print_columns(self) -> None:
        out = console()
        for note in self.file.notes:
            out.print(note)
        if document := columns_document(self.file, self.plan):
            out.print(columns_table(document))
            for line in suggestion_lines(document):
                out.print(line)
        if unseen := self._unseen():
            out.print(
                f"no row has what the mapping names: {', '.join(map(repr, unseen))}; is it spelled as in the file?"
            )
        if self.done.rejected == self.done.rows and self.plan == FileMapping() and self.file.first_fields:
            has = listed(map(shorten, self.file.first_fields), COLUMNS_LISTED)
            out.print(f"the rows have {has}; say in a mapping what they mean: --mapping M.yaml")
        if self.file.blank_rows:
            out.print(f"{count(self.file.blank_rows, 'blank row')} skipped")
        if times := self.reader.times_without_offset:
            whose = "as the mapping says" if self.plan.time_zone else "the tenant's zone; time_zone: in the mapping"
            out.print(f"{count(times, 'time')} without offset read in {self.zone} ({whose})")
            if named := self._zone_named():
                out.print(f"  but their column {named}; if that is their zone, name it in the mapping: time_zone: UTC")

    def _zone_named(self) -> str:
        """What the column of the times says of their zone, where no mapping says it."""
        column = self.reader.column_of("created_at")
        said = None if self.plan.time_zone else zone_in_name(column, self.zone, zone_names())
        return f"{column!r} says {said}" if said else ""

    def _unseen(self) -> list[str]:
        """What the mapping names of JSON rows, and no row has."""
        made = {name for split in self.plan.split for name in split.into} | {join.into for join in self.plan.join}
        return sorted((self.file.unseen & self.plan.columns) - self.plan.drop - made) if self.done.rows else []

    def _print_rejected(self) -> None:
        out, rejected = console(), self.done.rejected
        for one in self.rejected.first[:SHOWN]:
            where = f"line {one['line']}" + (f", {one['column']}" if one["column"] else "")
            out.print(f"  {where}: {one['reason']}")
        if rejected > SHOWN:
            rest = "" if self.rejects_file else "; --rejects FILE writes all of them"
            out.print(f"  … and {rejected - SHOWN:,} more{rest}")
        if self.rejects_file:
            out.print(f"rejected rows with reasons: {self.rejects_file}")
        if self.number is not None and self.done.new:
            out.print(f"import {self.number}; to take it back: lead-router leads undo-import {self.number}")

    def _print_differences(self) -> None:
        out, differing = console(), self.done.differing
        if not differing:
            return
        verb = count(differing, "existing lead differs", "existing leads differ")
        out.print(f"{verb} from this file; the stored version was kept:")
        for one in self.differing.first[:SHOWN]:
            out.print(f"  line {one['line']}, {one['external_id']}: {', '.join(one['fields'])}")
        if differing > SHOWN:
            out.print(f"  … and {differing - SHOWN:,} more; --json has the first {KEPT}")
        out.print("  edits are ignored; a different person needs a different external_id")
        if not self.checked:
            out.print("  to change leads that no rep has yet: lead-router leads correct FILE")


@dataclass(slots=True)
class RejectedRows:
    """The first rejected rows."""

    first: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: Row, column: str, reason: str) -> None:
        if len(self.first) < KEPT:
            self.first.append({"line": row.line, "column": column[:_LONG], "reason": reason[:_LONG]})


@dataclass(slots=True)
class DifferingRows:
    """The first rows that differ from the stored lead: which fields differ, not their values."""

    first: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: Row, lead: LeadIn, fields: Sequence[str]) -> None:
        if len(self.first) < KEPT:
            said = {"source": lead.source, "external_id": lead.external_id, "fields": list(fields)}
            self.first.append({"line": row.line, **said})


def taken_as(file: LeadFile) -> str:
    """The encoding and the delimiter that a file is read with, for people."""
    name = encoding.display_name(file.encoding)
    if file.sheet is not None:
        return f"workbook, sheet {file.sheet!r}"
    return f"{name}, {delimiter.display_name(file.delimiter)}-separated" if file.is_csv else f"{name}, JSON lines"


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
