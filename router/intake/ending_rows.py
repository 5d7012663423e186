"""Rows that say how leads ended: read from a file. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from router.domain.bulk_endings import OUTCOMES
from router.intake.row_fields import RowFields

ENDING_FIELDS = ("lead_id", "external_id", "source", "outcome", "rep_id", "ended_at", "reason")
ENDING_NEEDED = (("outcome",), ("external_id", "lead_id"))


class SaidEnding(NamedTuple):
    """What a row says: the lead by its number, or by external id and perhaps source; the outcome; and as far as it says
    so the rep, when (UTC), and why.
    """

    lead_id: int | None
    source: str | None
    external_id: str
    outcome: str
    rep_id: str | None
    ended_at: datetime | None
    reason: str


def read_ending(fields: RowFields, cells: Mapping[str, object]) -> SaidEnding:
    """Raises Rejected."""
    found, _ = fields.split(cells)
    number, external_id = found.get("lead_id"), found.get("external_id", "")
    if number is None and not external_id:
        raise fields.reject("external_id", "is empty: without it, or lead_id, the lead is not known")
    if "outcome" not in found:
        raise fields.reject("outcome", "is empty: won, lost or returned")
    at = found.get("ended_at")
    return SaidEnding(
        None if number is None else fields.number("lead_id", number),
        found.get("source"),
        external_id,
        fields.word("outcome", found["outcome"], OUTCOMES),
        found.get("rep_id"),
        None if at is None else fields.time("ended_at", at),
        found.get("reason", ""),
    )
