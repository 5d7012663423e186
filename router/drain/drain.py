"""Draining: lane transactions of tenants that have work, until they are idle or their turn is over."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter

from router.drain.batch import BatchRefused
from router.drain.gate import Gate
from router.drain.held_back import request_while_held_back, until_next_look_s
from router.drain.lane_transaction import run_lane_transaction
from router.drain.outcome import Drained, LaneOutcome
from router.drain.presence import Presence
from router.drain.request import BatchRequest
from router.drain.session import TenantSession
from router.store import lane as store
from router.store.connections.connections import Connections, Part
from router.store.engines import Engines
from router.store.errors import LOCK_TIMEOUTS, TRANSIENT_ERRORS
from router.store.lane import LaneLimits
from router.store.processes import OwnProcess
from router.store.statements import Connection, is_distributed
from router.telemetry.instruments import BatchResult, Instruments
from router.telemetry.logs import bound, get_logger
from router.telemetry.spans import LEADS, TENANT, note, root_span

log = get_logger(__name__)

# With locked rows at the head, claims go on after the last key. How long until they look from the top again: so long
# that the look, which passes over all that is locked, costs a tenth of the time, as far as free leads may wait so long.
_LOOK_FROM_TOP_S = (0.5, 1.5)
_LOOK_COSTS = 0.1
# The search for work takes milliseconds; longer than this, somebody has locked a table.
_GOODBYE_S = 0.5
_RESULT = "lead_router.result"
_SEARCH_DEADLINE_S = 5.0


@dataclass
class Drain:
    """What a router needs to drain. `token` gives fresh random numbers of 63 bits; `request` is what a batch takes;
    `held_back` = dead rows stay, since vacuum may not remove them.
    """

    connections: Connections
    token: Callable[[], int]
    instruments: Instruments = field(default_factory=Instruments.silent)
    request: BatchRequest = BatchRequest()
    limits: LaneLimits = LaneLimits()
    engines: Engines = field(default_factory=Engines)
    presence: Presence = field(default_factory=Presence)
    sessions: dict[int, TenantSession] = field(default_factory=dict)
    process: OwnProcess = field(default_factory=OwnProcess)
    gate: Gate = field(default_factory=Gate)
    held_back: bool = False
    is_distributed: bool = False
    """Whether the last search was on a database whose tables may be on several servers."""

    def session(self, tenant_id: int) -> TenantSession:
        """What is remembered of the tenant; a new one knows nothing yet."""
        if tenant_id not in self.sessions:
            self.sessions[tenant_id] = TenantSession(tenant_id, self.engines, self.presence, self.process, self.gate)
        return self.sessions[tenant_id]

    async def tenants_with_work(self, now: datetime | None = None) -> list[int]:
        """Tenants for which a batch may find work, at `now` (None = the database's clock).

        Raises TimeoutError when a table stays locked: the search must fail loudly rather than wait in silence.
        """
        with root_span("find work"):
            async with self.connections.acquire(Part.DRAIN) as conn:
                self.is_distributed = is_distributed(conn)
                async with asyncio.timeout(_SEARCH_DEADLINE_S):
                    await self.process.beat(conn)
                async with asyncio.timeout(_SEARCH_DEADLINE_S):
                    return await store.tenants_with_work(conn, now)

    async def close(self) -> None:
        """Says that this process stops as it should; not worth waiting for."""
        with suppress(*TRANSIENT_ERRORS):
            async with asyncio.timeout(_GOODBYE_S), self.connections.acquire(Part.DRAIN, _GOODBYE_S) as conn:
                await self.process.end(conn)

    async def drain_tenant(
        self,
        tenant_id: int,
        *,
        now: datetime | None = None,
        batch_limit: int | None = None,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[Drained], None] = lambda _: None,
    ) -> Drained:
        """Batches of one tenant until it is idle, is locked or paused, `stop()` says so, or its turn is over.

        `progress` is given each batch. Errors of the database are raised after their batch was rolled back.
        """
        total, session = Drained(), self.session(tenant_id)
        async with self.connections.acquire(Part.DRAIN) as conn:
            while not stop() and (batch_limit is None or total.batches < batch_limit):
                await self.process.beat(conn)
                done = await self._traced_batch(conn, session, now)
                if done is None:
                    continue
                progress(done)
                total += done
                if done.outcome is not LaneOutcome.DONE or not done.more:
                    break
                # Other tenants' tasks and the listener get their turn even while no statement blocks.
                await asyncio.sleep(0)
        return total

    async def _traced_batch(self, conn: Connection, session: TenantSession, now: datetime | None) -> Drained | None:
        """One batch in a trace of its own; its tenant is in every log line meanwhile."""
        tenant = str(session)
        with bound(tenant=tenant), root_span("batch", {TENANT: tenant}):
            return await self._batch(conn, session, now)

    async def _batch(self, conn: Connection, session: TenantSession, now: datetime | None) -> Drained | None:
        """One batch; None when it was refused and a part of it is to be tried."""
        begin = perf_counter()
        # Remembered from turn to turn: turns may be shorter than the time between two looks.
        from_top = begin >= session.look_from_top_at
        request = replace(
            self.request,
            after=None if from_top else session.cursor,
            lead_ids=session.bisection.lead_ids,
            parked_for=session.bisection.parked_for,
        )
        if self.held_back:
            request = request_while_held_back(request, session.looked_at, session.ranks, from_top=from_top)
        try:
            with self.instruments.lanes.held():
                done = await run_lane_transaction(
                    conn, session, request, token=self.token(), now=now, limits=self.limits
                )
        except BaseException as error:
            self.instruments.batch_done(str(session), BatchResult.FAILED, perf_counter() - begin)
            note({_RESULT: BatchResult.FAILED.value})
            self.instruments.lanes.batch(str(session), timed_out=isinstance(error, LOCK_TIMEOUTS))
            if isinstance(error, BatchRefused) and _bisected(session, error):
                return None
            raise
        if done.outcome is LaneOutcome.DONE:
            session.bisection.passed(done.leads)
        if from_top:
            pause_s = until_next_look_s(done.look_s) if self.held_back else _until_next_look(done)
            session.look_from_top_at = begin + pause_s
        self._record(session, done, perf_counter() - begin)
        return done

    def _record(self, session: TenantSession, done: Drained, seconds: float) -> None:
        nothing = BatchResult.LOCKED if done.outcome is LaneOutcome.LOCKED else BatchResult.EMPTY
        result = BatchResult.OK if done.leads else nothing
        self.instruments.batch_done(str(session), result, seconds, done)
        if done.stuck:
            self.instruments.lanes.batch(str(session), skipped=True)
        note({_RESULT: result.value, LEADS: done.leads, "lead_router.assigned": done.assigned})
        if done.leads and log.debugging:
            log.debug(
                "batch",
                tenant=str(session),
                assigned=done.assigned,
                refused={reason.value: n for reason, n in done.refused.items()},
                parked={reason.value: n for reason, n in done.parked.items()},
                seconds=round(seconds, 4),
            )


def _bisected(session: TenantSession, refused: BatchRefused) -> bool:
    """Whether fewer leads are tried at once, or the one that is left is parked; else it is not the leads."""
    leads = len(refused.lead_ids)
    log.warning(
        "the database refuses a batch",
        tenant=str(session),
        leads=leads,
        error=f"{type(refused.__cause__ or refused).__name__}: {refused}",
    )
    return session.bisection.refused(refused.lead_ids, f"the database refuses to write what was decided: {refused}")


def _until_next_look(done: Drained) -> float:
    """Seconds from one look from the top to the next."""
    shortest, longest = _LOOK_FROM_TOP_S
    return min(max(shortest, done.look_s / _LOOK_COSTS), longest)
