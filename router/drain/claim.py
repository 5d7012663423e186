"""What a batch takes from the lead pool: ready leads, waiting ones for which there is room, and those that are due."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from router.domain.lead import PoolLead
from router.drain.lane_state import LaneState
from router.drain.quarantine import Only
from router.store import pool
from router.store.lane import OrderKey, next_recheck
from router.store.pool import Claimed
from router.store.statements import Connection


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """Most leads of a batch: `ready` ones; beside them, of waiting and of due ones, `waiting_share` thousandths."""

    ready: int = 2000
    waiting_share: int = 250

    @property
    def first(self) -> int:
        """So many of the ready ones are claimed first; if as many are there, the rest is while these are decided."""
        return (self.ready + 1) // 2

    def waiting(self, ready_claimed: int) -> int:
        """Waiting leads never starve ready ones; without ready ones they may fill the batch."""
        return self.ready if not ready_claimed else max(1, self.ready * self.waiting_share // 1000)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a batch may take: as `sizes` say, ready leads after a key (None = from the top); or `only` the named ones.

    `clock_given` = the lane's time is the caller's, not the database's.
    """

    sizes: BatchSizes
    clock_given: bool
    after: OrderKey | None = None
    only: Only | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What was taken.

    `owners` is the owning rep's number by customer; `more` = there may be as much again; `tried` = the wake keys that
    had room; `due_locked` = leads that are due are locked by somebody else.
    """

    leads: list[PoolLead]
    owners: dict[int, int]
    more: bool
    tried: frozenset[int]
    due_locked: bool


order_of: Callable[[PoolLead], OrderKey] = attrgetter("rank", "queued_at", "lead_id")
"""Leads are claimed and decided in this order."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a batch took: ready leads, and the others. Unordered."""

    ready: Claimed
    claims: Claims

    def with_more(self, ready: Claimed) -> "Taken":
        """With ready leads that were claimed after these."""
        both = Claimed([*self.ready.leads, *ready.leads], ready.owners | self.ready.owners)
        return Taken(both, self.claims)

    def __bool__(self) -> bool:
        return bool(self.ready.leads or self.claims.leads)

    def in_order(self) -> list[PoolLead]:
        """All of them, in the order in which they are decided."""
        return sorted([*self.ready.leads, *self.claims.leads], key=order_of)

    @property
    def owners(self) -> dict[int, int]:
        return self.ready.owners | self.claims.owners


NOTHING = Claimed([], {})
NO_CLAIMS = Claims([], {}, False, frozenset(), False)


async def claim_named(conn: Connection, tenant_id: int, state: LaneState, lead_ids: Sequence[int]) -> Taken:
    """These leads, as far as they are there and free."""
    found = await pool.claim_named(conn, tenant_id, lead_ids)
    state.maybe_empty.update(lead.wake_key for lead in found.leads if lead.wake_key)
    return Taken(found, NO_CLAIMS)


async def claim_waiting(conn: Connection, tenant_id: int, state: LaneState, now: datetime, most: int) -> Claims:
    """Takes waiting leads at `now`: at most `most` for which there is room, and as many that are due."""
    rooms = state.keys_with_room(now)
    waiting = due = NOTHING
    more = False
    if rooms:
        asked = allowance(rooms, most)
        waiting = await pool.claim_waiting(conn, tenant_id, asked, most)
        more = len(waiting.leads) == most or _cut_short(asked, rooms, waiting.leads)
    due_locked = False
    if state.next_due is not None and state.next_due <= now:
        due = await pool.claim_due(conn, tenant_id, now, most)
        more = more or len(due.leads) == most
        state.next_due = await next_recheck(conn, tenant_id)
        due_locked = len(due.leads) < most and state.next_due is not None and state.next_due <= now
    leads = waiting.leads + due.leads
    state.maybe_empty.update(lead.wake_key for lead in leads if lead.wake_key)
    return Claims(leads, waiting.owners | due.owners, more, frozenset(rooms), due_locked)


def allowance(rooms: Mapping[int, int], most: int) -> dict[int, int]:
    """How many leads to ask of each key: its room, but where many keys have much, an equal part of twice `most`.

    The claim sorts what it gets by rank and keeps `most`, so a bound on what it looks at is enough.
    """
    if sum(min(room, most) for room in rooms.values()) <= 4 * most:
        return {key: min(room, most) for key, room in rooms.items()}
    part = max(1, 2 * most // len(rooms))
    return {key: min(room, part) for key, room in rooms.items()}


def _cut_short(asked: Mapping[int, int], rooms: Mapping[int, int], claimed: Sequence[PoolLead]) -> bool:
    """Whether a key gave all that it was asked for although it had room for more."""
    got = Counter(lead.wake_key for lead in claimed)
    return any(got[key] == asked[key] < rooms[key] for key in asked)
