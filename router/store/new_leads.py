"""New leads go into their tables: each into `lead` and into exactly one of pool, merged and parked.

Leads are stored in one order for everybody: intakes of the same leads wait for each other and cannot deadlock.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from router.domain.lead_in import LeadIn
from router.rules.repeats import Arrival
from router.store.statements import Connection, load

_SQL = load("new_leads")
_COLUMNS = (
    *("tenant_id", "lead_id", "received_at", "customer_id", "created_at", "source", "external_id"),
    *LeadIn._fields[3:16],
    "enquiry",
)
_FEW = 100
"""Up to so many leads are stored with one statement: for them the round trips are what costs."""


async def write_leads(
    conn: Connection, tenant_id: int, arrivals: Sequence[Arrival], merged: Mapping[int, int], now: datetime
) -> None:
    """Stores the arrivals as of `now`, with their events; `merged` are those that repeat a lead, with that lead.

    Raises UniqueViolationError when somebody else was first with one of the leads.
    """
    write = _write_few if len(arrivals) <= _FEW else _write_many
    await write(conn, tenant_id, sorted(arrivals, key=_by_identity), merged, now)


def _by_identity(arrival: Arrival) -> str:
    """Sorts as source and external id do, neither of which holds a NUL; one text is compared faster than two."""
    return f"{arrival.lead[0]}\0{arrival.lead[1]}"


async def _write_few(
    conn: Connection, tenant_id: int, arrivals: Sequence[Arrival], merged: Mapping[int, int], now: datetime
) -> None:
    rows = msgspec.json.encode([_row(a, merged.get(a.lead_id)) for a in arrivals]).decode()
    await _SQL.store_few.row(conn, tenant_id=tenant_id, moment=now, rows=rows)


def _row(arrival: Arrival, into: int | None) -> dict[str, object]:
    """By the names of the columns, and one name more that is ignored."""
    lead_id, created_at, customer_id, lead = arrival
    ours = {"lead_id": lead_id, "created_at": created_at, "customer_id": customer_id, "into_lead_id": into}
    attributes = None if lead.attributes is None else msgspec.Raw(lead.attributes.encode())
    return {**lead._asdict(), **ours, "attributes": attributes}


async def _write_many(
    conn: Connection, tenant_id: int, arrivals: Sequence[Arrival], merged: Mapping[int, int], now: datetime
) -> None:
    await _copy_facts(conn, tenant_id, arrivals, now)
    placed = [a for a in arrivals if a.lead_id not in merged] if merged else arrivals
    waiting = sorted([a for a in placed if a.lead.invalid is None], key=lambda a: (-a.lead.priority, a.lead_id))
    invalid = [a for a in placed if a.lead.invalid is not None]
    await _SQL.place.row(
        conn,
        tenant_id=tenant_id,
        moment=now,
        waiting=[a.lead_id for a in waiting],
        repeats=list(merged),
        repeated=list(merged.values()),
        invalid=[a.lead_id for a in invalid],
        reasons=[a.lead.invalid for a in invalid],
    )


async def write_facts(conn: Connection, tenant_id: int, arrivals: Sequence[Arrival], now: datetime) -> None:
    """Stores the arrivals as of `now` and puts them into no state: the caller does, in the same transaction.

    Raises UniqueViolationError when somebody else was first with one of the leads.
    """
    await _copy_facts(conn, tenant_id, sorted(arrivals, key=_by_identity), now)


async def _copy_facts(conn: Connection, tenant_id: int, arrivals: Sequence[Arrival], now: datetime) -> None:
    await conn.copy_records_to_table(
        "lead",
        records=[
            (tenant_id, lead_id, now, customer_id, created_at, lead[0], lead[1], *lead[3:16], lead[18])
            for lead_id, created_at, customer_id, lead in arrivals
        ],
        columns=_COLUMNS,
    )
