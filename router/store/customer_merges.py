"""Customers as people see them: their leads, keys and owners; merges of two of them; the tenant's match rules."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from router.domain.lead_in import LeadIn
from router.domain.merging import GivenTo
from router.rules.match_rules import MatchRules, parse_match_rules, parse_stored_match_rules
from router.store.statements import Connection, load
from router.store.transactions import retried

_SQL = load("customer_merges")


class CustomerUnknown(LookupError):
    """There is no such customer; the message says what to do."""

    def __str__(self) -> str:
        return str(self.args[0])


class CustomersMoved(Exception):
    """While we waited for customers they got more keys, or leads of theirs went elsewhere: begin again."""


@dataclass(frozen=True, slots=True)
class CustomerLead:
    """A lead of a customer and where it is; `came` are its facts, `rep_no` who has it now."""

    lead_id: int
    customer_id: int
    came: LeadIn
    state: str
    rep_no: int | None
    into_lead_id: int | None


@dataclass(frozen=True, slots=True)
class Merge:
    """The record of a merge: whose keys and leads went to whom, and who owned them (rep numbers).

    `batch_no` is the tenant's last batch before it.
    """

    tenant_id: int
    merge_id: int
    merged_at: datetime
    actor: str
    note: str
    batch_no: int
    customer_id: int
    into_customer_id: int
    owner_before: int | None
    into_owner_before: int | None
    owner_after: int | None
    keys: frozenset[str]
    leads: frozenset[int]
    parted_at: datetime | None
    parted_by: str | None
    parted_note: str | None


async def hold_keys(conn: Connection, tenant_id: int, customers: Sequence[int]) -> dict[str, int]:
    """Locks the customers' keys, so that no intake adds to them until the transaction ends; customer by key.

    Takes the keys in the order in which intakes take theirs. Raises CustomersMoved: roll back, so that what is held
    is let go, and begin again; taking the missing keys now could deadlock.
    """
    held = {row[0].hex for row in await _SQL.hold_customers.fetch(conn, tenant_id=tenant_id, customers=customers)}
    keys = await keys_of(conn, tenant_id, customers)
    if held != keys.keys():
        raise CustomersMoved
    return keys


async def hold_customers(conn: Connection, tenant_id: int, customers: Sequence[int]) -> dict[str, int]:
    """As `hold_keys`, and locks the customers' leads."""
    keys = await hold_keys(conn, tenant_id, customers)
    await _SQL.hold_leads.value(conn, tenant_id=tenant_id, customers=customers)
    return keys


async def hold_leads_now(conn: Connection, tenant_id: int, customers: Sequence[int]) -> None:
    """Locks also leads that went elsewhere before the lane was taken. Raises CustomersMoved when somebody has them:
    waiting for that with the lane in hand could deadlock.
    """
    try:
        await _SQL.hold_leads_now.value(conn, tenant_id=tenant_id, customers=customers)
    except asyncpg.LockNotAvailableError as error:
        raise CustomersMoved from error


async def keys_of(conn: Connection, tenant_id: int, customers: Sequence[int]) -> dict[str, int]:
    """Customer by key."""
    rows = await _SQL.keys_of.fetch(conn, tenant_id=tenant_id, customers=customers)
    return {row[0].hex: row[1] for row in rows}


async def leads_of(conn: Connection, tenant_id: int, customers: Sequence[int]) -> list[CustomerLead]:
    """The customers' leads, the first that came first."""
    rows = await _SQL.leads_of.fetch(conn, tenant_id=tenant_id, customers=customers)
    return [_customer_lead(row) for row in rows]


def _customer_lead(row: asyncpg.Record) -> CustomerLead:
    came = {name: row[name] for name in ("created_at", "name", "phone", "email", "company", "declared_customer")}
    return CustomerLead(
        row["lead_id"],
        row["customer_id"],
        LeadIn(row["source"], row["external_id"], **came),
        row["state"] or "nowhere",
        row["rep_no"],
        row["into_lead_id"],
    )


async def given_to(conn: Connection, tenant_id: int, leads: Iterable[int]) -> list[GivenTo]:
    """To whom these leads were given, now and in the past."""
    rows = await _SQL.given.fetch(conn, tenant_id=tenant_id, leads=list(leads))
    return [GivenTo(row["batch_no"], row["lead_id"], row["rep_no"]) for row in rows]


async def owner_of(conn: Connection, tenant_id: int, customer_id: int) -> int | None:
    """The owner's rep number."""
    owner: int | None = await _SQL.owner_of.value(conn, tenant_id=tenant_id, customer_id=customer_id)
    return owner


async def set_owner(conn: Connection, tenant_id: int, customer_id: int, rep_no: int | None) -> None:
    """Gives the customer to a rep, or to nobody; the caller holds the lane."""
    if rep_no is None:
        await _SQL.drop_owner.execute(conn, tenant_id=tenant_id, customer_id=customer_id)
    else:
        await _SQL.put_owner.execute(conn, tenant_id=tenant_id, customer_id=customer_id, rep_no=rep_no)


async def move(conn: Connection, tenant_id: int, keys: Collection[str], leads: Collection[int], to: int) -> None:
    """Gives keys and leads, wherever these are, to a customer; the caller holds the keys and the lane."""
    moved = {"tenant_id": tenant_id, "leads": sorted(leads), "customer_id": to}
    await _SQL.move_keys.execute(conn, tenant_id=tenant_id, keys=sorted(keys), customer_id=to)
    await _SQL.move_assignments.execute(conn, **moved)
    await _SQL.move_waiting.execute(conn, **moved)
    await _SQL.move_leads.execute(conn, **moved)


