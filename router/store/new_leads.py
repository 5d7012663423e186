"""New leads go into their tables: each into `lead` and into exactly one of pool, merged and parked.

Leads are stored in one order for everybody: intakes of the same leads wait for each other and cannot deadlock.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from router.domain.lead_in import LeadIn
from router.rules.repeats import Arrival
from router.store.customers import NewCustomerKeys
from router.store.idempotency import HOLDS_S, KeyOvertakenError, NewKey
from router.store.statements import Connection, load

_SQL = load("new_leads")
_COLUMNS = (
    *("tenant_id", "lead_id", "received_at", "customer_id", "created_at", "source", "external_id"),
    *LeadIn._fields[3:16],
    "enquiry",
)
_FEW = 100
"""Up to so many leads are stored with one statement: for them the round trips are what costs."""


def are_few(leads: int) -> bool:
    """Whether so many leads are stored with one statement."""
    return leads <= _FEW


class Beside(NamedTuple):
    """What is stored with a few leads in one statement: keys of new customers, and idempotency keys of a route."""

    customer_keys: NewCustomerKeys = NewCustomerKeys()
    route: str = ""
    idempotency_keys: Sequence[NewKey] = ()


NOTHING = Beside()


async def write_leads(
    conn: Connection,
    tenant_id: int,
    arrivals: Sequence[Arrival],
    merged: Mapping[int, int],
    now: datetime,
    beside: Beside = NOTHING,
) -> None:
    """Stores the arrivals as of `now`, with their events; `merged` are those that repeat a lead, with that lead. There
    is something `beside` them only where they `are_few`.

    Raises UniqueViolationError when somebody else was first with one of the leads or the customers' keys, and
    KeyOvertakenError.
    """
    ordered = sorted(arrivals, key=_by_identity)
    if are_few(len(arrivals)):
        await _write_few(conn, tenant_id, ordered, merged, now, beside)
    else:
        assert beside is NOTHING
        await _write_many(conn, tenant_id, ordered, merged, now)


def _by_identity(arrival: Arrival) -> str:
    """Sorts as source and external id do, neither of which holds a NUL; one text is compared faster than two."""
    return f"{arrival.lead[0]}\0{arrival.lead[1]}"


async def _write_few(
    conn: Connection,
    tenant_id: int,
    arrivals: Sequence[Arrival],
    merged: Mapping[int, int],
    now: datetime,
    beside: Beside,
) -> None:
    rows = msgspec.json.encode([_row(a, merged.get(a.lead_id)) for a in arrivals]).decode()
    keys, answered = beside.customer_keys, beside.idempotency_keys
    stored = await _SQL.store_few.value(
        conn,
        tenant_id=tenant_id,
        moment=now,
        rows=rows,
        keys=keys.names,
        customer_ids=keys.customer_ids,
        people=keys.people,
        route=beside.route,
        idempotency_keys=[one.key for one in answered],
        body_hashes=[one.body_hash for one in answered],
        idempotency_leads=[one.lead_id for one in answered],
        answers=[one.answer for one in answered],
        holds_s=float(HOLDS_S),
    )
    if stored < len(answered):
        raise KeyOvertakenError
    others = [a for a in arrivals if a.lead_id in merged or a.lead.invalid is not None]
    if others:
        await _place(conn, tenant_id, others, merged, now)


class _Row(msgspec.Struct, omit_defaults=True):
    """By the names of the columns; what is left out is null."""

    lead_id: int
    source: str
    external_id: str
    created_at: datetime
    priority: int
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    company: str | None = None
    declared_customer: str | None = None
    customer_id: int | None = None
    region: str | None = None
    industry: str | None = None
    product: str | None = None
    campaign: str | None = None
    ad_id: str | None = None
    landing_page: str | None = None
    attributes: msgspec.Raw | None = None
    into_lead_id: int | None = None
    invalid: str | None = None
    enquiry: str | None = None


def _row(arrival: Arrival, into: int | None) -> _Row:
    lead_id, created_at, customer_id, lead = arrival
    source, external_id, _at, name, phone, email, company, declared = lead[:8]
    region, industry, product, campaign, ad_id, landing_page = lead[8:14]
    priority, attributes, _malformed, invalid, enquiry = lead[14:]
    return _Row(
        lead_id,
        source,
        external_id,
        created_at,
        priority,
        name,
        phone,
        email,
        company,
        declared,
        customer_id,
        region,
        industry,
        product,
        campaign,
        ad_id,
        landing_page,
        None if attributes is None else msgspec.Raw(attributes.encode()),
        into,
        invalid,
        enquiry,
    )


async def _write_many(
    conn: Connection, tenant_id: int, arrivals: Sequence[Arrival], merged: Mapping[int, int], now: datetime
) -> None:
    await _copy_facts(conn, tenant_id, arrivals, now)
    await _place(conn, tenant_id, arrivals, merged, now)


async def _place(
    conn: Connection, tenant_id: int, arrivals: Sequence[Arrival], merged: Mapping[int, int], now: datetime
) -> None:
    """Puts stored leads where they are; all that are `merged` are among them."""
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
