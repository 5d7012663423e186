"""Assignments that a CRM made before: their leads are stored or taken from where they wait, and given as they were."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from router.domain.lead import FACT_FIELDS, Facts, PoolLead
from router.domain.lead_in import LeadIn
from router.domain.taken_over import Known
from router.rules.customers import customer_keys, newly_shared
from router.rules.match_rules import parse_stored_match_rules
from router.rules.repeats import Arrival
from router.store.customers import customers_of, store_keys, tied_before
from router.store.lane import Book
from router.store.leads import RACES, Begun, OvertakenError, new_numbers
from router.store.new_leads import write_facts
from router.store.repeats import release_shared
from router.store.statements import Connection, load

_SQL = load("taken_over")


async def store_new(conn: Connection, tenant_id: int, leads: Sequence[LeadIn], begun: Begun) -> list[PoolLead]:
    """Stores new leads and their customers, in the order given, and puts them into no state yet. They repeat no other:
    a rep has each of them.

    The transaction has `begun`. Raises OvertakenError: roll it back and begin again.
    """
    try:
        return await _store_new(conn, tenant_id, leads, begun)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name in RACES:
            raise OvertakenError from error
        raise


async def _store_new(conn: Connection, tenant_id: int, leads: Sequence[LeadIn], begun: Begun) -> list[PoolLead]:
    now, rules = begun.moment, parse_stored_match_rules(begun.match_rules or "")
    customers = await customers_of(conn, tenant_id, [customer_keys(lead, rules) for lead in leads], rules.shared_above)
    numbers = await new_numbers(conn, begun, customers.found.new, len(leads))
    settled = customers.found.numbered(numbers.customer_ids)
    numbered = zip(numbers.lead_ids, settled.customers, leads, strict=False)
    arrivals = [Arrival(lead_id, lead.created_at or now, customer, lead) for lead_id, customer, lead in numbered]
    await store_keys(conn, tenant_id, customers, settled, now)
    await write_facts(conn, tenant_id, arrivals, now)
    if settled.shared and newly_shared(settled, customers.known) and (whose := tied_before(settled, customers)):
        await release_shared(conn, tenant_id, whose, rules, now)
    return [_pool_lead(one, now) for one in arrivals]


def _pool_lead(arrival: Arrival, now: datetime) -> PoolLead:
    lead = arrival.lead
    facts = Facts.of((lead.source or None, *(getattr(lead, name) for name in FACT_FIELDS[1:])))
    return PoolLead(arrival.lead_id, -lead.priority, now, arrival.created_at, facts, arrival.customer_id)


async def hold_free(conn: Connection, tenant_id: int, leads: Collection[int]) -> set[int]:
    """Those of the leads that wait or are parked, and that nobody else holds, locked until the transaction ends."""
    return {row[0] for row in await _SQL.hold_free.fetch(conn, tenant_id=tenant_id, lead_ids=sorted(leads))}


async def take_free(conn: Connection, tenant_id: int, leads: Collection[int]) -> dict[int, PoolLead]:
    """Takes leads that the transaction holds, and the lane with them, out of where they are."""
    if not leads:
        return {}
    rows = await _SQL.take_free.fetch(conn, tenant_id=tenant_id, lead_ids=sorted(leads))
    return {
        row["lead_id"]: PoolLead(
            lead_id=row["lead_id"],
            rank=row["rank"],
            queued_at=row["queued_at"],
            created_at=row["created_at"],
            facts=Facts.of(row[name] for name in FACT_FIELDS),
            customer_id=row["customer_id"],
            excluded=tuple(row["excluded"] or ()),
            wake_key=row["wake_key"],
            last_batch_no=row["last_batch_no"],
        )
        for row in rows
    }


async def customers_before(conn: Connection, tenant_id: int, customers: Collection[int]) -> Mapping[int, Known]:
    """Who has these customers; asked while the lane is held."""
    rows = await _SQL.customers.fetch(conn, tenant_id=tenant_id, customers=sorted(customers))
    return {row["customer_id"]: Known(row["owner"], row["last_rep"], row["last_at"]) for row in rows}


class TakenOver(NamedTuple):
    """An assignment as the CRM made it; `outcome` None = the rep has the lead now."""

    lead_id: int
    customer_id: int | None
    rep_no: int
    assigned_at: datetime
    outcome: str | None
    ended_at: datetime | None
    note: str


async def put(conn: Connection, book: Book, given: Sequence[TakenOver], owners: Mapping[int, int], actor: str) -> None:
    """Writes assignments in the order of their places in the batch, and the owners (rep number by customer)."""
    customers = sorted(owners)
    await _SQL.put.execute(
        conn,
        tenant_id=book.tenant_id,
        at=book.at,
        batch_no=book.batch_no,
        ruleset=book.ruleset,
        lead_ids=[one.lead_id for one in given],
        rep_nos=[one.rep_no for one in given],
        customers=[one.customer_id for one in given],
        assigned_at=[one.assigned_at for one in given],
        outcomes=[one.outcome for one in given],
        ended_at=[one.ended_at for one in given],
        notes=[one.note for one in given],
        actor=actor,
        owned=customers,
        owners=[owners[customer] for customer in customers],
    )
