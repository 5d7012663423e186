"""A visit to a tenant's lane: take it or leave it, one batch, commit; and what a router remembers in between.

A crash anywhere rolls back and the rows are there again. The memory is used only while the lane's token says that
nobody else has written since.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from time import monotonic

import numpy as np
import structlog

from router.batch import BatchDone, next_leads, run_batch
from router.claim import BatchSizes
from router.domain.calendar import business_day
from router.domain.engine import Engine
from router.domain.standing import GroupCredits
from router.domain.suspicion import WENT_AWAY, Only, Step, at_once, next_step
from router.failpoints import Point, reached
from router.lane_state import LaneState, aligned_credits, rep_loads
from router.presence import Presence
from router.store import lane as store
from router.store import suspects
from router.store.engines import Engines, Versions
from router.store.lane import Lane, LaneLimits, OrderKey
from router.store.statements import Connection

_HOLD_DEADLINE_S = 5.0
_SAY_ALIVE_DEADLINE_S = 1.0
# For so long the others leave a lane alone whose leads were named (`hold` has it in seconds, too).
_NAMED_S = 2.0
_NAMED_PAUSE_S = 0.005

log = structlog.get_logger(__name__)


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
    """What a router process knows of its tenants; losing it costs time, nothing else.

    `failed` are those whose last visit ended with an error here.
    """

    engines: Engines = field(default_factory=Engines)
    states: dict[int, LaneState] = field(default_factory=dict)
    presence: Presence = field(default_factory=Presence)
    cursors: dict[int, OrderKey] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)

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
    only: Only | None = None,
) -> VisitResult:
    """Does one batch of a tenant. `now` None = the database's clock; `token` is a fresh random number (63 bits).

    `from_top` False goes on after the last claimed lead, past rows that somebody else has locked. `only` names the
    leads of the batch. Any error rolls it back, drops what was remembered, and is raised.
    """
    taking: Only | None = None
    named_until = 0.0
    try:
        while True:
            async with conn.transaction():
                # The statement's own limits hold from its execution on; a locked table stops it before that.
                async with asyncio.timeout(_HOLD_DEADLINE_S):
                    lane = await store.hold(conn, tenant_id, now, limits)
                if lane is None and taking is not None and monotonic() < named_until:
                    # Others look at the lane for a moment; nobody but us may take what we have named.
                    await asyncio.sleep(_NAMED_PAUSE_S)
                    continue
                if lane is None:
                    return VisitResult(Visit.LOCKED)
                reached(Point.LANE_HELD)
                if lane.paused or lane.ruleset == 0:
                    return VisitResult(Visit.PAUSED, lane.tenant)
                if lane.broken_off and tenant_id not in memory.failed:
                    log.warning(
                        "a router went away in the middle of a batch", tenant=lane.tenant, lately=lane.deaths + 1
                    )
                    await suspects.count_death(conn, tenant_id)
                    continue
                if memory.engine(tenant_id, lane.versions) is not None:
                    state = await lane_state(conn, memory, lane)
                    if taking is None:
                        step = next_step(lane.deaths, lane.suspects, lane.tries, just_named=lane.just_named)
                        if step is Step.LEAVE:
                            return VisitResult(Visit.LOCKED)
                        taking = await _prepare(conn, memory, lane, state, step, sizes, now)
                        if step is Step.NAME or step is Step.TRY:
                            named_until = monotonic() + _NAMED_S
                            continue
                    batch = await run_batch(
                        conn,
                        lane,
                        state,
                        token=token,
                        after=None if from_top else memory.cursors.get(tenant_id),
                        sizes=sizes,
                        clock_given=now is not None,
                        only=taking if taking is not None and taking.lead_ids else only,
                    )
                    if taking is not None:
                        await _came_through(conn, lane, taking)
                    break
            # Reading a large ruleset takes long: the lane is given back meanwhile, so that nobody waits for it.
            engine = await memory.engines.get(conn, tenant_id, lane.versions)
            await memory.presence.watch(tenant_id, lane.tenant, engine)
    except BaseException as error:
        memory.forget(tenant_id)
        memory.failed.add(tenant_id)
        if isinstance(error, Exception):
            await _say_alive(conn, tenant_id)
        raise
    reached(Point.COMMITTED)
    memory.failed.discard(tenant_id)
    memory.remember(tenant_id, state, batch.cursor)
    return VisitResult(Visit.DONE, lane.tenant, batch)


async def _prepare(
    conn: Connection,
    memory: Memory,
    lane: Lane,
    state: LaneState,
    step: Step,
    sizes: BatchSizes,
    now: datetime | None,
) -> Only | None:
    """What a step of suspicion takes, noted in the lane before it is taken; None = as usual."""
    if step is Step.AS_USUAL:
        return None
    if step is Step.PARK:
        return Only(lane.suspects[:1], WENT_AWAY)
    memory.forget(lane.tenant_id)
    if step is Step.TRY:
        count = at_once(len(lane.suspects))
        await suspects.try_suspects(conn, lane.tenant_id, count)
        return Only(lane.suspects[:count])
    found = await next_leads(conn, lane, state, sizes, now is not None)
    if found:
        await suspects.name_leads(conn, lane.tenant_id, found)
    return Only(found)


async def _came_through(conn: Connection, lane: Lane, taken: Only) -> None:
    """Nobody went away over these leads. With the one that is parked what they died of is found."""
    await suspects.clear_suspects(conn, lane.tenant_id, len(taken.lead_ids))
    if taken.blame:
        await suspects.forget_deaths(conn, lane.tenant_id)


async def _say_alive(conn: Connection, tenant_id: int) -> None:
    """An error of ours is no death: the next holder shall not count one. Without a connection it will, once."""
    with suppress(Exception):
        async with asyncio.timeout(_SAY_ALIVE_DEADLINE_S):
            await suspects.say_alive(conn, tenant_id)


async def lane_state(conn: Connection, memory: Memory, lane: Lane) -> LaneState:
    """The tenant's state: from memory while the token matches, else read; under the versions in force."""
    engine = memory.engine(lane.tenant_id, lane.versions)
    if engine is None:
        engine = await memory.engines.get(conn, lane.tenant_id, lane.versions)
    state = memory.states.get(lane.tenant_id)
    if state is not None and state.token == lane.state_token and state.engine is engine:
        return _with_presence(state, memory, lane)
    if not await memory.engines.still_true(conn, lane.tenant_id, engine):
        state, engine = None, await memory.engines.get(conn, lane.tenant_id, lane.versions)
    if state is None or state.token != lane.state_token:
        state = await _read_state(conn, lane, engine)
    elif state.engine is not engine:
        state.use(engine)
    return _with_presence(state, memory, lane)


def _with_presence(state: LaneState, memory: Memory, lane: Lane) -> LaneState:
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
