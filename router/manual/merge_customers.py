"""Merging two customers that turn out to be one, and unmerging them again: by hand, recorded, under the lane.

The customers' keys and leads are taken before the lane: an intake holds keys for as long as its batch takes, a foreign
session may hold leads for ever, and the lane must wait for neither. Everybody takes keys, then leads, then the lane,
and waits for nothing while holding the lane; so this cannot deadlock.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from router.domain.merging import Side, goes_back, owner_after_unmerge, remaining_owner
from router.domain.written_time import written
from router.rules.customers import customer_keys
from router.store import customer_merges as store
from router.store.assignments import LOCK_TIMEOUT_MS
from router.store.customer_merges import CustomerLead, CustomersMoved, CustomerUnknown, Merge
from router.store.lane import Lane, LaneLimits, hold_waiting
from router.store.statements import Connection
from router.store.transactions import limit_transaction, retried

ATTEMPTS = 10

T = TypeVar("T")


class CannotMerge(Exception):
    """The customers cannot be merged or unmerged; nothing was changed. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a merge or its undoing did: how many leads and keys moved, how many waiting leads are decided again.

    `owner` and `into_owner` (rep numbers) are those of the two customers now; a merged customer has none.
    """

    merge_id: int
    customer_id: int
    into_customer_id: int
    leads: int
    keys: int
    woken: int
    owner: int | None
    into_owner: int | None


async def merge_customers(
    conn: Connection,
    tenant_id: int,
    into: int,
    customer_id: int,
    *,
    actor: str,
    note: str = "",
    now: datetime | None = None,
    limits: LaneLimits = LaneLimits(),
) -> Moved:
    """Merges `customer_id` into `into`: keys and leads move, one owner remains (`remaining_owner`).

    Leads that somebody has stay there; waiting ones are decided again. Raises CannotMerge, CustomerUnknown, and
    errors.LockNotAvailable when lane or keys stay locked.
    """
    if into == customer_id:
        raise CannotMerge(f"{into} is given twice; name two different customers")

    async def attempt() -> Moved:
        keys, lane = await _hold(conn, tenant_id, (into, customer_id), now, limits)
        leads = await store.leads_of(conn, tenant_id, (into, customer_id))
        await _check_both_are_there(conn, tenant_id, (into, customer_id), keys.values(), leads)
        stays, moves = [await _side(conn, tenant_id, one, leads) for one in (into, customer_id)]
        owner = remaining_owner(stays, moves)
        merge = Merge(
            tenant_id=tenant_id,
            merge_id=0,
            merged_at=lane.now,
            actor=actor,
            note=note,
            batch_no=lane.batch_no,
            customer_id=customer_id,
            into_customer_id=into,
            owner_before=moves.owner,
            into_owner_before=stays.owner,
            owner_after=owner,
            keys=frozenset(key for key, whose in keys.items() if whose == customer_id),
            leads=frozenset(lead.lead_id for lead in leads if lead.customer_id == customer_id),
            parted_at=None,
            parted_by=None,
            parted_note=None,
        )
        await store.move(conn, tenant_id, merge.keys, merge.leads, into)
        await store.set_owner(conn, tenant_id, customer_id, None)
        await store.set_owner(conn, tenant_id, into, owner)
        merge_id = await store.record_merge(conn, merge)
        woken = await store.decide_again(conn, tenant_id, (into,))
        return Moved(merge_id, customer_id, into, len(merge.leads), len(merge.keys), woken, None, owner)

    return await undisturbed(conn, attempt)


async def unmerge_customers(
    conn: Connection,
    merge_id: int,
    *,
    actor: str,
    note: str = "",
    now: datetime | None = None,
    limits: LaneLimits = LaneLimits(),
) -> Moved:
    """Undoes a merge: keys and leads go back (`goes_back`), each customer has its owner (`owner_after_unmerge`).

    Raises CannotMerge, CustomerUnknown, and errors.LockNotAvailable when lane or keys stay locked.
    """

    async def attempt() -> Moved:
        merge = await _merge_to_undo(conn, merge_id)
        tenant_id, customer_id, into = merge.tenant_id, merge.customer_id, merge.into_customer_id
        keys, lane = await _hold(conn, tenant_id, (into, customer_id), now, limits)
        away = await store.merged_away(conn, tenant_id, (into,))
        if into in away:
            where, other = away[into]
            raise CannotMerge(
                f"customer {into} was merged into customer {where} by merge {other}; unmerge that one first"
            )
        if not await store.record_unmerge(conn, merge, lane.now, actor, note):
            raise CannotMerge(f"merge {merge_id} was unmerged by somebody else just now")
        rules = await store.match_rules(conn, tenant_id)
        leads = {
            lead.lead_id: [key.name for key in customer_keys(lead.came, rules)]
            for lead in await store.leads_of(conn, tenant_id, (into,))
        }
        back = goes_back(leads, keys, merge.keys, merge.leads)
        owner = await _owner_since(conn, merge, merge.owner_before, sorted(back.leads))
        before = await store.owner_of(conn, tenant_id, into)
        if before == merge.owner_after:
            before = merge.into_owner_before
        into_owner = await _owner_since(conn, merge, before, sorted(leads.keys() - back.leads))
        await store.move(conn, tenant_id, back.keys, back.leads, customer_id)
        await store.set_owner(conn, tenant_id, customer_id, owner)
        await store.set_owner(conn, tenant_id, into, into_owner)
        woken = await store.decide_again(conn, tenant_id, (into, customer_id))
        return Moved(merge_id, customer_id, into, len(back.leads), len(back.keys), woken, owner, into_owner)

    return await undisturbed(conn, attempt)


@retried
async def undisturbed(conn: Connection, attempt: Callable[[], Awaitable[T]]) -> T:
    """Attempts in a transaction (a savepoint inside the caller's), again when the customers changed meanwhile."""
    for _ in range(ATTEMPTS):
        try:
            async with conn.transaction():
                return await attempt()
        except CustomersMoved:
            continue
    raise CannotMerge(f"these customers kept changing, {ATTEMPTS} times over; nothing was changed, try again")


async def _hold(
    conn: Connection, tenant_id: int, customers: Sequence[int], now: datetime | None, limits: LaneLimits
) -> tuple[dict[str, int], Lane]:
    """The customer of each key, and the lane; all of it ours until the transaction ends."""
    await limit_transaction(conn, LOCK_TIMEOUT_MS)
    keys = await store.hold_customers(conn, tenant_id, customers)
    lane = await hold_waiting(conn, tenant_id, now, limits)
    await store.hold_leads_now(conn, tenant_id, customers)
    return keys, lane


async def _check_both_are_there(
    conn: Connection, tenant_id: int, customers: Sequence[int], of_keys: Collection[int], leads: Sequence[CustomerLead]
) -> None:
    away = await store.merged_away(conn, tenant_id, customers)
    for customer_id, (into, merge_id) in away.items():
        raise CannotMerge(f"customer {customer_id} was merged into customer {into} by merge {merge_id}")
    known = {lead.customer_id for lead in leads} | set(of_keys)
    for customer_id in customers:
        if customer_id not in known:
            raise CustomerUnknown(
                f"customer {customer_id} does not exist; lead-router why LEAD shows a lead's customer"
            )


async def _side(conn: Connection, tenant_id: int, customer_id: int, leads: Sequence[CustomerLead]) -> Side:
    owner = await store.owner_of(conn, tenant_id, customer_id)
    own = [lead.lead_id for lead in leads if lead.customer_id == customer_id]
    return Side(owner, await store.given_to(conn, tenant_id, own))


async def _merge_to_undo(conn: Connection, merge_id: int) -> Merge:
    merge = await store.merge_numbered(conn, merge_id)
    if merge is None:
        raise CustomerUnknown(
            f"merge {merge_id} does not exist; lead-router customers show CUSTOMER lists a customer's merges"
        )
    if merge.parted_at is not None:
        raise CannotMerge(
            f"merge {merge_id} was unmerged by {merge.parted_by} at {written(merge.parted_at, seconds=True)}"
        )
    return merge


async def _owner_since(conn: Connection, merge: Merge, before: int | None, leads: Sequence[int]) -> int | None:
    return owner_after_unmerge(before, await store.given_to(conn, merge.tenant_id, leads), merge.batch_no)
