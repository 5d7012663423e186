"""`lead-router leads import`."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import click

from ops.cli.context import EXIT_FOUND, CannotRun, Context, async_command, json_option
from ops.cli.file_options import file_options
from ops.cli.lead_report import KEPT, DifferingRows, Outcome, RejectedRows, reporting, taken_as
from ops.cli.options import current_user, require_tenant, tenant_option, warn_of_zone
from router.domain.date_forms import orders_of
from router.intake.delimiter import DelimiterUnknown, delimiter_named
from router.intake.encoding import EncodingUnknown, text_encoding
from router.intake.header_line import names_line
from router.intake.lead_check import Checking
from router.intake.lead_file import FileUnusable, LeadFile, Row
from router.intake.lead_import import Accepting, Intake, import_leads
from router.intake.normalise import LeadReader
from router.intake.rejects import RejectsFile, is_rejects_file
from router.intake.times import latest_day
from router.intake.unique_ids import AcceptingUniqueIds
from router.rules.mapping import FIELDS, FileMapping, check_columns, read_mapping
from router.rules.match_rules import MatchRules
from router.rules.problems import InvalidFile
from router.runtime.garbage import tune_gc_for_import
from router.store.customer_merges import match_rules
from router.store.ids import SameIds, same_ids_of_import
from router.store.imports import begin_import, end_import
from router.store.leads import TenantRemoved, database_clock
from router.store.rulesets import load_ruleset
from router.store.statements import Connection
from router.store.synonyms import load_spellings
from router.store.tenants import Tenant


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
        reader = await reader_for(conn, tenant, plan, opened)
        ties = await match_rules(conn, tenant.tenant_id)
        checking = _checking(conn, tenant, plan, ties) if check else None
        if checking:
            open_.enter_context(checking)
        number = None
        if not check:
            number = await begin_import(conn, tenant.tenant_id, current_user(), str(file), str(mapping_file or ""))
        accepting = Accepting(conn, tenant.tenant_id, ties, number)
        unique = AcceptingUniqueIds(accepting) if plan.ids_unique_over_sources else None
        intake: Intake = checking or unique or accepting
        shown, differing = RejectedRows(), DifferingRows()
        rejects = RejectsFile(rejects_path, opened) if rejects_path else None
        if rejects:
            open_.callback(rejects.discard)
        report = open_.enter_context(reporting(opened))
        try:
            done = await import_leads(intake, opened, reader, _both(shown, rejects), batch, report, differing.add)
        except FileUnusable as error:
            raise CannotRun(f"{error} ({taken_as(opened)})") from error
        except TenantRemoved as error:
            raise CannotRun(str(error)) from error
        if rejects:
            rejects.finish()
        repeats = await checking.repeats() if checking else None
        same_ids = checking.same_ids if checking else SameIds()
        if number is not None:
            await end_import(conn, tenant.tenant_id, number, done.rows, done.rejected)
            if not unique:
                same_ids = await same_ids_of_import(conn, tenant.tenant_id, number, KEPT)
    named = str(rejects_path) if done.rejected and rejects_path else None
    seconds = time.monotonic() - started
    zone = plan.time_zone or tenant.time_zone
    what = (done, opened, tenant.name, seconds, check, named, shown, differing, reader, plan, zone)
    Outcome(*what, repeats, number, same_ids).print(as_json=as_json)
    return EXIT_FOUND if done.rejected else 0


def _checking(conn: Connection, tenant: Tenant, plan: FileMapping, ties: MatchRules) -> Checking:
    return Checking(conn, tenant.tenant_id, ties, ids_unique_over_sources=plan.ids_unique_over_sources)


def _both(shown: RejectedRows, rejects: RejectsFile | None) -> Callable[[Row, str, str], None]:
    def reject(row: Row, column: str, reason: str) -> None:
        shown.add(row, column, reason)
        if rejects:
            rejects.add(row, column, reason)

    return reject


def mapping_of(mapping_file: Path | None, fields: tuple[str, ...] = FIELDS) -> FileMapping:
    """The mapping; None = the columns are named as the fields are, which are `fields`. Raises CannotRun."""
    if mapping_file is None:
        return FileMapping(fields=fields)
    try:
        plan = read_mapping(mapping_file, fields)
    except InvalidFile as error:
        raise CannotRun(str(error)) from error
    except OSError as error:
        raise CannotRun(f"{mapping_file}: {error.strerror or error}") from error
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
        coding = text_encoding(encoding) if encoding else None
        known = plan.columns | {*plan.fields}
        opened = LeadFile(file, known, coding, delimiter_named(delimiter) if delimiter else None, sheet)
    except (FileUnusable, EncodingUnknown, DelimiterUnknown) as error:
        raise CannotRun(str(error)) from error
    except OSError as error:
        raise CannotRun(f"{file}: {error.strerror or error}") from error
    try:
        if opened.has_fields:
            check_columns(plan, opened.columns or (), opened.repeated, needed)
    except InvalidFile as error:
        hint = _header_hint(opened, plan)
        opened.close()
        raise CannotRun(f"{error}\n{file} was read as {taken_as(opened)}{hint}") from error
    return opened


def _header_hint(opened: LeadFile, plan: FileMapping) -> str:
    """What may be wrong with a table that does not have the columns that it should have."""
    if (line := names_line(opened, plan.target)) is not None:
        return f"\nline {line} seems to have the names of the columns: delete the lines above it"
    if opened.is_csv and opened.sheet is None and len(opened.columns or ()) == 1:
        return "\nthe line of names is one cell; if something else stands between its cells, --delimiter names it"
    return ""


def check_rejects_path(rejects: Path, file: Path) -> None:
    """Fails now rather than after an hour, at the first rejected row; and never overwrites anything else."""
    if rejects.exists() and (rejects.samefile(file) or not is_rejects_file(rejects)):
        raise CannotRun(f"{rejects} exists and is not a rejects file; choose another file with --rejects")
    if not os.access(rejects.parent, os.W_OK | os.X_OK):
        raise CannotRun(f"{rejects.parent} is not writable; choose another place for the rejects file with --rejects")


async def reader_for(conn: Connection, tenant: Tenant, plan: FileMapping, file: LeadFile) -> LeadReader:
    """With the tenant's zone and synonyms, the phone region of the active rules, and what the file's dates allow."""
    region = None
    if tenant.ruleset:
        region = (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).default_phone_region

    def orders() -> Mapping[str, frozenset[str]]:
        column = reader.column_of("created_at")
        return orders_of((value for value in file.values_of(column) if isinstance(value, str)), latest_day(now))

    spellings, now = await load_spellings(conn, tenant.tenant_id), await database_clock(conn)
    reader = LeadReader(plan, now, region, spellings, zone=tenant.time_zone, orders=orders, from_1904=file.from_1904)
    return reader
