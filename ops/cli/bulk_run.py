"""Commands that do something for every row of a file: reading it, the rejects file, progress, and what they report."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, Found, console, print_json
from ops.cli.file_options import file_options
from ops.cli.lead_report import LOG_EVERY_S, SHOWN
from ops.cli.leads import check_rejects_path, mapping_of, opened_file
from ops.cli.options import require_tenant, tenant_option
from ops.cli.screen import Screen
from ops.documents.file_import import taken_as
from ops.documents.import_result import RejectedRows
from router.domain.date_forms import orders_of
from router.domain.phrases import count
from router.intake.bulk_file import BulkFile, BulkProgress, Work
from router.intake.lead_file import FileUnusable, LeadFile, Row
from router.intake.rejects import RejectsFile
from router.intake.row_fields import RowFields
from router.intake.times import latest_day
from router.manual.by_hand import CannotGive
from router.rules.mapping import FileMapping
from router.store.errors import LOCK_TIMEOUTS
from router.store.leads import TenantRemoved, database_clock
from router.store.statements import Connection
from router.store.tenants import Tenant
from router.telemetry.logs import get_logger

log = get_logger(__name__)

_OPTIONS = (
    click.option(
        "--rejects", "rejects_file", type=click.Path(path_type=Path), help="Default: FILE.rejects.csv beside FILE."
    ),
    click.option("--dry-run", "--check", "dry_run", is_flag=True, help="Report what would be done; change nothing."),
)


@dataclass(frozen=True, slots=True)
class BulkAsked:
    """What was asked for: which file, how it is read, and what becomes of it."""

    file: Path
    tenant: str | None
    mapping_file: Path | None
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    rejects_file: Path | None
    dry_run: bool


def bulk_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds FILE and all options of a command that reads one for what it does; the command gets them as `asked`."""

    @wraps(command)
    def gathered(*arguments: Any, file: Path, tenant_name: str | None, **options: Any) -> None:
        own = {name: options.pop(name) for name in BulkAsked.__slots__ if name in options}
        command(*arguments, asked=BulkAsked(file=file, tenant=tenant_name, **own), **options)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return click.argument("file", type=click.Path(path_type=Path))(tenant_option(file_options(gathered)))


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command makes its work of. `own` reads the fields of `names` from rows."""

    conn: Connection
    tenant: Tenant
    file: LeadFile
    plan: FileMapping
    now: Any
    own: Callable[[tuple[str, ...]], RowFields]


@dataclass(frozen=True, slots=True)
class Rows:
    """How rows are read, what is done with them, and how much of it is done so far, in words for an interruption."""

    read: Callable[[Row], Any]
    work: Work[Any]
    fields: RowFields
    so_far: Callable[[], str]
    done: Callable[[BulkProgress], Awaitable[None]] | None = None


@dataclass(slots=True)
class BulkOutcome:
    """How it went; commands add what they did."""

    asked: BulkAsked
    tenant: Tenant
    file: LeadFile
    read: BulkProgress
    rejected: RejectedRows
    rejects_file: str | None
    seconds: float
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return EXIT_FOUND if self.read.rejected else 0

    @property
    def rate(self) -> int:
        """Rows a second."""
        return round(self.read.rows / self.seconds) if self.seconds else 0

    def print_json(self, done: Mapping[str, Any]) -> None:
        """`done` is what the command did."""
        print_json(
            {
                "file": str(self.asked.file),
                "tenant": self.tenant.name,
                "dry_run": self.asked.dry_run,
                "encoding": self.file.encoding,
                "delimiter": self.file.delimiter if self.file.is_csv else None,
                "sheet": self.file.sheet,
                "rows": self.read.rows,
                **done,
                "rejected": self.read.rejected,
                "rejects_file": self.rejects_file,
                "rejects": self.rejected.first,
                "seconds": round(self.seconds, 3),
                "rows_per_s": self.rate,
            }
        )

    def print_for_people(self, done: str, lines: Sequence[str], *, changed: bool) -> None:
        """`done` completes "N rows: …"; `lines` come after it; `changed` = something was changed, or would be."""
        out = console()
        out.print(f"{self.file.path}: detected: {taken_as(self.file)}")
        for note in self.file.notes:
            out.print(note)
        out.print(f"{count(self.read.rows, 'row')}: {done}, {self.read.rejected:,} rejected ({self.rate:,} rows/s)")
        for line in lines:
            out.print(line)
        for one in self.rejected.first[:SHOWN]:
            where = f"line {one['line']}" + (f", {one['column']}" if one["column"] else "")
            out.print(f"  {where}: {one['reason']}")
        if self.read.rejected > SHOWN:
            rest = "" if self.rejects_file else "; --rejects FILE writes all of them"
            out.print(f"  … and {self.read.rejected - SHOWN:,} more{rest}")
        if self.rejects_file:
            out.print(f"rejected rows with reasons: {self.rejects_file}")
        if self.asked.dry_run:
            out.print("nothing changed (--dry-run)")
        elif not changed:
            out.print(
                "nothing changed: what the file says is so already" if not self.read.rejected else "nothing changed"
            )


async def run_bulk(
    context: Context,
    asked: BulkAsked,
    fields: tuple[str, ...],
    needed: Sequence[tuple[str, ...]],
    make: Callable[[Opened], Awaitable[Rows]],
    part_rows: int = 1_000,
) -> BulkOutcome:
    """Reads the file and does the work, in parts of so many rows. `fields` are those that columns can mean; of each of
    `needed` there must be one. Raises CannotRun and Found, with what was done before.
    """
    plan = mapping_of(asked.mapping_file, fields)
    started = time.monotonic()
    named = asked.rejects_file or asked.file.parent / f"{asked.file.name}.rejects.csv"
    path = None if asked.dry_run and not asked.rejects_file else named
    async with AsyncExitStack() as open_:
        opened = open_.enter_context(
            opened_file(asked.file, plan, asked.encoding, asked.delimiter, asked.sheet, needed)
        )
        if path:
            check_rejects_path(path, asked.file)
        conn = await open_.enter_async_context(context.connection())
        tenant = await require_tenant(conn, asked.tenant)
        now = await database_clock(conn)

        def own(names: tuple[str, ...]) -> RowFields:
            return RowFields(
                plan,
                names,
                now,
                tenant.time_zone,
                lambda column: orders_of(_texts(opened, column), latest_day(now)),
                from_1904=opened.from_1904,
            )

        rows = await make(Opened(conn, tenant, opened, plan, now, own))
        shown = RejectedRows()
        rejects = RejectsFile(path, opened) if path else None
        if rejects:
            open_.callback(rejects.discard)
        report = open_.enter_context(_reporting(opened))
        run = BulkFile(opened, rows.read, rows.work, rows.fields.column_of, _both(shown, rejects), report, part_rows)
        try:
            read = await run.run()
        except FileUnusable as error:
            raise CannotRun(f"{error} ({taken_as(opened)}); {rows.so_far()} before") from error
        except TenantRemoved as error:
            raise CannotRun(str(error)) from error
        except CannotGive as error:
            raise Found(f"{rows.so_far()}; then: {error}") from error
        except LOCK_TIMEOUTS as error:
            why = "then the lane or customers were locked by another session: run it again for the rest"
            raise Found(f"{rows.so_far()}; {why}") from error
        if rejects:
            rejects.finish()
        if rows.done is not None:
            await rows.done(read)
    written = str(path) if read.rejected and path else None
    return BulkOutcome(asked, tenant, opened, read, shown, written, time.monotonic() - started)


def _texts(file: LeadFile, column: str) -> Iterator[str]:
    return (value for value in file.values_of(column) if isinstance(value, str))


def _both(shown: RejectedRows, rejects: RejectsFile | None) -> Callable[[Row, str, str], None]:
    def reject(row: Row, column: str, reason: str) -> None:
        shown.add(row, column, reason)
        if rejects:
            rejects.add(row, column, reason)

    return reject


@contextmanager
def _reporting(file: LeadFile) -> Iterator[Callable[[BulkProgress], None]]:
    """A progress bar on a terminal, otherwise a line in the log now and then; both on stderr."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    screen, last = Screen(stderr=True), time.monotonic()
    if not screen.is_terminal:

        def note(done: BulkProgress) -> None:
            nonlocal last
            if time.monotonic() - last >= LOG_EVERY_S:
                last = time.monotonic()
                percent = 100 * done.position // max(1, file.size)
                log.info("reading a file", file=str(file.path), percent=percent, rows=done.rows, rejected=done.rejected)

        yield note
        return
    counts = TextColumn("{task.fields[rows]:,} rows, {task.fields[rejected]:,} rejected")
    name = TextColumn("{task.description}", markup=False)
    with Progress(name, BarColumn(), DownloadColumn(), counts, TimeRemainingColumn(), console=screen) as bar:
        task = bar.add_task(file.path.name, total=file.size, rows=0, rejected=0)
        yield lambda done: bar.update(task, completed=done.position, rows=done.rows, rejected=done.rejected)