async def decide_again(conn: Connection, tenant_id: int, customers: Sequence[int]) -> int:
    """Has the next batch look at the customers' waiting leads; returns how many there are."""
    return int(await _SQL.decide_again.value(conn, tenant_id=tenant_id, customers=customers))


async def merged_away(conn: Connection, tenant_id: int, customers: Sequence[int]) -> dict[int, tuple[int, int]]:
    """(into whom, by which merge) for those of the customers that are merged into another one now."""
    rows = await _SQL.merged_away.fetch(conn, tenant_id=tenant_id, customers=customers)
    return {row["customer_id"]: (row["into_customer_id"], row["merge_id"]) for row in rows}


async def record_merge(conn: Connection, merge: Merge) -> int:
    """Writes the record of a merge (whatever `merge_id` it has); returns its number."""
    return int(
        await _SQL.put_merge.value(
            conn,
            tenant_id=merge.tenant_id,
            merged_at=merge.merged_at,
            actor=merge.actor,
            note=merge.note,
            batch_no=merge.batch_no,
            customer_id=merge.customer_id,
            into_customer_id=merge.into_customer_id,
            owner_before=merge.owner_before,
            into_owner_before=merge.into_owner_before,
            owner_after=merge.owner_after,
            keys=sorted(merge.keys),
            leads=sorted(merge.leads),
        )
    )


async def record_unmerge(conn: Connection, merge: Merge, at: datetime, actor: str, note: str) -> bool:
    """Closes the record; False when somebody else has done so."""
    closed = await _SQL.close_merge.execute(
        conn, tenant_id=merge.tenant_id, merge_id=merge.merge_id, at=at, actor=actor, note=note
    )
    return closed == 1


async def merge_numbered(conn: Connection, merge_id: int) -> Merge | None:
    """The record of a merge, of any tenant."""
    row = await _SQL.merge_numbered.row(conn, merge_id=merge_id)
    return None if row is None else _merge(row)


async def merges_of(conn: Connection, tenant_id: int, customer_id: int) -> list[Merge]:
    """Every merge in which the customer took part, the first one first."""
    return [_merge(row) for row in await _SQL.merges_of.fetch(conn, tenant_id=tenant_id, customer_id=customer_id)]


def _merge(row: asyncpg.Record) -> Merge:
    values = dict(row.items())
    return Merge(**values | {"keys": frozenset(key.hex for key in row["keys"]), "leads": frozenset(row["leads"])})


async def customer_of_key(conn: Connection, tenant_id: int, key: str) -> tuple[int | None, bool]:
    """Whom the key names (None when it is unknown or shared), and whether too many people share it."""
    row = await _SQL.customer_of_key.row(conn, tenant_id=tenant_id, key=key)
    if row is None:
        return None, False
    shared = bool(row["shared_as"])
    return None if shared else row["customer_id"], shared


async def knows_customer(conn: Connection, tenant_id: int, customer_id: int) -> bool:
    """Whether the tenant has, or had, a customer of this number."""
    return bool(await _SQL.knows_customer.value(conn, tenant_id=tenant_id, customer_id=customer_id))


async def customer_of_lead(conn: Connection, tenant_id: int, lead_id: int) -> int | None:
    """The lead's customer."""
    customer: int | None = await _SQL.customer_of_lead.value(conn, tenant_id=tenant_id, lead_id=lead_id)
    return customer


async def shared_keys(conn: Connection, tenant_id: int, limit: int) -> Sequence[asyncpg.Record]:
    """Rows of (shared_as, shared_at, people, customer_id, leads) of shared keys, the newest first."""
    return await _SQL.shared_keys.fetch(conn, tenant_id=tenant_id, limit=limit)


async def rep_ids(conn: Connection, tenant_id: int, rep_nos: Iterable[int | None]) -> dict[int, str]:
    """The CRM's ids of rep numbers."""
    wanted = sorted({no for no in rep_nos if no is not None})
    return {row[0]: row[1] for row in await _SQL.rep_ids.fetch(conn, tenant_id=tenant_id, rep_nos=wanted)}


@dataclass(frozen=True, slots=True)
class StoredMatchRules:
    """A version of a tenant's match rules."""

    version: int
    applied_at: datetime
    author: str
    note: str
    source: str


async def stored_match_rules(conn: Connection, tenant_id: int) -> StoredMatchRules | None:
    """The version in force; None = none was applied, so the default holds."""
    row = await _SQL.match_rules.row(conn, tenant_id=tenant_id)
    return None if row is None else StoredMatchRules(**dict(row.items()))


async def match_rules(conn: Connection, tenant_id: int) -> MatchRules:
    """The match rules in force."""
    stored = await stored_match_rules(conn, tenant_id)
    return parse_stored_match_rules(stored.source) if stored else MatchRules()


@retried
async def apply_match_rules(conn: Connection, tenant_id: int, source: str, author: str, note: str) -> int:
    """Puts match rules in force for what arrives from now on; returns their version. Raises InvalidFile."""
    parse_match_rules(source)
    return int(await _SQL.put_match_rules.value(conn, tenant_id=tenant_id, author=author, note=note, source=source))
