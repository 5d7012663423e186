"""An event as others see it: pure. Thin on purpose: what became of which lead, and what a CRM needs to know at once."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from router.domain.worded import worded
from router.outbox.cursor import Cursor


class EventType(StrEnum):
    """What can happen to a lead."""

    ASSIGNED = "lead.assigned"
    REASSIGNED = "lead.reassigned"
    RETURNED = "lead.returned"
    ENDED = "lead.ended"
    PARKED = "lead.parked"
    UNPARKED = "lead.unparked"
    MERGED = "lead.merged"
    UNMERGED = "lead.unmerged"
    CUSTOMER_CHANGED = "lead.customer_changed"
    REMOVED = "lead.removed"


TYPES = [one.value for one in EventType]
"""All types, as texts."""


class Event(msgspec.Struct, frozen=True):
    """`id` stays the same however often the event is read or delivered; `at` = when it happened (UTC); `cursor` = where
    to go on after it.
    """

    id: str
    type: str
    at: datetime
    lead_id: int
    cursor: Cursor
    data: Mapping[str, Any]

    @property
    def key(self) -> tuple[int, int]:
        """(event number, place in its row): what the id is made of."""
        return event_key(self.id)

    def document(self) -> dict[str, Any]:
        """For machines; the body of a webhook is this without the cursor."""
        return {**self.body(), "cursor": str(self.cursor)}

    def body(self) -> dict[str, Any]:
        """As Standard Webhooks has it."""
        return {"id": self.id, "type": self.type, "timestamp": self.at.isoformat(), "data": self.data}


def event_id(event_no: int, place: int) -> str:
    """The stable id; it has no dot, since that separates the parts of what is signed."""
    return f"evt_{event_no}_{place}"


def event_key(text: str) -> tuple[int, int]:
    """(event number, place in its row) of an id. Raises ValueError."""
    prefix, *numbers = text.split("_")
    if prefix != "evt" or len(numbers) != 2 or not all(n.isascii() and n.isdecimal() and len(n) < 19 for n in numbers):
        raise ValueError(worded("invalid event id {text!r}: it looks like evt_1042_17", text=text))
    return int(numbers[0]), int(numbers[1])


def event_of(row: Mapping[str, Any], rule: str | None) -> Event:
    """The event of a stored row; `rule` = the name of the rule that assigned (None = by hand, or no assignment)."""
    lead = {"lead_id": row["lead_id"], "source": row["source"], "external_id": row["external_id"]}
    return Event(
        event_id(row["event_no"], row["place"]),
        row["type"],
        row["at"].astimezone(UTC),
        row["lead_id"],
        Cursor(row["position"], row["place"]),
        lead | _DETAILS[row["type"]](row, rule),
    )


def _rep(rep_id: str | None, name: str | None) -> dict[str, str | None] | None:
    return None if rep_id is None else {"rep_id": rep_id, "name": name}


def _had(row: Mapping[str, Any], _rule: str | None) -> dict[str, Any]:
    return {"rep": _rep(row["rep_id"], row["rep_name"])}


def _assigned(row: Mapping[str, Any], rule: str | None) -> dict[str, Any]:
    # What a CRM had given before it was taken over says so in its word.
    if row["rule_no"] is None:
        return _had(row, rule) | {"by": row["word"] or "hand"}
    return _had(row, rule) | {"by": "rule", "rule": rule, "group": row["group_name"]}


def _reassigned(row: Mapping[str, Any], rule: str | None) -> dict[str, Any]:
    return _assigned(row, rule) | {"previous_rep": _rep(row["previous_rep_id"], row["previous_rep_name"])}


def _ended(row: Mapping[str, Any], rule: str | None) -> dict[str, Any]:
    return _had(row, rule) | {"outcome": row["word"]}


def _reason(row: Mapping[str, Any], _rule: str | None) -> dict[str, Any]:
    return {"reason": row["word"]}


def _merged(row: Mapping[str, Any], _rule: str | None) -> dict[str, Any]:
    return {"into_lead_id": row["target"]}


def _unmerged(row: Mapping[str, Any], _rule: str | None) -> dict[str, Any]:
    return {"from_lead_id": row["previous"]}


def _nothing_more(_row: Mapping[str, Any], _rule: str | None) -> dict[str, Any]:
    return {}


def _customer(row: Mapping[str, Any], _rule: str | None) -> dict[str, Any]:
    return {"customer_id": row["target"], "previous_customer_id": row["previous"]}


_DETAILS = {
    EventType.ASSIGNED: _assigned,
    EventType.REASSIGNED: _reassigned,
    EventType.RETURNED: _had,
    EventType.ENDED: _ended,
    EventType.PARKED: _reason,
    EventType.UNPARKED: _reason,
    EventType.MERGED: _merged,
    EventType.UNMERGED: _unmerged,
    EventType.CUSTOMER_CHANGED: _customer,
    EventType.REMOVED: _nothing_more,
}
