"""Rows that say which lead a CRM has given to whom, and when: read from a file. Pure."""

from datetime import datetime
from typing import NamedTuple

from router.domain.lead_in import LeadIn
from router.intake.lead_file import Row
from router.intake.normalise import LeadReader
from router.intake.row_fields import RowFields
from router.intake.times import utc_words
from router.rules.mapping import FIELDS

OWN_FIELDS = ("rep_id", "assigned_at", "outcome", "ended_at", "reason")
ASSIGNED_FIELDS = (*FIELDS, *OWN_FIELDS)
ASSIGNED_NEEDED = (("external_id",), ("rep_id",), ("assigned_at",))
_OPEN = "open"


class SaidAssigned(NamedTuple):
    """The lead, the rep who got it and when (UTC); where it has ended the outcome (won, lost), when, and why."""

    lead: LeadIn
    rep_id: str
    assigned_at: datetime
    outcome: str | None = None
    ended_at: datetime | None = None
    reason: str = ""


def read_assigned(fields: RowFields, reader: LeadReader, row: Row) -> SaidAssigned:
    """Raises Rejected."""
    found, rest = fields.split(row.cells)
    for name in ("rep_id", "assigned_at"):
        if name not in found:
            raise fields.reject(name, "is empty: who has the lead, and since when?")
    assigned_at = fields.time("assigned_at", found["assigned_at"])
    outcome = fields.word("outcome", found["outcome"], (_OPEN, "won", "lost")) if "outcome" in found else _OPEN
    ended_at = fields.time("ended_at", found["ended_at"]) if "ended_at" in found else None
    if outcome == _OPEN and ended_at is not None:
        raise fields.reject("outcome", f"is {found.get('outcome', 'empty')}, and the row says when it ended")
    if outcome != _OPEN and ended_at is None:
        raise fields.reject("ended_at", f"is empty: when was it {outcome}?")
    if ended_at is not None and ended_at < assigned_at:
        raise fields.reject("ended_at", f"is before {fields.column_of('assigned_at')} {utc_words(assigned_at)}")
    lead = reader.read(rest)
    if lead.created_at is None:
        lead = lead._replace(created_at=assigned_at)
    closed = None if outcome == _OPEN else outcome
    return SaidAssigned(lead, found["rep_id"], assigned_at, closed, ended_at, found.get("reason", ""))
