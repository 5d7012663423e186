"""Accepting leads: lead, customer and place in the pool appear in one transaction, or not at all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec

from router.domain.lead_in import LeadIn
from router.rules.customers import Key, Known, Overlap, Prepared, SharedKey, customer_keys, newly_shared
from router.rules.differences import Again, Difference, alike, facts_of, find_differences
from router.rules.match_rules import FIELDS as TIE_FIELDS
from router.rules.match_rules import parse_stored_match_rules
from router.rules.repeats import Arrival
from router.store.customers import (
    NewCustomerKeys,
    change_keys,
    customers_of,
    keys_to_add,
    store_keys,
    tied_before,
)
from router.store.idempotency import KeyOvertakenError, NewKey, put_keys
from router.store.imports import ImportPart, note_part
from router.store.look import Looked
from router.store.new_leads import Beside, are_few, write_leads
from router.store.processes import arrival_time
from router.store.repeats import Moves, Repeats, apply_moves, release_shared, repeats_among
from router.store.statements import Connection, load
from router.store.synonyms import load_spellings
from router.store.transactions import IDLE_MS, retried, with_steady_plans

_SQL = load("leads")
_MS_A_LEAD = 1
_MOST_TIES = 2 ** len(TIE_FIELDS)
# Where others can be faster: the same lead, or a key of its customer.
RACES = ("lead_tenant_id_source_external_id_key", "customer_key_pkey")
"""Unique keys that somebody else may have stored first: looked at again, the row is there."""

Identity = tuple[str, str]
"""Source and external id: what makes a lead the same lead."""

StoredLead = asyncpg.Record
"""A lead that is there: `ord`, its number `lead_id`, and from the third column on what it says (COMPARED)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch.

    `new` leads are stored now; of these `parked` are invalid; `merged` = how many leads more than before repeat another
    one: mostly new ones, but an earlier lead that arrives late can make a repeat of a stored one, or free one. The rest
    is in the pool. `repeated` were stored before, or came twice in the batch; of these, `differing` differ from the
    stored lead, which is kept as it is. `lead_ids` has one id per lead that was handed in, in
    that order. `new_ids` are those of the new leads; `merged_into` says of the merged ones into which lead. `overlaps`
    are leads, by their place in the batch, with contacts of two customers; `shared` are keys that are used no more.
    """

    new: int
    repeated: int
    merged: int
    parked: int
    lead_ids: tuple[int, ...]
    differing: tuple[Difference, ...] = ()
    new_ids: frozenset[int] = field(default=frozenset(), repr=False)
    merged_into: Mapping[int, int] = field(default_factory=dict, repr=False)
    overlaps: tuple[Overlap, ...] = ()
    shared: tuple[SharedKey, ...] = ()

    @property
    def part(self) -> ImportPart:
        """As it is noted with an import."""
        counts = (self.new, self.repeated, self.merged, self.parked, len(self.differing))
        return ImportPart(self.new_ids, *counts)


class OvertakenError(Exception):
    """Another intake was faster with a lead or a key of its customer, between our look and our write; begin again."""


class TenantRemoved(Exception):
    """The tenant was removed; no lead of it is stored any more."""


class Begun(NamedTuple):
    """What a transaction that accepts leads knows from its beginning: the tenant's match rules as stored (None = none),
    the time by the database's clock and by this host's (aware), and numbers for new leads and customers (ascending;
    none = not asked for).
    """

    match_rules: str | None
    moment: datetime
    host: datetime
    lead_ids: Sequence[int] = ()
    customer_ids: Sequence[int] = ()


@retried
async def accept(
    conn: Connection,
    tenant_id: int,
    leads: Sequence[LeadIn],
    now: datetime | None = None,
    host_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    prepared: Prepared | None = None,
    import_no: int | None = None,
) -> Accepted:
    """Accepts a batch, durably and once, in one transaction (a savepoint inside the caller's, if any).

    Again with the same leads it does nothing. `now` (aware) stands in for the database's clock, to
    which `host_clock` is compared. `prepared`: the leads' keys, if somebody had time for them; they are used when the
    match rules are still the same. `import_no`: the batch is one of this import. A transaction around it has to be read
    committed.
    """
    # Each time others were faster, a lead or key more is there at the next look: so often, and no more, can it happen.
    for _ in range((1 + _MOST_TIES) * len(leads) + 1):
        try:
            async with conn.transaction():
                begun = await begin_accepting(conn, tenant_id, len(leads), host_clock)
                done = await accept_here(conn, tenant_id, leads, begun, now, prepared)
                if import_no is not None:
                    await note_part(conn, tenant_id, import_no, done.part)
                return done
        except OvertakenError:
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


async def begin_accepting(
    conn: Connection,
    tenant_id: int,
    leads: int,
    host_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Begun:
    """As `steady_plans`; to be asked first in a transaction that accepts so many leads with `accept_here`. Raises
    TenantRemoved.
    """
    row = await _SQL.steady_plans.row(conn, tenant_id=tenant_id, idle_timeout=_idle_timeout(leads))
    assert row is not None
    if not row["is_there"]:
        raise TenantRemoved(f"tenant number {tenant_id} was removed")
    return Begun(row["match_rules"], row["moment"], host_clock())


def steady(conn: Connection, leads: int) -> Connection:
    """`conn`, with transactions that begin with a look at so many leads (`router/store/look.py`)."""
    return with_steady_plans(conn, IDLE_MS + _MS_A_LEAD * leads)


def begun_by(tenant_id: int, looked: Looked, host: datetime) -> Begun:
    """What a transaction knows that began with a look; `host` = the time by this host. Raises TenantRemoved."""
    if not looked.is_there:
        raise TenantRemoved(f"tenant number {tenant_id} was removed")
    return Begun(looked.match_rules, looked.moment, host, looked.lead_ids, looked.customer_ids)


Answers = Callable[[Sequence[Arrival], Mapping[int, int]], Sequence[NewKey]]
"""Given leads that are all new, and those of them that repeat a lead, with that lead: the idempotency keys that are
stored with them.
"""


class Answering(NamedTuple):
    """What is stored with leads that are all new: keys of the `route`."""

    route: str
    answers: Answers


async def accept_here(
    conn: Connection,
    tenant_id: int,
    leads: Sequence[LeadIn],
    begun: Begun,
    now: datetime | None = None,
    prepared: Prepared | None = None,
    *,
    looked: Looked | None = None,
    answering: Answering | None = None,
) -> Accepted:
    """As `accept`, in the transaction that has `begun`, without a savepoint. Raises OvertakenError: roll it back and
    begin again; with `answering` also KeyOvertakenError. That is only asked where all the leads are new.
    """
    try:
        return await _accept(conn, tenant_id, leads, begun, now, prepared, looked, answering)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name in RACES:
            raise OvertakenError from error
        raise


async def _accept(
    conn: Connection,
    tenant_id: int,
    leads: Sequence[LeadIn],
    begun: Begun,
    now: datetime | None,
    prepared: Prepared | None,
    looked: Looked | None,
    answering: Answering | None,
) -> Accepted:
    if looked is None or looked.any_stored:
        stored, any_archived = await _look_up(conn, tenant_id, leads)
    else:
        stored, any_archived = {}, looked.any_archived
    named = [lead[:2] for lead in leads]
    fresh = _first_places(named, stored)
    asked = [leads[place] for place in fresh.values()] if any_archived else []
    archived = await archived_leads(conn, tenant_id, asked) if asked else {}
    fresh = {identity: place for identity, place in fresh.items() if identity not in archived} if archived else fresh
    arrivals: list[Arrival] = []
    repeats = Repeats({}, Moves())
    seen = Seen()
    if fresh:
        keyed = _keyed(leads, fresh.values(), begun.match_rules, prepared or (looked and looked.prepared), looked)
        moment = now or begun.moment
        if now is None:
            now = await arrival_time(conn, tenant_id, moment, begun.host)
        with_answers = answering if len(fresh) == len(leads) else None
        arrivals, repeats, seen = await _store(conn, tenant_id, keyed, begun, now or moment, now, with_answers)
    ids = archived | {identity: there["lead_id"] for identity, there in stored.items()}
    ids |= {arrival.lead[:2]: arrival.lead_id for arrival in arrivals}
    unlike = _unlike(leads, stored, fresh) if len(fresh) < len(leads) else ()
    return Accepted(
        new=len(arrivals),
        repeated=len(leads) - len(arrivals),
        merged=repeats.more,
        parked=sum([a.lead.invalid is not None for a in arrivals]),
        lead_ids=tuple([ids[identity] for identity in named]),
        differing=tuple(await differences(conn, tenant_id, unlike)),
        new_ids=frozenset([arrival.lead_id for arrival in arrivals]),
        merged_into=repeats.merged,
        overlaps=_at_their_places(seen.overlaps, list(fresh.values())) if seen.overlaps else (),
        shared=seen.shared,
    )


def _at_their_places(overlaps: Iterable[Overlap], places: Sequence[int]) -> tuple[Overlap, ...]:
    """By their places in the batch; those of the new leads among themselves are given."""
    return tuple([one._replace(place=places[one.place]) for one in overlaps])


def _first_places(named: Sequence[Identity], stored: Mapping[Identity, StoredLead]) -> dict[Identity, int]:
    """The leads that are new, with where they come first."""
    fresh: dict[Identity, int] = {}
    for place, identity in enumerate(named):
        if identity not in stored:
            fresh.setdefault(identity, place)
    return fresh


class _Keyed(NamedTuple):
    """New leads, side by side with their keys, and what is known of these, if that was looked up."""

    leads: list[LeadIn]
    keys: list[tuple[Key, ...]]
    shared_above: int
    known: Mapping[str, Known] | None = None


def _keyed(
    leads: Sequence[LeadIn],
    places: Iterable[int],
    match_rules: str | None,
    prepared: Prepared | None,
    looked: Looked | None,
) -> _Keyed:
    rules = parse_stored_match_rules(match_rules or "")
    fresh = [leads[place] for place in places]
    known = None if looked is None else looked.known
    if prepared is not None and len(prepared.keys) != len(leads):
        raise ValueError(f"keys of {len(prepared.keys)} leads were prepared for {len(leads)}")
    if prepared is not None and prepared.rules == rules:
        return _Keyed(fresh, [prepared.keys[place] for place in places], rules.shared_above, known)
    return _Keyed(fresh, [customer_keys(lead, rules) for lead in fresh], rules.shared_above)


def _unlike(
    leads: Sequence[LeadIn], stored: Mapping[Identity, StoredLead], fresh: Mapping[Identity, int]
) -> list[Again]:
    """The leads that are there, or came earlier in the batch, and were not identical then."""
    unlike = []
    for place, lead in enumerate(leads):
        if (there := stored.get(lead[:2])) is not None:
            said = there[2:]
        elif (first := fresh.get(lead[:2], place)) != place:
            said = facts_of(leads[first])
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


async def attributes_of(conn: Connection, tenant_id: int, lead_id: int) -> dict[str, Any]:
    """What the lead brought beside its fields."""
    text: str | None = await _SQL.attributes.value(conn, tenant_id=tenant_id, lead_id=lead_id)
    return msgspec.json.decode(text, type=dict[str, Any]) if text else {}


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
    return (await _look_up(conn, tenant_id, leads))[0]


async def _look_up(
    conn: Connection, tenant_id: int, leads: Sequence[LeadIn]
) -> tuple[dict[Identity, StoredLead], bool]:
    """Those that are there already, and whether any lead of the tenant is archived."""
    rows = await _SQL.stored_leads.fetch(
        conn,
        tenant_id=tenant_id,
        sources=[lead.source for lead in leads],
        external_ids=[lead.external_id for lead in leads],
    )
    stored = {leads[row[0] - 1][:2]: row for row in rows if row[0]}
    return stored, len(stored) < len(rows) and any(not row[0] for row in rows)


async def archived_leads(conn: Connection, tenant_id: int, leads: Sequence[LeadIn]) -> dict[Identity, int]:
    """The numbers of those that are archived."""
    names = {"sources": [lead.source for lead in leads], "external_ids": [lead.external_id for lead in leads]}
    rows = await _SQL.archived_leads.fetch(conn, tenant_id=tenant_id, **names)
    return {leads[row[0] - 1][:2]: row[1] for row in rows}


class Seen(NamedTuple):
    """What storing leads showed of their customers; overlaps by the place among the new leads."""

    overlaps: tuple[Overlap, ...] = ()
    shared: tuple[SharedKey, ...] = ()


async def _store(
    conn: Connection,
    tenant_id: int,
    new: _Keyed,
    begun: Begun,
    moment: datetime,
    now: datetime | None,
    answering: Answering | None,
) -> tuple[list[Arrival], Repeats, Seen]:
    """Stores new leads, numbered in the order of their creation, with their customers and what is `answering` about
    them; and which of them repeat which.

    `moment` is the creation of those that state none, `now` when all are stored (None = by the database's clock).
    """
    fresh = new.leads
    times = [lead.created_at or moment for lead in fresh]
    order = sorted(range(len(fresh)), key=times.__getitem__)
    keys = [new.keys[i] for i in order]
    customers = await customers_of(conn, tenant_id, keys, new.shared_above, _of_leads(keys, new.known))
    numbers = begun if begun.lead_ids else await new_numbers(conn, begun, customers.found.new, len(fresh))
    settled, now = customers.found.numbered(numbers.customer_ids), now or numbers.moment
    numbered = zip(numbers.lead_ids, order, settled.customers, strict=False)
    arrivals = [Arrival(lead_id, times[i], customer, fresh[i]) for lead_id, i, customer in numbered]
    together = keys_to_add(customers, settled) if are_few(len(arrivals)) else None
    if together is None:
        await store_keys(conn, tenant_id, customers, settled, now)
    else:
        await change_keys(conn, tenant_id, customers, settled, now)
    repeats = await repeats_among(conn, tenant_id, arrivals, keys, settled.shared, customers.old)
    answers = answering.answers(arrivals, repeats.merged) if answering is not None else ()
    if are_few(len(arrivals)):
        beside = Beside(together or NewCustomerKeys(), answering.route if answering else "", answers)
        await write_leads(conn, tenant_id, arrivals, repeats.merged, now, beside)
    else:
        await write_leads(conn, tenant_id, arrivals, repeats.merged, now)
        if answering is not None and not await put_keys(conn, tenant_id, answering.route, answers):
            raise KeyOvertakenError
    await apply_moves(conn, tenant_id, repeats.moves, now)
    overlaps = tuple([one._replace(place=order[one.place]) for one in settled.overlaps])
    shared = tuple(newly_shared(settled, customers.known)) if settled.shared else ()
    if shared and (whose := tied_before(settled, customers)):
        rules = parse_stored_match_rules(begun.match_rules or "")
        repeats = repeats._replace(freed=await release_shared(conn, tenant_id, whose, rules, now))
    return arrivals, repeats, Seen(overlaps, shared)


def _of_leads(keys: Sequence[tuple[Key, ...]], known: Mapping[str, Known] | None) -> Mapping[str, Known] | None:
    """What is known of the keys of these leads, out of what was looked up for more of them."""
    if not known:
        return known
    own = {key[0] for of_lead in keys for key in of_lead}
    return {name: key for name, key in known.items() if name in own}


async def new_numbers(conn: Connection, begun: Begun, customers: int, leads: int) -> Begun:
    """What has `begun`, with numbers for so many new customers and leads, ascending."""
    row = await _SQL.new_numbers.row(conn, customers=customers, leads=leads)
    assert row is not None
    return begun._replace(lead_ids=row["leads"], customer_ids=row["customers"], moment=row["moment"])
