"""Sending parked leads back and having waiting ones looked at again, many at a time: what it would do, and doing it.

Bounded parts, each its own transaction, which leave routers as much of the lane as they take: whatever ends it in the
middle, what is done is done, and the same command does the rest.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING

from ops.waiting.estimate import Expected, expected
from ops.waiting.judge import hold_of, judge_keys
from router.domain.reason import Reason
from router.drain.presence import Presence
from router.drain.request import BatchRequest
from router.store import retry as store
from router.store.assignments import lane_progress
from router.store.retry import FIRST_PLACE, Author, Moved
from router.store.statements import Connection
from router.store.tenants import Tenant
from router.store.waiting import TenantNow, tenant_now

if TYPE_CHECKING:
    from router.store.engines import Engines

# 40 to 70 ms under the lane.
AT_ONCE = 2000

NAMED_ONLY = (Reason.LEAD_INVALID, Reason.SCREENING)
"""Parked leads that go back only when their reason is asked for: nobody could work on them, or a person parked them."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Which leads: of a reason (None = any), parked or queued since a time (UTC, None = ever)."""

    reason: Reason | None
    since: datetime | None

    @property
    def words(self) -> str:
        parts = [f"reason {self.reason}" if self.reason else "any reason"]
        return ", ".join(parts + ([f"since {self.since.isoformat()}"] if self.since else []))


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done to a tenant's leads.

    `parked` and `waiting` are leads by reason, `keys` the wake keys of the latter; `left` = parked leads by reason that
    would stay, because their reason must be named; `upto_batch` = the lane's last batch when it was asked; `held` =
    what keeps all leads of the tenant waiting meanwhile, in words.
    """

    tenant: Tenant
    parked: dict[str, int]
    waiting: dict[str, int]
    keys: tuple[int, ...]
    left: dict[str, int]
    upto_batch: int
    expected: Expected
    held: str | None

    @property
    def leads(self) -> int:
        return sum(self.parked.values()) + sum(self.waiting.values())


@dataclass
class Done:
    """What was done so far: leads sent back, leads to be looked at again, and leads that somebody else has locked."""

    sent_back: int = 0
    looked_at_again: int = 0
    locked: int = 0

    @property
    def seen(self) -> int:
        return self.sent_back + self.looked_at_again + self.locked


@dataclass
class Retry:
    """`token` gives fresh random numbers of 63 bits; `at_once` is the most leads in a transaction; `engines` keeps what
    was read, for those who ask again and again.
    """

    conn: Connection
    token: Callable[[], int]
    sizes: BatchRequest = BatchRequest()
    presence: Presence = field(default_factory=lambda: Presence(once=True))
    at_once: int = AT_ONCE
    engines: "Engines | None" = None

    async def plan(self, tenant: Tenant, ask: Ask) -> Plan:
        """Counts what is there, in one snapshot."""
        async with self.conn.transaction(isolation="repeatable_read", readonly=True):
            now = await store.clock(self.conn)
            counts = await store.parked_counts(self.conn, tenant.tenant_id, ask.since)
            wanted = {reason: n for reason, n in counts.items() if ask.reason in (None, reason)}
            left = {reason: n for reason, n in wanted.items() if ask.reason is None and reason in NAMED_ONLY}
            parked = {reason: n for reason, n in wanted.items() if reason not in left}
            at = await tenant_now(self.conn, tenant.tenant_id)
            hold = hold_of(at)
            # Nobody is looked at in a pause, and before the first rules; whatever the leads wait for comes after it.
            waiting, keys = (Counter[str](), ()) if hold else await self._waiting(at, ask)
            batch_no = await lane_progress(self.conn, tenant.tenant_id)
            leads = sum(parked.values()) + waiting.total()
            pace = await expected(self.conn, tenant.tenant_id, leads, self.sizes, now)
        return Plan(tenant, parked, dict(waiting), keys, left, batch_no, pace, hold.words if hold else None)

    async def _waiting(self, tenant: TenantNow, ask: Ask) -> tuple[Counter[str], tuple[int, ...]]:
        """Leads by reason, and their wake keys."""
        rows = await store.waiting_counts(self.conn, tenant.tenant_id, ask.since)
        keys_of = [(row["wake_key"], row["ruleset"], row["targets"]) for row in rows]
        judged = await judge_keys(self.conn, self.presence, tenant, keys_of, self.engines, outlook=False)
        found, keys = Counter[str](), []
        for row in rows:
            why = judged[row["wake_key"]]
            if why is not None and ask.reason in (None, why.reason):
                found[why.reason] += row["leads"]
                keys.append(row["wake_key"])
        return found, tuple(keys)

    async def run(self, plan: Plan, ask: Ask, actor: str, why: str, done: Done, progress: Callable[[], None]) -> None:
        """Does it, adding to `done`, which is true of what is committed; `progress` after each part.

        Raises asyncpg.LockNotAvailableError when somebody keeps the lane; what was done before stays done.
        """
        author = Author(actor, ask.words, why)
        if plan.parked:
            await self._send_back(plan, ask, author, done, progress)
        if plan.keys:
            await self._look_again(plan, ask, author, done, progress)

    async def _send_back(self, plan: Plan, ask: Ask, author: Author, done: Done, progress: Callable[[], None]) -> None:
        tenant_id, reasons, after = plan.tenant.tenant_id, list(plan.parked), 0
        while True:
            begin = perf_counter()
            async with self.conn.transaction():
                leads = await store.next_parked(self.conn, tenant_id, reasons, ask.since, after, self.at_once)
                if not leads:
                    return
                moved = await store.send_back(self.conn, tenant_id, leads, reasons, self.token(), author)
            after = leads[-1]
            done.sent_back += moved.moved
            await self._rest(moved, done, progress, begin)

    async def _look_again(self, plan: Plan, ask: Ask, author: Author, done: Done, progress: Callable[[], None]) -> None:
        tenant_id, after = plan.tenant.tenant_id, FIRST_PLACE
        while True:
            begin = perf_counter()
            async with self.conn.transaction():
                places = await store.next_waiting(
                    self.conn, tenant_id, plan.keys, ask.since, plan.upto_batch, after, self.at_once
                )
                if not places:
                    return
                moved = await store.look_again(self.conn, tenant_id, places, self.token(), author)
            after = places[-1]
            done.looked_at_again += moved.moved
            await self._rest(moved, done, progress, begin)

    async def _rest(self, moved: Moved, done: Done, progress: Callable[[], None], begin: float) -> None:
        """Routers come as soon as the lane is free, and have it for as long as this had it."""
        done.locked += moved.seen - moved.moved
        progress()
        await asyncio.sleep(perf_counter() - begin)
