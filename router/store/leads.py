"""Accepting leads: lead, customer and place in the pool appear in one transaction, or not at all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec

from router.domain.lead_in import LeadIn
from router.rules.customers import customer_keys
from router.rules.differences import Again, Difference, alike, facts_of, find_differences
from router.rules.match_rules import MatchRules, parse_stored_match_rules
from router.rules.repeats import Arrival, find_repeats
from router.store.customers import customers_of
from router.store.processes import arrival_time
from router.store.statements import Connection, load
from router.store.synonyms import load_spellings
from router.store.transactions import IDLE_MS, retried

_SQL = load("leads")
INCOMING = (
    *("turn", "lead_id", *LeadIn._fields[:8], "customer_id"),
    *(*LeadIn._fields[8:16], "into_lead_id", "invalid"),
)

_FEW = 500
"""Up to so many leads are stored without a table of their own."""
_MS_A_LEAD = 1

Identity = tuple[str, str]
"""Source and external id: what makes a lead the same lead."""

StoredLead = asyncpg.Record
"""A lead that is there: `ord`, its number `lead_id`, and from the third column on what it says (COMPARED)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch.

    `new` leads are stored now; of these, `merged` repeat an earlier lead and `parked` are invalid; the rest
    is in the pool. `repeated` were stored before, or came twice in the batch; of these, `differing` differ from the
    stored lead, which is kept as it is. `lead_ids` has one id per lead that was handed in, in
    that order. `new_ids` are those of the new leads; `merged_into` says of the merged ones into which lead.
    """

    new: int
    repeated: int
    merged: int
    parked: int
    lead_ids: tuple[int, ...]
    differing: tuple[Difference, ...] = ()
    new_ids: frozenset[int] = field(default=frozenset(), repr=False)
    merged_into: Mapping[int, int] = field(default_factory=dict, repr=False)


class _OvertakenError(Exception):
    """Another intake stored one of our leads between our look and our write; look again."""


@retried
async def accept(
    conn: Connection,
    tenant_id: int,
    leads: Sequence[LeadIn],
    now: datetime | None = None,
    host_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Accepted:
    """Accepts a batch, durably and once, in one transaction (a savepoint inside the caller's, if any).

    Again with the same leads it does nothing. `now` (aware) stands in for the database's clock, to
    which `host_clock` is compared. A transaction around it has to be read committed.
    """
    # Each time others were faster, one lead more is there at the next look: so often, and no more, can it happen.
    for _ in range(len(leads) + 1):
        try:
            async with conn.transaction():
                return await _accept(conn, tenant_id, leads, now, host_clock)
        except _OvertakenError:
            continue
    raise RuntimeError(f"tenant {tenant_id}: leads that others stored first are gone again, {len(leads)} times over")


def _idle_timeout(leads: int) -> str:
    """This side works on the leads between two statements; whoever is gone keeps their customers from others."""
    return str(IDLE_MS + _MS_A_LEAD * leads)


async def database_clock(conn: Connection) -> datetime:
    """The time that is stored: the database's, aware."""
    moment: datetime = await _SQL.clock.value(conn)
    return moment


async def steady_plans(conn: Connection, tenant_id: int, leads: int) -> None:
    """Until the transaction ends: plans that do not depend on how many rows there were when they were made."""
    await _SQL.steady_plans.row(conn, tenant_id=tenant_id, idle_timeout=_idle_timeout(leads))


async def _accept(
    conn: Connection,
    tenant_id: int,
    leads: Sequence[LeadIn],
    now: datetime | None,
    host_clock: Callable[[], datetime],
) -> Accepted:
    begun = await _SQL.steady_plans.row(conn, tenant_id=tenant_id, idle_timeout=_idle_timeout(len(leads)))
    assert begun is not None
    host = host_clock()
    rules = parse_stored_match_rules(begun["match_rules"] or "")
    stored = await stored_leads(conn, tenant_id, leads)
    fresh: dict[Identity, LeadIn] = {}
    for lead in leads:
        if lead[:2] not in stored:
            fresh.setdefault(lead[:2], lead)
    archived = await archived_leads(conn, tenant_id, list(fresh.values())) if fresh and begun["archives"] else {}
    fresh = {identity: lead for identity, lead in fresh.items() if identity not in archived}
    arrivals: list[Arrival] = []
    merged: Mapping[int, int] = {}
    if fresh:
        moment = now or begun["clock"]
        if now is None:
            now = await arrival_time(conn, tenant_id, moment, host)
        arrivals, old_customers = await _arrive(conn, tenant_id, list(fresh.values()), rules, now or moment)
        merged = await _repeats(conn, tenant_id, arrivals, old_customers)
        await _write(conn, tenant_id, arrivals, merged, now)
    ids = archived | {identity: there["lead_id"] for identity, there in stored.items()}
    ids |= {arrival.lead[:2]: arrival.lead_id for arrival in arrivals}
    return Accepted(
        new=len(arrivals),
        repeated=len(leads) - len(arrivals),
        merged=len(merged),
        parked=sum(a.lead.invalid is not None and a.lead_id not in merged for a in arrivals),
        lead_ids=tuple(ids[lead[:2]] for lead in leads),
        differing=tuple(await differences(conn, tenant_id, _unlike(leads, stored, fresh))),
        new_ids=frozenset(arrival.lead_id for arrival in arrivals),
        merged_into=merged,
    )


def _unlike(
    leads: Sequence[LeadIn], stored: Mapping[Identity, StoredLead], fresh: Mapping[Identity, LeadIn]
) -> list[Again]:
    """The leads that are there, or came earlier in the batch, and were not identical then."""
    unlike = []
    for place, lead in enumerate(leads):
        if (there := stored.get(lead[:2])) is not None:
            said = there[2:]
        elif (first := fresh.get(lead[:2], lead)) is not lead:
            said = facts_of(first)
        else:
            continue
        if not alike(says := facts_of(lead), said):
            unlike.append(Again(place, says, said))
    return unlike


async def differences(conn: Connection, tenant_id: int, unlike: Sequence[Again]) -> list[Difference]:
    """Those that differ from before; words that the tenant's table makes one are one."""
    return find_differences(unlike, await load_spellings(conn, tenant_id)) if unlike else []


class Contact(NamedTuple):
    """Who a lead is about."""

    name: str | None
    phone: str | None
    email: str | None
    company: str | None


async def contact_of(conn: Connection, tenant_id: int, lead_id: int) -> Contact:
    """Who the lead is about; nobody where there is no such lead."""
    row = await _SQL.contact.row(conn, tenant_id=tenant_id, lead_id=lead_id)
    return Contact(*row) if row is not None else Contact(None, None, None, None)


async def states_of(conn: Connection, tenant_id: int, lead_ids: Sequence[int]) -> dict[int, tuple[str, int | None]]:
    """Where leads are now: the state, and of a merged one the lead that it was merged into."""
    async with conn.transaction():
        await steady_plans(conn, tenant_id, len(lead_ids))
        rows = await _SQL.states.fetch(conn, tenant_id=tenant_id, lead_ids=lead_ids)
    return {row["lead_id"]: (row["state"], row["into_lead_id"]) for row in rows}


async def lead_with(conn: Connection, tenant_id: int, source: str, external_id: str) -> int | None:
    """The number of the lead with this identity."""
    number: int | None = await _SQL.by_identity.value(conn, tenant_id=tenant_id, source=source, external_id=external_id)
    return number


async def stored_leads(conn: Connection, tenant_id: int, leads: Sequence[LeadIn]) -> dict[Identity, StoredLead]:
    """Those leads that are there already."""
    rows = await _SQL.stored_leads.fetch(
        conn,
        tenant_id=tenant_id,
        sources=[lead.source for lead in leads],
        external_ids=[lead.external_id for lead in leads],
    )
    return {leads[row[0] - 1][:2]: row for row in rows}


async def archived_leads(conn: Connection, tenant_id: int, leads: Sequence[LeadIn]) -> dict[Identity, int]:
    """The numbers of those that are archived."""
    names = {"sources": [lead.source for lead in leads], "external_ids": [lead.external_id for lead in leads]}
    rows = await _SQL.archived_leads.fetch(conn, tenant_id=tenant_id, **names)
    return {leads[row[0] - 1][:2]: row[1] for row in rows}


async def _arrive(
    conn: Connection, tenant_id: int, fresh: list[LeadIn], rules: MatchRules, moment: datetime
) -> tuple[list[Arrival], frozenset[int]]:
    """Numbers the new leads in the order of their creation; finds their customers, and the old ones."""
    times = [lead.created_at or moment for lead in fresh]
    order = sorted(range(len(fresh)), key=times.__getitem__)
    keys = [customer_keys(fresh[i], rules) for i in order]
    customers = await customers_of(conn, tenant_id, keys, rules.shared_above)
    lead_ids = await _SQL.new_lead_ids.fetch(conn, n=len(fresh))
    numbered = zip(lead_ids, order, customers.of_lead, strict=True)
    return [Arrival(row[0], times[i], customer, fresh[i]) for row, i, customer in numbered], customers.old


async def _repeats(
    conn: Connection, tenant_id: int, arrivals: Sequence[Arrival], old_customers: frozenset[int]
) -> dict[int, int]:
    """The arrivals that repeat an earlier lead, with the lead that they are merged into."""
    asked = [a for a in arrivals if a.customer_id in old_customers]
    stored: dict[int, int] = {}
    if asked:
        rows = await _SQL.earlier_enquiries.fetch(
            conn,
            tenant_id=tenant_id,
            lead_ids=[a.lead_id for a in asked],
            customer_ids=[a.customer_id for a in asked],
            created_ats=[a.created_at for a in asked],
            sources=[a.lead.source for a in asked],
            products=[a.lead.product for a in asked],
            names=[a.lead.name for a in asked],
            phones=[a.lead.phone for a in asked],
            emails=[a.lead.email for a in asked],
            companies=[a.lead.company for a in asked],
            declareds=[a.lead.declared_customer for a in asked],
        )
        stored = {row["lead_id"]: row["root"] for row in rows}
    return find_repeats(arrivals, stored)


async def _write(
    conn: Connection,
    tenant_id: int,
    arrivals: Sequence[Arrival],
    merged: Mapping[int, int],
    now: datetime | None,
) -> None:
    """Puts each arrival into `lead` and into exactly one of pool, merged and parked."""
    turns = {a.lead_id: i for i, a in enumerate(sorted(arrivals, key=lambda a: a.lead[:2]))}
    records = [_record(a, turns[a.lead_id], merged.get(a.lead_id)) for a in arrivals]
    write = _write_few if len(records) <= _FEW else _write_many
    if await write(conn, tenant_id, records, len(merged), now):
        await _SQL.hint.row(conn, tenant_id=tenant_id)


async def _write_few(
    conn: Connection, tenant_id: int, records: Sequence[tuple[Any, ...]], _merged: int, now: datetime | None
) -> int:
    """Returns how many are in the pool."""
    rows = [dict(zip(INCOMING, record, strict=True)) for record in records]
    for row in rows:
        if row["attributes"] is not None:
            row["attributes"] = msgspec.Raw(row["attributes"].encode())
    done = await _SQL.store_few.row(conn, tenant_id=tenant_id, now=now, rows=msgspec.json.encode(rows).decode())
    assert done is not None
    if done["stored"] < len(records):
        raise _OvertakenError
    in_pool: int = done["in_pool"]
    return in_pool


async def _write_many(
    conn: Connection, tenant_id: int, records: Sequence[tuple[Any, ...]], merged: int, now: datetime | None
) -> int:
    """Returns how many are in the pool."""
    await _SQL.open_incoming.execute(conn)
    await conn.copy_records_to_table(
        "incoming",
        records=records,
        columns=INCOMING,
        schema_name="pg_temp",
    )
    if await _SQL.store_leads.execute(conn, tenant_id=tenant_id, now=now) < len(records):
        raise _OvertakenError
    in_pool = await _SQL.put_into_pool.execute(conn, tenant_id=tenant_id, now=now)
    if merged:
        await _SQL.put_into_merged.execute(conn, tenant_id=tenant_id, now=now)
    if in_pool + merged < len(records):
        await _SQL.put_into_parked.execute(conn, tenant_id=tenant_id, now=now)
    await _SQL.close_incoming.execute(conn)
    return in_pool


def _record(arrival: Arrival, turn: int, into: int | None) -> tuple[Any, ...]:
    """One row of the table `incoming`, in the order of INCOMING."""
    lead = arrival.lead
    known = (turn, arrival.lead_id, *lead[:2], arrival.created_at, *lead[3:8], arrival.customer_id)
    return (*known, *lead[8:16], into, lead.invalid)
