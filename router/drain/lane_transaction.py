"""Taking a tenant's lane for one batch: take it or leave it, one batch, commit.

A crash anywhere rolls back and the rows are there again. What the session remembers is used only while the lane's token
says that nobody else has written since.
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

import numpy as np

from router.domain.calendar import business_day
from router.domain.clocks import ClockDisputed
from router.domain.eligibility import GroupCredits
from router.domain.engine import Engine
from router.drain.batch import park_batch, run_batch
from router.drain.claim import WAITING_ONLY, next_lead
from router.drain.failpoints import Point, reached
from router.drain.gate import NotAlone
from router.drain.lane_state import LaneState, aligned_credits, rep_loads
from router.drain.outcome import Drained, LaneOutcome
from router.drain.quarantine import BLAMED_AFTER, CAREFUL_FROM, CRASHED, Step, careful_leads, careful_rest, next_step
from router.drain.request import BatchRequest
from router.drain.session import TenantSession
from router.store import lane as store
from router.store import quarantine
from router.store.errors import STALE_PLANS
from router.store.lane import Lane, LaneLimits
from router.store.lane_clock import put_right
from router.store.statements import Connection
from router.store.transactions import with_lock_timeout
from router.telemetry.instruments import Phase
from router.telemetry.logs import bind, get_logger
from router.telemetry.spans import BATCH, TENANT, note
from router.telemetry.stopwatch import Stopwatch

_HOLD_DEADLINE_S = 5.0
_JUDGE_EVERY_S = 1.0
_ENGINE_LOCK_S = 0.3
_MAX_STALE = 5
_ALONE_WITHIN_S = 2.0
_ENGINE_DEADLINE_S = 60.0

log = get_logger(__name__)


async def run_lane_transaction(
    conn: Connection,
    session: TenantSession,
    request: BatchRequest = BatchRequest(),
    *,
    token: int,
    now: datetime | None = None,
    limits: LaneLimits = LaneLimits(),
) -> Drained:
    """Does one batch of the session's tenant. `now` None = the database's clock; `token` is a fresh random number
    (63 bits).

    Any error rolls it back, drops the state that was remembered, and is raised.
    """
    transaction = LaneTransaction(conn, session, replace(request, clock_given=now is not None), token, now, limits)
    try:
        drained = await transaction.run()
    except (ClockDisputed, NotAlone):
        # Nothing of ours was rolled back.
        session.forget_state()
        raise
    except BaseException:
        session.forget_state()
        session.failed = True
        raise
    if drained.outcome is LaneOutcome.DONE:
        session.failed = False
        session.cursor, session.looked_at = drained.cursor, drained.looked_at
        session.ranks |= drained.ranks
    return drained


@dataclass(slots=True)
class LaneTransaction:
    """Takes as many transactions as it needs: one, while there is nothing to read, to count or to note before.

    `unread` = the lane as it was when its engine turned out to be unknown; `disputed` = nobody knows what time it is;
    `alone` = nothing else is under way in this process, as it must be where a process died of the noted lead or of
    another one; `nothing_to_note` = there was no lead.
    """

    conn: Connection
    session: TenantSession
    request: BatchRequest
    token: int
    now: datetime | None
    limits: LaneLimits
    unread: Lane | None = None
    disputed: bool = False
    alone: bool = False
    has_to_be_alone: bool = False
    nothing_to_note: bool = False
    watch: Stopwatch = field(default_factory=Stopwatch)

    async def run(self) -> Drained:
        """Until a batch is done, or the lane is not ours to use."""
        gate = self.session.gate
        async with gate.shared():
            drained = await self._transactions()
        if drained is None:
            async with gate.alone(_ALONE_WITHIN_S):
                self.alone, self.has_to_be_alone = True, False
                drained = await self._transactions()
        assert drained is not None
        return drained

    async def _transactions(self) -> Drained | None:
        """None = nothing else may be under way in this process."""
        # Before the lane is held and states its own limits, no lock is waited for longer either.
        conn = with_lock_timeout(self.conn, self.limits.lock_ms / 1000, plans_once=True)
        stale = 0
        while True:
            self.watch = Stopwatch()
            try:
                async with conn.transaction():
                    drained = await self._transaction()
            except STALE_PLANS:
                self.session.forget_state()
                stale += 1
                if stale == _MAX_STALE:
                    raise
                continue
            if self.has_to_be_alone:
                return None
            if self.disputed:
                raise ClockDisputed(self.session.process.clocks.problem or "")
            if drained is not None:
                if drained.outcome is LaneOutcome.DONE:
                    reached(Point.COMMITTED)
                    self.watch.lap(Phase.COMMIT)
                return replace(drained, phases_s=self.watch.laps_s)
            if self.unread is not None:
                await self._read_engine(self.unread)
                self.unread = None

    async def _transaction(self) -> Drained | None:
        """One transaction; None = another one is to follow."""
        # The statement's own limits hold from its execution on; a locked table stops it before that.
        began_s = self.session.process.clock()
        async with asyncio.timeout(_HOLD_DEADLINE_S):
            lane = await store.hold(self.conn, self.session.tenant_id, self.now, self.limits)
        if lane is None:
            return Drained(LaneOutcome.LOCKED)
        self.session.name = lane.tenant
        reached(Point.LANE_HELD)
        if lane.paused or lane.ruleset == 0:
            return Drained(LaneOutcome.PAUSED, lane.tenant)
        if await self._something_comes_first(lane, began_s):
            return None
        state = await lane_state(self.conn, self.session, lane)
        self.watch.lap(Phase.LANE)
        # Leads that the database refused are looked for first: taken alone they would only be refused again.
        if lane.careful and self.request.lead_ids is None and not self.nothing_to_note:
            return await self._one_lead(lane, state)
        return await self._batch(lane, state, self.request)

    async def _something_comes_first(self, lane: Lane, began_s: float) -> bool:
        """Whether a batch has to wait for something that ends this transaction: commits it, or needs none."""
        if await self._crash_is_news(lane):
            return True
        self.disputed = self._are_clocks_disputed(lane, began_s)
        if self.disputed:
            return True
        if self.session.engine(lane.versions) is None:
            self.unread = lane
            return True
        if lane.time_is_wrong:
            log.warning("a clock was wrong", tenant=lane.tenant, lane=str(lane.last_at), now=str(lane.now))
            await put_right(self.conn, lane.tenant_id, lane.last_at, lane.now)
        return lane.time_is_wrong

    def _are_clocks_disputed(self, lane: Lane, began_s: float) -> bool:
        """Whether it is not known what time it is. What the caller says, or somebody has said of the clock, is so."""
        if self.now is not None:
            return False
        process = self.session.process
        process.read_clocks(lane.clock, began_s)
        process.clocks.hear(lane.clock_confirmed_until)
        return process.clocks.disputed

    async def _batch(self, lane: Lane, state: LaneState, request: BatchRequest) -> Drained:
        batch = lane.batch_no + 1
        bind(batch=batch)
        note({TENANT: lane.tenant, BATCH: batch})
        if request.parked_for:
            drained = await park_batch(self.conn, lane, state, request)
        else:
            drained = await run_batch(self.conn, lane, state, request, token=self.token, watch=self.watch)
        self.session.state = state
        return drained

    async def _one_lead(self, lane: Lane, state: LaneState) -> Drained | None:
        """After crashes: takes the noted lead alone, or notes one to be taken, which has to be committed before."""
        deaths = await quarantine.count_deaths(self.conn) if lane.noted_crashes >= BLAMED_AFTER else 0
        step = next_step(lane.careful, lane.noted_lead, lane.noted_crashes, deaths)
        self.has_to_be_alone = step is Step.TAKE and lane.noted_crashes > 0 and not self.alone
        if self.has_to_be_alone:
            return None
        if lane.noted_lead is None or step is Step.NOTE:
            await self._note(lane, state)
            return None
        if step is Step.TAKE and self.session.process.process_id not in lane.noted_by:
            self.session.forget_state()
            await quarantine.note_taker(self.conn, lane.tenant_id, self.session.process.process_id)
            return None
        why = CRASHED if step is Step.PARK else ""
        request = replace(self.request, lead_ids=(lane.noted_lead,), after=None, parked_for=why)
        drained = await self._batch(lane, state, request)
        if not drained.leads:
            await quarantine.forget_note(self.conn, lane.tenant_id)
        elif step is Step.PARK:
            await quarantine.end_quarantine(self.conn, lane.tenant_id)
        else:
            process_id = self.session.process.process_id
            rest = careful_rest(self.request.ready)
            await quarantine.lead_came_through(self.conn, lane.tenant_id, process_id, rest)
        return drained

    async def _note(self, lane: Lane, state: LaneState) -> None:
        self.session.forget_state()
        found = await self._next(lane, state)
        if found is None:
            self.nothing_to_note = True
        else:
            await quarantine.note_lead(self.conn, lane.tenant_id, found, self.session.process.process_id)

    async def _next(self, lane: Lane, state: LaneState) -> int | None:
        """In turns one that was ready when somebody crashed, the first of all, and now and then one that waits, for
        which more has to be asked; else whatever is.
        """
        found = None
        if lane.careful % 8 == 0:
            found = await next_lead(self.conn, lane, state, WAITING_ONLY)
        if found is None and (lane.careful % 2 or lane.careful % 8 == 0):
            found = await quarantine.next_suspect(self.conn, lane.tenant_id)
        return found if found is not None else await next_lead(self.conn, lane, state)

    async def _crash_is_news(self, lane: Lane) -> bool:
        """After a holder's transaction was rolled back: whether that has to be committed before anything else."""
        session, now = self.session, monotonic()
        aborted = lane.previous_holder_aborted and not session.failed
        again = lane.abort_unexplained and (session.judged_at_s is None or now - session.judged_at_s > _JUDGE_EVERY_S)
        if not (aborted or again):
            return False
        session.judged_at_s = now
        found = await quarantine.judge_abort(
            self.conn,
            lane.tenant_id,
            is_new=aborted,
            careful_from=CAREFUL_FROM,
            careful_leads=careful_leads(self.request.ready),
        )
        if found["crashed"]:
            log.warning("a router crashed in the middle of a batch", tenant=lane.tenant, crashes=found["crashes"])
        return aborted or found["crashed"]

    async def _read_engine(self, lane: Lane) -> None:
        """Reading a large ruleset takes long: done without the lane, for which nobody has to wait meanwhile."""
        session = self.session
        # Whoever locks a table of rules or rosters stops this tenant; the others need the slot.
        conn = with_lock_timeout(self.conn, _ENGINE_LOCK_S)
        async with asyncio.timeout(_ENGINE_DEADLINE_S):
            engine = await session.engines.get(conn, session.tenant_id, lane.versions)
        await session.presence.watch(session.tenant_id, lane.tenant, engine)


