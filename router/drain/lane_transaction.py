"""A visit to a tenant's lane: take it or leave it, one batch, commit; and what a router remembers in between.

A crash anywhere rolls back and the rows are there again. The memory is used only while the lane's token says that
nobody else has written since.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from time import monotonic

import numpy as np
import structlog

from router.domain.calendar import business_day
from router.domain.engine import Engine
from router.domain.standing import GroupCredits
from router.drain.batch import BatchDone, next_leads, run_batch
from router.drain.claim import Asked, BatchSizes
from router.drain.failpoints import Point, reached
from router.drain.lane_state import LaneState, aligned_credits, rep_loads
from router.drain.presence import Presence
from router.drain.quarantine import WENT_AWAY, Only, Step, at_once, next_step
from router.store import lane as store
from router.store import quarantine as suspects
from router.store.engines import Engines, Versions
from router.store.lane import Lane, LaneLimits, OrderKey
from router.store.statements import Connection
from router.telemetry.instruments import Phase
from router.telemetry.stopwatch import Stopwatch

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
    asked = _Visit(conn, memory, tenant_id, token, now, sizes, limits, from_top, only)
    try:
        result = await asked.run()
    except BaseException as error:
        memory.forget(tenant_id)
        memory.failed.add(tenant_id)
        if isinstance(error, Exception):
            await _say_alive(conn, tenant_id)
        raise
    if asked.state is not None:
        memory.failed.discard(tenant_id)
        memory.remember(tenant_id, asked.state, result.batch.cursor)
    return result


@dataclass(slots=True)
class _Visit:
    """A visit under way: what it was asked for, what it found out, and what it has named to take.

    It takes as many transactions as it needs: one, while nothing is to be read or suspected. `state` is there once
    its batch is done.
    """

    conn: Connection
    memory: Memory
    tenant_id: int
    token: int
    now: datetime | None
    sizes: BatchSizes
    limits: LaneLimits
    from_top: bool
    only: Only | None
    state: LaneState | None = None
    unread: Lane | None = None
    taking: Only | None = None
    named_until: float = 0.0

    async def run(self) -> VisitResult:
        while True:
            watch = Stopwatch()
            async with self.conn.transaction():
                result = await self._transaction(watch)
            if result is not None:
                if self.state is not None:
                    reached(Point.COMMITTED)
                    watch.lap(Phase.COMMIT)
                return replace(result, batch=replace(result.batch, phases_s=watch.laps_s))
            await self._between()

    async def _transaction(self, watch: Stopwatch) -> VisitResult | None:
        """One transaction; None = another one is to follow."""
        # The statement's own limits hold from its execution on; a locked table stops it before that.
        async with asyncio.timeout(_HOLD_DEADLINE_S):
            lane = await store.hold(self.conn, self.tenant_id, self.now, self.limits)
        if lane is None:
            # Others look at the lane for a moment; nobody but us may take what we have named.
            return None if monotonic() < self.named_until else VisitResult(Visit.LOCKED)
        reached(Point.LANE_HELD)
        if lane.paused or lane.ruleset == 0:
            return VisitResult(Visit.PAUSED, lane.tenant)
        if not await self._ready(lane):
            return None
        state = await lane_state(self.conn, self.memory, lane)
        # Leads that the database refused are looked for first: as suspects they would only be refused again.
        if self.taking is None and self.only is None:
            step = next_step(lane.deaths, lane.suspects, lane.tries, just_named=lane.just_named)
            if step is Step.LEAVE:
                return VisitResult(Visit.LOCKED)
            if not await self._prepared(lane, state, step):
                return None
        return await self._batch(lane, state, watch)

    async def _ready(self, lane: Lane) -> bool:
        """Whether the lane may be used at once: no death is to be counted before, and no rules are to be read."""
        if lane.broken_off and self.tenant_id not in self.memory.failed:
            lately = lane.deaths + 1
            log.warning("a router went away in the middle of a batch", tenant=lane.tenant, lately=lately)
            await suspects.count_death(self.conn, self.tenant_id)
            return False
        if self.memory.engine(self.tenant_id, lane.versions) is None:
            self.unread = lane
            return False
        return True

    async def _between(self) -> None:
        """What is done without the lane."""
        if self.unread is not None:
            # Reading a large ruleset takes long: nobody waits for the lane meanwhile.
            lane, self.unread = self.unread, None
            engine = await self.memory.engines.get(self.conn, self.tenant_id, lane.versions)
            await self.memory.presence.watch(self.tenant_id, lane.tenant, engine)
        elif self.named_until:
            await asyncio.sleep(_NAMED_PAUSE_S)

    async def _prepared(self, lane: Lane, state: LaneState, step: Step) -> bool:
        """Whether the batch may come now; else what it takes was named, which has to be committed before."""
        if step is Step.PARK:
            self.taking = Only(lane.suspects[:1], WENT_AWAY)
        if step is Step.AS_USUAL or step is Step.PARK:
            return True
        self.memory.forget(self.tenant_id)
        self.named_until = monotonic() + _NAMED_S
        if step is Step.TRY:
            count = at_once(len(lane.suspects))
            await suspects.try_suspects(self.conn, self.tenant_id, count)
            self.taking = Only(lane.suspects[:count])
            return False
        found = await next_leads(self.conn, lane, state, Asked(self.sizes, self.now is not None))
        if found:
            await suspects.name_leads(self.conn, self.tenant_id, found)
        self.taking = Only(found)
        return False

    async def _batch(self, lane: Lane, state: LaneState, watch: Stopwatch) -> VisitResult:
        watch.lap(Phase.LANE)
        asked = Asked(
            self.sizes,
            self.now is not None,
            after=None if self.from_top else self.memory.cursors.get(self.tenant_id),
            only=self.taking if self.taking is not None and self.taking.lead_ids else self.only,
        )
        batch = await run_batch(self.conn, lane, state, asked, token=self.token, watch=watch)
        if self.taking is not None:
            # Nobody went away over these leads. With the one that is parked what they died of is found.
            await suspects.clear_suspects(self.conn, self.tenant_id, len(self.taking.lead_ids))
            if self.taking.blame and batch.leads:
                await suspects.forget_deaths(self.conn, self.tenant_id)
        self.state = state
        return VisitResult(Visit.DONE, lane.tenant, batch)


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
    kept = await store.read_kept(conn, lane.tenant_id)
    opened, today = rep_loads(engine, kept.loads, day)
    shares = {
        group_no: GroupCredits(np.array(reps, dtype=np.int64), np.array(credit, dtype=np.int64))
        for group_no, reps, credit in kept.shares
    }
    state = LaneState(
        engine=engine,
        token=lane.state_token,
        day=day,
        opened=opened,
        today=today,
        credits=aligned_credits(engine, shares),
        next_due=kept.next_recheck,
    )
    for number, ruleset, targets in kept.wake_keys:
        state.learn_key(number, ruleset, targets)
    return state
