"""A visit to a tenant's lane: take it or leave it, one batch, commit; and what a router remembers in between.

A crash anywhere rolls back and the rows are there again. The memory is used only while the lane's token says that
nobody else has written since.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np

from router.batch import BatchDone, run_batch
from router.claim import BatchSizes
from router.domain.calendar import business_day
from router.domain.engine import Engine
from router.domain.standing import GroupCredits
from router.failpoints import Point, reached
from router.lane_state import LaneState, aligned_credits, rep_loads
from router.presence import Presence
from router.store import lane as store
from router.store.engines import Engines, Versions
from router.store.lane import Lane, LaneLimits, OrderKey
from router.store.statements import Connection

_HOLD_DEADLINE_S = 5.0


class Visit(StrEnum):
    """How a visit ended: a batch was done (perhaps with nothing in it), or the lane was not ours to use."""

    DONE = "done"
    LOCKED = "locked"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class VisitResult:
    """What a visit did; `tenant` is the name, None when the lane was locked."""

    visit: Visit
    tenant: str | None = None
    batch: BatchDone = field(default_factory=BatchDone)


@dataclass(slots=True)
class Memory:
    """What a router process knows of its tenants; losing it costs time, nothing else."""

    engines: Engines = field(default_factory=Engines)
    states: dict[int, LaneState] = field(default_factory=dict)
    presence: Presence = field(default_factory=Presence)
    cursors: dict[int, OrderKey] = field(default_factory=dict)

    def forget(self, tenant_id: int) -> None:
        """Whatever was remembered may be wrong: read it again."""
        self.states.pop(tenant_id, None)
        self.cursors.pop(tenant_id, None)

    def engine(self, tenant_id: int, versions: Versions) -> Engine | None:
        """The engine of these versions, when it is there: also that of a tenant whose engine the cache has dropped."""
        state = self.states.get(tenant_id)
        if state is not None and state.engine.versions == versions:
            return state.engine
        return self.engines.known(tenant_id, versions)

    def remember(self, tenant_id: int, state: LaneState, cursor: OrderKey | None) -> None:
        self.states[tenant_id] = state
        if cursor is None:
            self.cursors.pop(tenant_id, None)
        else:
            self.cursors[tenant_id] = cursor


async def visit(
    conn: Connection,
    memory: Memory,
    tenant_id: int,
    *,
    token: int,
    now: datetime | None = None,
    sizes: BatchSizes = BatchSizes(),
    limits: LaneLimits = LaneLimits(),
    from_top: bool = True,
) -> VisitResult:
    """Does one batch of a tenant. `now` None = the database's clock; `token` is a fresh random number (63 bits).

    `from_top` False goes on after the last claimed lead, past rows that somebody else has locked. Any error rolls
    the batch back, drops what was remembered, and is raised.
    """
    try:
        while True:
            async with conn.transaction():
                # The statement's own limits hold from its execution on; a locked table stops it before that.
                async with asyncio.timeout(_HOLD_DEADLINE_S):
                    lane = await store.hold(conn, tenant_id, now, limits)
                if lane is None:
                    return VisitResult(Visit.LOCKED)
                reached(Point.LANE_HELD)
                if lane.paused or lane.ruleset == 0:
                    return VisitResult(Visit.PAUSED, lane.tenant)
                if memory.engine(tenant_id, lane.versions) is not None:
                    state = await lane_state(conn, memory, lane)
                    after = None if from_top else memory.cursors.get(tenant_id)
                    batch = await run_batch(
                        conn, lane, state, token=token, after=after, sizes=sizes, clock_given=now is not None
                    )
                    break
            # Reading a large ruleset takes long: the lane is given back meanwhile, so that nobody waits for it.
            engine = await memory.engines.get(conn, tenant_id, lane.versions)
            await memory.presence.watch(tenant_id, lane.tenant, engine)
    except BaseException:
        memory.forget(tenant_id)
        raise
    reached(Point.COMMITTED)
    memory.remember(tenant_id, state, batch.cursor)
    return VisitResult(Visit.DONE, lane.tenant, batch)


async def lane_state(conn: Connection, memory: Memory, lane: Lane) -> LaneState:
    """The tenant's state: from memory while the token matches, else read; under the versions in force."""
    engine = memory.engine(lane.tenant_id, lane.versions)
    if engine is None:
        engine = await memory.engines.get(conn, lane.tenant_id, lane.versions)
    state = memory.states.get(lane.tenant_id)
    if state is None or state.token != lane.state_token:
        state = await _read_state(conn, lane, engine)
    elif state.engine is not engine:
        state.use(engine)
    state.leave_out(memory.presence.absent(lane.tenant_id))
    return state


async def _read_state(conn: Connection, lane: Lane, engine: Engine) -> LaneState:
    day = business_day(lane.now, engine.ruleset.business_time_zone).date
    opened, today = rep_loads(engine, await store.read_loads(conn, lane.tenant_id), day)
    shares = {
        row[0]: GroupCredits(np.array(row[1], dtype=np.int64), np.array(row[2], dtype=np.int64))
        for row in await store.read_shares(conn, lane.tenant_id)
    }
    state = LaneState(
        engine=engine,
        token=lane.state_token,
        day=day,
        opened=opened,
        today=today,
        credits=aligned_credits(engine, shares),
        next_due=await store.next_recheck(conn, lane.tenant_id),
    )
    for number, ruleset, targets in await store.read_wake_keys(conn, lane.tenant_id):
        state.learn_key(number, ruleset, targets)
    return state