async def lane_state(conn: Connection, session: TenantSession, lane: Lane) -> LaneState:
    """The tenant's state: as remembered while the token matches, else read; under the versions in force."""
    engine = session.engine(lane.versions)
    if engine is None:
        engine = await session.engines.get(conn, lane.tenant_id, lane.versions)
    state = session.state
    if state is None or state.token != lane.state_token or state.engine is not engine:
        if not await session.engines.still_true(conn, lane.tenant_id, engine):
            state, engine = None, await session.engines.get(conn, lane.tenant_id, lane.versions)
        if state is None or state.token != lane.state_token:
            state = await _read_state(conn, lane, engine)
        elif state.engine is not engine:
            state.use(engine)
    state.leave_out(session.presence.absent(lane.tenant_id))
    return state


async def _read_state(conn: Connection, lane: Lane, engine: Engine) -> LaneState:
    day = business_day(lane.now, engine.ruleset.business_time_zone).date
    kept = await store.read_kept(conn, lane.tenant_id)
    open_counts, today_counts = rep_loads(engine, kept.loads, day)
    shares = {
        group_no: GroupCredits(np.array(reps, dtype=np.int64), np.array(credit, dtype=np.int64))
        for group_no, reps, credit in kept.shares
    }
    state = LaneState(
        engine=engine,
        token=lane.state_token,
        day=day,
        open_counts=open_counts,
        today_counts=today_counts,
        credits=aligned_credits(engine, shares),
        next_due=kept.next_recheck,
    )
    for number, ruleset, targets in kept.wake_keys:
        state.learn_key(number, ruleset, targets)
    return state
