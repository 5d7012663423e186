"""Rows that say which rep owns which customer: read from a file. Pure."""

from typing import NamedTuple

from router.domain.lead_in import LeadIn
from router.intake.lead_file import Row
from router.intake.normalise import LeadReader
from router.intake.row_fields import RowFields
from router.rules.mapping import FileMapping

_WHO = ("customer_id", "phone", "email", "name", "company")
OWNER_FIELDS = ("external_id", *_WHO, "rep_id")
OWNER_NEEDED = (("customer_id", "phone", "email"), ("rep_id",))


class SaidOwner(NamedTuple):
    """The customer, as a lead would say who it is from, and the rep who has the customer."""

    who: LeadIn
    rep_id: str


def read_owner(plan: FileMapping, fields: RowFields, reader: LeadReader, row: Row) -> SaidOwner:
    """Raises Rejected."""
    found, rest = fields.split(row.cells)
    if "rep_id" not in found:
        raise fields.reject("rep_id", "is empty: who has the customer?")
    who = {column: value for column, value in rest.items() if not plan.dropped(column) and plan.target(column) in _WHO}
    # The reader of leads wants an id; nothing is stored under it.
    return SaidOwner(reader.read({**who, "external_id": str(row.line)}), found["rep_id"])
