"""Handing over leads of a rep, all or some: to another rep, or back to the rules. In parts, each in one transaction.

To another rep it holds the lane and leaves a flight record, as `assign` does; back to the rules it is what `return`
is, of many. A lead moves with its part or not at all, so whoever is interrupted calls it again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter

from router.domain.phrases import count
from router.domain.worded import worded
from router.drain.lane_state import LaneState
from router.drain.lane_transaction import lane_state
from router.drain.session import TenantSession
from router.manual.by_hand import Author, CannotGive, attempted, held_lane, position_of, room_of
from router.manual.handover_plan import NoRoom, Plan
from router.store import handover as store
from router.store.changes import Change, record_change
from router.store.lane import Lane, LaneLimits, hold_waiting
from router.store.statements import Connection

AT_ONCE = 500
_ATTEMPTS = 10


@dataclass(slots=True)
class Done:
    """What is committed so far: leads that moved, and those that were locked or had gone elsewhere."""

    moved: list[int] = field(default_factory=list)
    passed_over: list[int] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return len(self.moved) + len(self.passed_over)


@dataclass(slots=True)
class Handover:
    """`token` gives fresh random numbers (63 bits); `now` None = the database's clock.

    `at_once` leads are moved in one transaction.
    """

    conn: Connection
    token: Callable[[], int]
    actor: str
    why: str = ""
    now: datetime | None = None
    at_once: int = AT_ONCE
    limits: LaneLimits = LaneLimits()

    async def run(self, plan: Plan, done: Done, progress: Callable[[int], None] = lambda _: None) -> None:
        """Does what the plan says, adding to `done`; `progress` is told how many were seen after each part.

        Raises NoRoom before anything is done where the plan was refused, and later when there is no room for a part any
        more; CannotGive when the other rep is not active any more; LockNotAvailable when somebody keeps the lane. What
        was done before stays done.
        """
        if plan.refusal is not None:
            raise plan.refusal
        session, after = TenantSession(plan.tenant_id), 0
        left = plan.to_move
        while left > 0 and (leads := await self._next(plan, after, min(self.at_once, left))):
            began = perf_counter()
            moved = await (self._give_back(plan, leads) if plan.to_rep is None else self._give(session, plan, leads))
            after, left = leads[-1], left - len(leads)
            done.moved += moved
            done.passed_over += sorted({*leads} - {*moved})
            progress(done.seen)
            # Routers have the lane for as long as this had it.
            await asyncio.sleep(perf_counter() - began)

    async def _next(self, plan: Plan, after: int, limit: int) -> list[int]:
        if plan.named is not None:
            return [lead_id for lead_id in plan.named if lead_id > after][:limit]
        return await store.next_leads(self.conn, plan.tenant_id, plan.from_no, plan.upto_batch, after, limit)

    async def _give_back(self, plan: Plan, leads: Sequence[int]) -> list[int]:
        return await store.give_back(
            self.conn, plan.tenant_id, plan.from_no, leads, lambda n: self._change(plan, n), self.now
        )

    async def _give(self, session: TenantSession, plan: Plan, leads: Sequence[int]) -> list[int]:
        """One part to the other rep. Reading a large ruleset takes long: the lane is given back meanwhile."""
        for _ in range(_ATTEMPTS):
            async with self.conn.transaction():
                lane = await hold_waiting(self.conn, plan.tenant_id, self.now, self.limits)
                given = await attempted(self.conn, self._give_held(session, lane, plan, leads))
            if isinstance(given, _Nothing):
                return []
            if isinstance(given, Exception):
                raise given
            if given is not None:
                return given
            await session.engines.get(self.conn, plan.tenant_id, lane.versions)
        raise CannotGive(worded("rules or roster kept changing, {attempts} times over; try again", attempts=_ATTEMPTS))

    async def _give_held(
        self, session: TenantSession, lane: Lane, plan: Plan, leads: Sequence[int]
    ) -> list[int] | None:
        """While the lane is held; None when the tenant's rules have to be read first."""
        if session.engine(lane.versions) is None:
            return None
        return await self._give_in(lane, await lane_state(self.conn, session, lane), plan, leads)

    async def _give_in(self, lane: Lane, state: LaneState, plan: Plan, leads: Sequence[int]) -> list[int]:
        assert plan.to_rep is not None
        held = await held_lane(self.conn, lane, state, clock_given=self.now is not None)
        position = position_of(state, plan.to_rep)
        room = room_of(state, position)
        if room.fits < len(leads):
            raise NoRoom(plan.to_rep, len(leads), room, plan.tenant)
        taken = await store.take(self.conn, plan.tenant_id, plan.from_no, leads, held.at)
        if not taken:
            raise _Nothing
        held.take_off(plan.from_no, len(taken))
        await held.give(self.conn, taken, position, Author(self.actor, self.why, self.token()), plan.from_no)
        await record_change(self.conn, plan.tenant_id, self._change(plan, len(taken)))
        return [lead.lead_id for lead in taken]

    def _change(self, plan: Plan, leads: int) -> Change:
        after = "to be decided by the rules" if plan.to_rep is None else f"rep {plan.to_rep}"
        return Change(self.actor, "handover", f"rep {plan.from_rep}", count(leads, "lead"), after, self.why)


class _Nothing(Exception):
    """No lead could be taken: the inbox is left for the next batch, since nothing is written that rests on it."""
