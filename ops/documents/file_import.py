"""Importing a file of leads, or finding out what importing it would do: what the command and the API have in common."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from ops.documents.import_columns import columns_document
from ops.documents.import_result import KEPT, DifferingRows, ImportResult, RejectedRows
from router.domain.date_forms import orders_of
from router.domain.worded import Worded, changed, said_by, worded
from router.domain.worded_phrases import in_lines
from router.intake.delimiter import DelimiterUnknown, delimiter_named
from router.intake.delimiter import display_name as delimiter_words
from router.intake.encoding import EncodingUnknown, text_encoding
from router.intake.encoding import display_name as encoding_words
from router.intake.header_line import names_line
from router.intake.lead_check import Checking
from router.intake.lead_file import FileUnusable, LeadFile, Row
from router.intake.lead_import import Accepting, Imported, Intake, import_leads
from router.intake.normalise import LeadReader
from router.intake.times import latest_day
from router.intake.unique_ids import AcceptingUniqueIds
from router.rules.mapping import FileMapping, check_columns
from router.rules.match_rules import MatchRules
from router.rules.problems import InvalidFile
from router.store.customer_merges import match_rules
from router.store.ids import SameIds, same_ids_of_import
from router.store.imports import begin_import, end_import
from router.store.leads import TenantRemoved, database_clock
from router.store.rulesets import load_ruleset
from router.store.statements import Connection
from router.store.synonyms import load_spellings
from router.store.tenants import Tenant

_NEEDED = (("external_id",),)


class CannotImport(Exception):
    """Nothing can be made of the file, or of what it is read with; the message says why and what would be right.

    `columns` are those of a file that can be read, but not with this mapping, as `columns_document` has them.
    """

    def __init__(self, message: str, columns: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.columns = columns


class Rejects(Protocol):
    """Who hears of rejected rows."""

    def add(self, row: Row, column: str, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class ReadAs:
    """How a file is read: None = found out, of a workbook its first sheet."""

    plan: FileMapping = field(default_factory=FileMapping)
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None


def open_leads(
    path: Path, read_as: ReadAs, name: str | None = None, needed: Sequence[tuple[str, ...]] = _NEEDED
) -> LeadFile:
    """The file, whose columns fit the mapping, and one of each of the `needed` fields; `name` is what people call it
    (None = as its path), whose ending says what it is. Reads all of it. Raises CannotImport, and OSError.
    """
    plan = read_as.plan
    try:
        coding = text_encoding(read_as.encoding) if read_as.encoding else None
        delimiter = delimiter_named(read_as.delimiter) if read_as.delimiter else None
        opened = LeadFile(path, plan.columns | {*plan.fields}, coding, delimiter, read_as.sheet, name)
    except (FileUnusable, EncodingUnknown, DelimiterUnknown) as error:
        raise CannotImport(_named(said_by(error), path, name)) from error
    try:
        if opened.has_fields:
            check_columns(plan, opened.columns or (), opened.repeated, needed)
    except InvalidFile as error:
        read = worded("{file} was read as {read_as}", file=name or path, read_as=taken_as(opened))
        said = in_lines([error.said, read, *_header_hints(opened, plan)])
        opened.close()
        raise CannotImport(said, columns_document(opened, plan)) from error
    return opened


def _header_hints(opened: LeadFile, plan: FileMapping) -> Sequence[str]:
    """What may be wrong with a table that does not have the columns that it should have."""
    if (line := names_line(opened, plan.target)) is not None:
        return [worded("line {line} seems to have the names of the columns: delete the lines above it", line=line)]
    if opened.is_csv and opened.sheet is None and len(opened.columns or ()) == 1:
        return [
            worded(
                "the line of names is one cell; if its cells are separated by something else, name that as the "
                "delimiter"
            )
        ]
    return []


def _named(message: str, path: Path, name: str | None) -> str:
    """Without the path of a file that people know by another name."""
    return message if name is None else changed(message, lambda text: text.replace(str(path), name))


def taken_as(file: LeadFile) -> Worded:
    """The encoding and the delimiter that a file is read with, for people."""
    name = encoding_words(file.encoding)
    if file.sheet is not None:
        return worded("workbook, sheet {sheet}", sheet=repr(file.sheet))
    if not file.is_csv:
        return worded("{encoding}, JSON lines", encoding=name)
    return worded("{encoding}, {delimiter}-separated", encoding=name, delimiter=delimiter_words(file.delimiter))


async def reader_for(
    conn: Connection, tenant: Tenant, plan: FileMapping, file: LeadFile, *, ahead: bool = False
) -> LeadReader:
    """With the tenant's zone and synonyms, the phone region of the active rules, and what the file's dates allow:
    looked at when one needs it, which takes as long as reading the file, or `ahead` in a thread.
    """
    region = None
    if tenant.ruleset:
        region = (await load_ruleset(conn, tenant.tenant_id, tenant.ruleset)).default_phone_region
    known: Mapping[str, frozenset[str]] | None = None

    def orders() -> Mapping[str, frozenset[str]]:
        if known is not None:
            return known
        # Not as the reader knows it: that has seen no row yet.
        column = file.first_column(_means_time(plan))
        values = file.values_of(column) if column else ()
        return orders_of((value for value in values if isinstance(value, str)), latest_day(now))

    spellings, now = await load_spellings(conn, tenant.tenant_id), await database_clock(conn)
    reader = LeadReader(plan, now, region, spellings, zone=tenant.time_zone, orders=orders, from_1904=file.from_1904)
    if ahead:
        known = await asyncio.to_thread(orders)
    return reader


def _means_time(plan: FileMapping) -> Callable[[str], bool]:
    """Whether a column is that of the times; kept for some names, since JSON rows name theirs again and again."""
    return lru_cache(maxsize=1_000)(lambda name: plan.target(name) == "created_at" and not plan.dropped(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileImport:
    """One run over an open file: `check` = nothing is written. `name` and `mapping` are recorded with the import, as
    is its `actor`. `rejects` hears of all rejected rows, `batch` rows are one transaction.
    """

    conn: Connection
    tenant: Tenant
    file: LeadFile
    reader: LeadReader
    plan: FileMapping
    name: str
    mapping: str
    actor: str
    check: bool
    batch: int
    rejects: Rejects | None = None

    async def run(self, progress: Callable[[Imported], None]) -> ImportResult:
        """Cut off anywhere, whole batches are imported, and running it again does the rest. Raises CannotImport."""
        conn, tenant_id = self.conn, self.tenant.tenant_id
        ties = await match_rules(conn, tenant_id)
        shown, differing = RejectedRows(), DifferingRows()
        with ExitStack() as open_:
            checking = open_.enter_context(self._checking(ties)) if self.check else None
            number = None if checking else await begin_import(conn, tenant_id, self.actor, self.name, self.mapping)
            intake = checking or self._accepting(ties, number)
            try:
                done = await import_leads(
                    intake, self.file, self.reader, self._reject(shown), self.batch, progress, differing.add
                )
            except FileUnusable as error:
                said = _named(said_by(error), self.file.path, self.file.name)
                raise CannotImport(
                    worded("{problem} ({read_as})", problem=said, read_as=taken_as(self.file))
                ) from error
            except TenantRemoved as error:
                raise CannotImport(said_by(error)) from error
            repeats = await checking.repeats() if checking else None
            same_ids = checking.same_ids if checking else SameIds()
        if number is not None:
            await end_import(conn, tenant_id, number, done.rows, done.rejected)
            if not self.plan.ids_unique_over_sources:
                same_ids = await same_ids_of_import(conn, tenant_id, number, KEPT)
        return ImportResult(
            done=done,
            file=self.file,
            name=self.name,
            tenant=self.tenant.name,
            zone=self.plan.time_zone or self.tenant.time_zone,
            checked=self.check,
            reader=self.reader,
            plan=self.plan,
            rejected=shown,
            differing=differing,
            repeats=repeats,
            number=number,
            same_ids=same_ids,
        )

    def _checking(self, ties: MatchRules) -> Checking:
        unique = self.plan.ids_unique_over_sources
        return Checking(self.conn, self.tenant.tenant_id, ties, ids_unique_over_sources=unique)

    def _accepting(self, ties: MatchRules, number: int | None) -> Intake:
        accepting = Accepting(self.conn, self.tenant.tenant_id, ties, number)
        return AcceptingUniqueIds(accepting) if self.plan.ids_unique_over_sources else accepting

    def _reject(self, shown: RejectedRows) -> Callable[[Row, str, str], None]:
        def reject(row: Row, column: str, reason: str) -> None:
            shown.add(row, column, reason)
            if self.rejects is not None:
                self.rejects.add(row, column, reason)

        return reject
