"""Exact repeats: the same enquiry sent again within a day, which must not go to a rep a second time. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from router.domain.lead_in import LeadIn

WINDOW = timedelta(hours=24)


class Arrival(NamedTuple):
    """A new lead with what acceptance gave it. `created_at` is aware."""

    lead_id: int
    created_at: datetime
    customer_id: int | None
    lead: LeadIn


def enquiry(arrival: Arrival) -> tuple[object, ...]:
    """What makes two leads the same enquiry: customer, source, product, and who it says it is."""
    lead = arrival.lead
    return (
        arrival.customer_id,
        lead.source,
        lead.product,
        lead.name,
        lead.phone,
        lead.email,
        lead.company,
        lead.declared_customer,
    )


def find_repeats(arrivals: Sequence[Arrival], stored: Mapping[int, int]) -> dict[int, int]:
    """Which of the new leads repeat an earlier one: lead id to the id of the lead that it is merged into.

    `arrivals` come ordered by creation, then lead id; `stored` names those that repeat a lead of earlier
    batches, and that one's root. A repeat of a repeat is merged into the root, so there are no chains.
    """
    several = Counter(arrival.customer_id for arrival in arrivals)
    merged: dict[int, int] = {}
    last: dict[tuple[object, ...], tuple[datetime, int]] = {}
    for arrival in arrivals:
        root = stored.get(arrival.lead_id)
        if arrival.customer_id is None or (root is None and several[arrival.customer_id] == 1):
            continue
        what = enquiry(arrival)
        if root is None and what in last:
            before, earlier_root = last[what]
            if arrival.created_at - before <= WINDOW:
                root = earlier_root
        if root is not None:
            merged[arrival.lead_id] = root
        last[what] = (arrival.created_at, arrival.lead_id if root is None else root)
    return merged
