"""One transaction that corrects leads: under the keys of their customers and the lane, since every batch until now was
decided with what they said before.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from router.domain.lead_in import LeadIn
from router.manual.forget_customers import forget_keys_of
from router.manual.merge_customers import undisturbed
from router.rules.corrections import changes_repeats, changes_who
from router.rules.customers import Resolution, customer_keys
from router.rules.repeats import is_compared
from router.store import corrections as store
from router.store.assignments import LOCK_TIMEOUT_MS
from router.store.changes import Change, record_part
from router.store.corrections import Corrected, StoredLead
from router.store.customer_merges import CustomersMoved, hold_keys, leads_of, match_rules
from router.store.customers import customers_of, new_customers, store_keys, tied_before
from router.store.errors import UniqueViolation
from router.store.imports import MERGED, PARKED, hold_free, orphans_of
from router.store.leads import database_clock
from router.store.pool import prune_wake_keys
from router.store.repeats import Orphan, apply_moves, release, release_orphans, release_shared, settled
from router.store.retry import HeldLane, call_lane, hold_lane, put_in_pool
from router.store.statements import Connection
from router.store.transactions import limit_transaction


class Wanted(NamedTuple):
    """A lead that is to say something else: the line of the file, what it will say, what is stored, which fields."""

    line: int
    says: LeadIn
    was: StoredLead
    fields: tuple[str, ...]


class CorrectedPart(NamedTuple):
    """The leads that were corrected, and the number of the change (None = none yet)."""

    leads: set[int]
    change: int | None


async def correct_at_once(
    conn: Connection,
    tenant_id: int,
    wanted: Sequence[Wanted],
    change: Callable[[int], Change],
    number: int | None,
    token: int,
) -> CorrectedPart:
    """Corrects those that are as they were, free, and held by nobody else. `change` makes of their count the entry of
    the change log, `number` as in `record_part`.

    Raises CannotMerge when their customers keep changing, and errors.LockNotAvailable.
    """
    work = _Work(conn, tenant_id, token)
    return await undisturbed(conn, lambda: work.all(wanted, change, number))


class _Work:
    def __init__(self, conn: Connection, tenant_id: int, token: int) -> None:
        self._conn = conn
        self._tenant_id = tenant_id
        self._token = token
        self._orphans: list[Orphan] = []
        self._wake_keys: set[int] = set()

    async def all(self, wanted: Sequence[Wanted], change: Callable[[int], Change], number: int | None) -> CorrectedPart:
        await limit_transaction(self._conn, LOCK_TIMEOUT_MS)
        taken = await self._take(wanted)
        if not taken:
            return CorrectedPart(set(), number)
        try:
            corrected = await self._whose(taken)
        except UniqueViolation as error:
            raise CustomersMoved from error
        held = await hold_lane(self._conn, self._tenant_id)
        now = held.lane.now
        number = await record_part(self._conn, self._tenant_id, change(len(taken)), number)
        await self._write(taken, corrected, held, number)
        await self._put_right(taken, held)
        await self._settle(taken, corrected, now)
        await prune_wake_keys(self._conn, self._tenant_id, sorted(self._wake_keys | {held.key}))
        await call_lane(self._conn, held.lane, self._token, held.next_key)
        return CorrectedPart({one.was.lead_id for one in taken}, number)

    async def _take(self, wanted: Sequence[Wanted]) -> list[Wanted]:
        """Those that are as they were, held."""
        customers = sorted({one.was.customer_id for one in wanted if one.was.customer_id is not None})
        if customers:
            await hold_keys(self._conn, self._tenant_id, customers)
        held = await hold_free(self._conn, self._tenant_id, [one.was.lead_id for one in wanted])
        now = await store.stored(self._conn, self._tenant_id, held)
        return [one for one in wanted if now.get(one.was.lead_id) == one.was]

    async def _whose(self, taken: Sequence[Wanted]) -> list[Corrected]:
        """The leads as they will be, with their customers: what they were known by before is forgotten first."""
        moving = [one for one in taken if changes_who(one.fields)]
        whose = {one.was.lead_id: one.was.customer_id for one in taken}
        if moving:
            ids = {one.was.lead_id for one in moving}
            before = sorted({one.was.customer_id for one in moving if one.was.customer_id is not None})
            there = await leads_of(self._conn, self._tenant_id, before) if before else []
            others = {lead.customer_id for lead in there if lead.lead_id not in ids}
            gone = [one.was.lead for one in moving]
            await forget_keys_of(self._conn, self._tenant_id, gone, before, ids)
            rules = await match_rules(self._conn, self._tenant_id)
            keys = [customer_keys(one.says, rules) for one in moving]
            found = await customers_of(self._conn, self._tenant_id, keys, rules.shared_above)
            numbers = await self._numbers(moving, found.found, others)
            resolved = found.found.numbered(numbers)
            now = await database_clock(self._conn)
            await store_keys(self._conn, self._tenant_id, found, resolved, now)
            if tied := tied_before(resolved, found):
                await release_shared(self._conn, self._tenant_id, tied, rules, now)
            whose |= dict(zip([one.was.lead_id for one in moving], resolved.customers, strict=True))
        return [Corrected(one.was.lead_id, whose[one.was.lead_id], one.says) for one in taken]

    async def _numbers(self, moving: Sequence[Wanted], found: Resolution, others: set[int]) -> list[int]:
        """Of the new customers: that which the lead had, where no other lead has it."""
        numbers = await new_customers(self._conn, found.new)
        used = set[int]()
        for one, customer in zip(moving, found.customers, strict=True):
            was = one.was.customer_id
            if customer is not None and customer < 0 and was is not None and was not in others | used:
                used.add(was)
                numbers[-customer - 1] = was
        return numbers

    async def _write(
        self, taken: Sequence[Wanted], corrected: Sequence[Corrected], held: HeldLane, number: int
    ) -> None:
        ids = [one.lead_id for one in corrected]
        self._wake_keys = await store.wake_keys(self._conn, self._tenant_id, ids)
        again = [one.was.lead_id for one in taken if _repeats_anew(one)]
        self._orphans = await orphans_of(self._conn, self._tenant_id, again) if again else []
        apart = [one.was.lead_id for one in taken if one.was.state == MERGED and _repeats_anew(one)]
        if apart:
            await release(self._conn, self._tenant_id, apart, held.lane.now)
        await store.correct(self._conn, self._tenant_id, corrected, held.lane.batch_no, number, held.key)
        # As at intake: on these nobody can work, so they neither wait nor stand for others.
        wrong = [(one.was.lead_id, one.says.invalid) for one in taken if one.says.invalid is not None]
        await store.park_invalid(self._conn, self._tenant_id, held.lane.now, wrong)
        moved = [
            (one.lead_id, was.was.customer_id, one.customer_id)
            for one, was in zip(corrected, taken, strict=True)
            if one.customer_id != was.was.customer_id
        ]
        await store.customers_changed(self._conn, self._tenant_id, held.lane.now, moved)

    async def _settle(self, taken: Sequence[Wanted], corrected: Sequence[Corrected], now: datetime) -> None:
        """Whom the leads repeat now, and what becomes of those that repeated them."""
        await release_orphans(self._conn, self._tenant_id, self._orphans, now)
        enquiries: dict[object, list[Corrected]] = defaultdict(list)
        for one, was in zip(corrected, taken, strict=True):
            if _repeats_anew(was) and one.customer_id is not None and is_compared(one.lead):
                like = one.lead._replace(external_id="", created_at=None, attributes=None)
                enquiries[one.customer_id, like].append(one)
        for group in enquiries.values():
            first = group[0]
            around = [one.lead.created_at for one in group if one.lead.created_at is not None]
            found = await settled(self._conn, self._tenant_id, first.customer_id, first.lead, [], around=around)
            await apply_moves(self._conn, self._tenant_id, found.moves, now)

    async def _put_right(self, taken: Sequence[Wanted], held: HeldLane) -> None:
        """Leads that were parked because nobody could work on them wait, where somebody can now."""
        fine = [one.was.lead_id for one in taken if one.says.invalid is None]
        if wrong := await store.invalid_among(self._conn, self._tenant_id, fine):
            await put_in_pool(self._conn, held.lane, wrong, ["lead_invalid"], held.key)


def _repeats_anew(one: Wanted) -> bool:
    """Whether it is decided again whom the lead repeats, and who repeats it."""
    return changes_repeats(one.fields) or one.says.invalid is not None or one.was.state == PARKED
