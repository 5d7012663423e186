"""What an import of a file of leads brought, or would bring, for machines; the command, the API and the console."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.documents.import_columns import columns_document, unseen_columns
from ops.documents.import_notes import customers_document, repeats_document, same_ids_document, unreadable_document
from router.domain.calendar import zone, zone_names
from router.domain.lead_in import LeadIn
from router.domain.worded import parts_of
from router.domain.zone_meant import zone_in_name
from router.intake.lead_file import LeadFile, Row
from router.intake.lead_import import Imported
from router.intake.normalise import LeadReader
from router.intake.repeat_book import WouldRepeat
from router.rules.mapping import FileMapping
from router.store.ids import SameIds

KEPT = 100
"""Rows that are named one by one."""
_LONG = 500


@dataclass(slots=True)
class RejectedRows:
    """The first rejected rows."""

    first: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: Row, column: str, reason: str) -> None:
        if len(self.first) < KEPT:
            said = {"reason": reason[:_LONG], "parts": parts_of(reason)}
            self.first.append({"line": row.line, "column": column[:_LONG], **said})


@dataclass(slots=True)
class DifferingRows:
    """The first rows that differ from the stored lead: which fields differ, not their values."""

    first: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: Row, lead: LeadIn, fields: Sequence[str]) -> None:
        if len(self.first) < KEPT:
            said = {"source": lead.source, "external_id": lead.external_id, "fields": list(fields)}
            self.first.append({"line": row.line, **said})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """`name` is what people call the file. `checked` = nothing was written; `repeats` are those that a check found;
    `number` is that of the import; `same_ids` are new leads with the id of a lead from another source.
    """

    done: Imported
    file: LeadFile
    name: str
    tenant: str
    zone: str
    checked: bool
    reader: LeadReader
    plan: FileMapping
    rejected: RejectedRows
    differing: DifferingRows
    repeats: WouldRepeat | None = None
    number: int | None = None
    same_ids: SameIds = field(default_factory=SameIds)

    def document(self, rejects_file: str | None, seconds: float) -> dict[str, Any]:
        """`rejects_file` None = none was written."""
        counts = self.done.counts()
        del counts["position"]
        if self.repeats is not None:
            counts["merged"] = self.repeats.count
        document = {
            "file": self.name,
            "encoding": self.file.encoding,
            "delimiter": self.file.delimiter if self.file.is_csv else None,
            "sheet": self.file.sheet,
            "notes": list(map(str, self.file.notes)),
            "notes_parts": list(map(parts_of, self.file.notes)),
            "columns": columns_document(self.file, self.plan),
            "unseen": self.unseen,
            "blank_rows": self.file.blank_rows,
            "time_zone": self.zone,
            "times_without_offset": self.reader.times_without_offset,
            "zone_doubt": self.zone_doubt,
            "tenant": self.tenant,
            "checked": self.checked,
            "import": self.number,
            "rejects_file": rejects_file,
            **counts,
            "unreadable": unreadable_document(self.done.contacts, self.reader),
            "failed_cells": dict(self.reader.failed_cells),
            **customers_document(self.done.customers),
            **same_ids_document(self.same_ids),
            "differences": self.differing.first,
            "seconds": round(seconds, 3),
            "rows_per_s": round(self.done.rows / seconds) if seconds else 0,
        }
        document |= {"rejects": self.rejected.first}
        return document if self.repeats is None else document | {"repeats": repeats_document(self.repeats)}

    @property
    def unseen(self) -> list[str]:
        """What the mapping names of JSON rows, and no row has."""
        return unseen_columns(self.file, self.plan, self.done.rows)

    @property
    def zone_doubt(self) -> str:
        """What the column of the times says of their zone, where no mapping says it and times had no offset."""
        if self.plan.time_zone or not self.reader.times_without_offset:
            return ""
        column = self.reader.column_of("created_at")
        said = zone_in_name(column, self.zone, zone_names(), zone)
        return f"{column!r} says {said}" if said else ""
