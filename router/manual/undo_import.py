"""Taking an import back: what nobody has worked on is removed, the rest is named; by hand, recorded.

Bounded parts, each its own transaction: whatever ends it in the middle, what is done is done, and the same command does
the rest. Numbers are taken downwards, so that repeats mostly go before the leads that they are merged into.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from router.domain.phrases import count
from router.manual.forget_customers import forget_keys_of
from router.manual.merge_customers import undisturbed
from router.store import imports as store
from router.store.assignments import LOCK_TIMEOUT_MS
from router.store.changes import Change, record_part
from router.store.customer_merges import CustomersMoved, hold_keys
from router.store.imports import Import, Placed
from router.store.leads import database_clock
from router.store.repeats import release_orphans
from router.store.statements import Connection
from router.store.transactions import limit_transaction

AT_ONCE = 500
KEPT = 100
"""Leads that stay and are named one by one."""
_TRIES = 5
_PAUSE_S = 0.1


@dataclass(slots=True)
class Undone:
    """What was removed, or would be, by where it was; `stays` counts the other leads by where they are, `locked` those
    that another session holds; `named` are the first of both.
    """

    removed: Counter[str] = field(default_factory=Counter)
    stays: Counter[str] = field(default_factory=Counter)
    locked: int = 0
    named: list[Placed] = field(default_factory=list)
    change: int | None = None

    @property
    def total(self) -> int:
        """How many were removed, or would be."""
        return sum(self.removed.values())

    @property
    def seen(self) -> int:
        return self.total + sum(self.stays.values()) + self.locked


@dataclass
class UndoImport:
    """Takes an import of a tenant back; `done` is true of what is committed."""

    conn: Connection
    tenant_id: int
    what: Import
    actor: str
    why: str = ""
    at_once: int = AT_ONCE
    done: Undone = field(default_factory=Undone)

    async def run(self, progress: Callable[[], None], *, dry_run: bool = False) -> Undone:
        """Removes what is free; `dry_run` = only counts. Raises CannotMerge when customers keep changing, and
        errors.LockNotAvailable.
        """
        for first, last in await store.ranges(self.conn, self.tenant_id, self.what.import_no):
            below = last + 1
            while leads := await store.next_leads(self.conn, self.tenant_id, first, below, self.at_once):
                below = leads[-1]
                await self._part(leads, dry_run=dry_run)
                progress()
        if not dry_run:
            await store.note_undone(self.conn, self.tenant_id, self.what.import_no, self.actor)
        return self.done

    async def _part(self, leads: Sequence[int], *, dry_run: bool) -> None:
        for left in reversed(range(_TRIES)):
            placed = await store.where_are(self.conn, self.tenant_id, leads)
            free = [one for one in placed if one.is_free]
            gone = {one.lead_id for one in free} if dry_run else set(await self._remove(free))
            self.done.removed.update(one.state for one in free if one.lead_id in gone)
            locked = [one for one in free if one.lead_id not in gone]
            if not locked or not left:
                break
            # A router has them for a moment; then they are its rep's, or free.
            leads = [one.lead_id for one in placed if one.lead_id not in gone]
            await asyncio.sleep(_PAUSE_S)
        stays = [one for one in placed if not one.is_free]
        self.done.stays.update(one.state for one in stays)
        self.done.locked += len(locked)
        self.done.named += [*stays, *locked][: KEPT - len(self.done.named)]

    async def _remove(self, free: Sequence[Placed]) -> list[int]:
        """Those that are free; returns which could be removed."""
        if not free:
            return []
        leads, number = await undisturbed(self.conn, lambda: self._remove_at_once(free))
        self.done.change = number
        return leads

    async def _remove_at_once(self, free: Sequence[Placed]) -> tuple[list[int], int | None]:
        """One transaction; the change that it is noted under."""
        await limit_transaction(self.conn, LOCK_TIMEOUT_MS)
        customers = sorted({one.customer_id for one in free if one.customer_id is not None})
        if customers:
            # Intakes of these customers decide about repeats: they take turns with us.
            await hold_keys(self.conn, self.tenant_id, customers)
        leads = await store.hold_free(self.conn, self.tenant_id, [one.lead_id for one in free])
        if not leads:
            return [], self.done.change
        said = await store.who_they_say(self.conn, self.tenant_id, leads)
        if not {customer for customer, _ in said if customer is not None} <= set(customers):
            raise CustomersMoved
        orphans = await store.orphans_of(self.conn, self.tenant_id, leads)
        number = await record_part(self.conn, self.tenant_id, self._change(len(leads)), self.done.change)
        now = await database_clock(self.conn)
        await store.remove(self.conn, self.tenant_id, leads, self.what.import_no, number, now)
        await forget_keys_of(self.conn, self.tenant_id, [lead for _, lead in said], customers)
        await release_orphans(self.conn, self.tenant_id, orphans, now)
        return leads, number

    def _change(self, more: int) -> Change:
        after = f"{count(self.done.total + more, 'lead')} removed"
        return Change(self.actor, "leads undo-import", f"import {self.what.import_no}", self.what.file, after, self.why)
