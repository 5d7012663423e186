"""Draining: visits to the lanes of tenants that have work, until they are idle or their turn is over."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import perf_counter

import structlog

from router.domain.reason import Reason
from router.drain.batch import BatchRefused
from router.drain.claim import BatchSizes
from router.drain.lane_transaction import Memory, Visit, VisitResult, visit
from router.drain.quarantine import Narrowing
from router.store import lane as store
from router.store.connections.connections import Connections, Part
from router.store.lane import LaneLimits
from router.store.statements import Connection
from router.telemetry.instruments import Batch, BatchResult, Instruments

log = structlog.get_logger(__name__)

# With locked rows at the head, claims go on after the last key. How long until they look from the top again: so long
# that the look, which passes over all that is locked, costs a tenth of the time, as far as free leads may wait so long.
_LOOK_FROM_TOP_S = (0.5, 1.5)
_LOOK_COSTS = 0.1
# The search for work takes milliseconds; longer than this, somebody has locked a table.
_SEARCH_DEADLINE_S = 5.0


@dataclass(frozen=True)
class Drained:
    """What visits did to one or more tenants. `stuck` = leads that should be taken are locked by somebody else."""

    batches: int = 0
    assigned: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    parked: Counter[Reason] = field(default_factory=Counter)
    visit: Visit = Visit.DONE
    more: bool = False
    stuck: bool = False

    @property
    def leads(self) -> int:
        return self.assigned + self.refused.total() + self.parked.total()

    def plus(self, other: "Drained") -> "Drained":
        """Both together; how it ended is told by the later one."""
        return replace(
            other,
            batches=self.batches + other.batches,
            assigned=self.assigned + other.assigned,
            refused=self.refused + other.refused,
            parked=self.parked + other.parked,
        )


@dataclass
class Drain:
    """What a router needs to drain. `token` gives fresh random numbers of 63 bits."""

    connections: Connections
    token: Callable[[], int]
    instruments: Instruments = field(default_factory=Instruments.silent)
    sizes: BatchSizes = BatchSizes()
    limits: LaneLimits = LaneLimits()
    memory: Memory = field(default_factory=Memory)
    _names: dict[int, str] = field(default_factory=dict)
    _narrowing: dict[int, Narrowing] = field(default_factory=dict)
    _look_from_top_at: dict[int, float] = field(default_factory=dict)

    async def tenants_with_work(self, now: datetime | None = None) -> list[int]:
        """Tenants that a visit may help, at `now` (None = the database's clock).

        Raises TimeoutError when a table stays locked: the search must fail loudly rather than wait in silence.
        """
        async with self.connections.acquire(Part.DRAIN) as conn, asyncio.timeout(_SEARCH_DEADLINE_S):
            return await store.tenants_with_work(conn, now)

    async def drain_tenant(
        self,
        tenant_id: int,
        *,
        now: datetime | None = None,
        most_batches: int | None = None,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[Drained], None] = lambda _: None,
    ) -> Drained:
        """Batches of one tenant until it is idle, is locked or paused, `stop()` says so, or its turn is over.

        `progress` hears of each batch. Errors of the database are raised after their batch was rolled back.
        """
        total = Drained()
        async with self.connections.acquire(Part.DRAIN) as conn:
            while not stop() and (most_batches is None or total.batches < most_batches):
                begin = perf_counter()
                # Remembered from turn to turn: turns may be shorter than the time between two looks.
                from_top = begin >= self._look_from_top_at.get(tenant_id, 0.0)
                try:
                    result = await self._visit(conn, tenant_id, now, from_top)
                except BaseException as error:
                    failed = Batch(BatchResult.FAILED, perf_counter() - begin)
                    self.instruments.batch_done(self._name(tenant_id), failed)
                    if isinstance(error, BatchRefused) and self._narrowed(tenant_id, error):
                        continue
                    raise
                if result.tenant is not None:
                    self._names[tenant_id] = result.tenant
                if from_top:
                    self._look_from_top_at[tenant_id] = begin + _until_next_look(result)
                self._tell(tenant_id, result, perf_counter() - begin)
                done = _drained(result)
                progress(done)
                total = total.plus(done)
                if result.visit is not Visit.DONE or not result.batch.more:
                    break
                # Other tenants' tasks and the listener get their turn even while no statement blocks.
                await asyncio.sleep(0)
        return total

    async def _visit(self, conn: Connection, tenant_id: int, now: datetime | None, from_top: bool) -> VisitResult:
        narrowing = self._narrowing.get(tenant_id)
        result = await visit(
            conn,
            self.memory,
            tenant_id,
            token=self.token(),
            now=now,
            sizes=self.sizes,
            limits=self.limits,
            from_top=from_top,
            only=narrowing.only if narrowing else None,
        )
        if narrowing is not None and result.visit is Visit.DONE:
            narrowing.passed(result.batch.leads)
            if narrowing.over:
                del self._narrowing[tenant_id]
        return result

    def _narrowed(self, tenant_id: int, refused: BatchRefused) -> bool:
        """Whether fewer leads are tried at once, or the one that is left is parked; else it is not the leads."""
        narrowing = self._narrowing.setdefault(tenant_id, Narrowing())
        leads = len(refused.lead_ids)
        log.warning("the database refuses a batch", tenant=self._name(tenant_id), leads=leads, error=str(refused))
        return narrowing.refused(refused.lead_ids, f"the database refuses to write what was decided: {refused}")

    def _name(self, tenant_id: int) -> str:
        """For metrics and logs; the number until a visit has told the name."""
        return self._names.get(tenant_id, str(tenant_id))

    def _tell(self, tenant_id: int, result: VisitResult, seconds: float) -> None:
        batch = result.batch
        kind = BatchResult.LOCKED if result.visit is Visit.LOCKED else BatchResult.EMPTY
        median_s, longest_s = batch.waits_s or (None, None)
        seen = Batch(
            result=BatchResult.OK if batch.leads else kind,
            duration_s=seconds,
            phases_s=batch.phases_s,
            leads=batch.leads,
            assigned=batch.assigned,
            refused=batch.refused,
            parked=batch.parked,
            latency_median_s=median_s,
            latency_max_s=longest_s,
        )
        self.instruments.batch_done(self._name(tenant_id), seen)
        if batch.leads:
            log.debug(
                "batch",
                tenant=self._name(tenant_id),
                assigned=batch.assigned,
                refused={reason.value: n for reason, n in batch.refused.items()},
                parked={reason.value: n for reason, n in batch.parked.items()},
                seconds=round(seconds, 4),
            )


def _until_next_look(result: VisitResult) -> float:
    """Seconds from one look from the top to the next."""
    shortest, longest = _LOOK_FROM_TOP_S
    return min(max(shortest, result.batch.look_s / _LOOK_COSTS), longest)


def _drained(result: VisitResult) -> Drained:
    batch = result.batch
    return Drained(
        batches=1 if batch.leads else 0,
        assigned=batch.assigned,
        refused=batch.refused,
        parked=batch.parked,
        visit=result.visit,
        more=batch.more,
        stuck=batch.stuck,
    )
