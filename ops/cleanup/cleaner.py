"""One cleanup: batch after batch, each in a transaction of its own that renews the right to clean."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from time import monotonic
from typing import TypeVar

from ops.cleanup.pace import SPAN_S, Brake, rest_s
from ops.cleanup.plan import PartitionPlan, Task, partition_plan, really_before, tasks_of
from router.settings.model import CleanupSettings
from router.store import cleanup as store
from router.store import partitions as parts
from router.store.cleanup import ALL_TENANTS
from router.store.errors import TRANSIENT_ERRORS, LockNotAvailable
from router.store.statements import Connection
from router.store.tenants import Tenant
from router.telemetry.instruments import Instruments
from router.telemetry.logs import get_logger

log = get_logger(__name__)
T = TypeVar("T")
LEASE_S = 60.0
DETACH_DEADLINE_S = 5.0
_LOOK_S = 0.5
_LOCKED_AT_MOST = 5


class Outcome(StrEnum):
    """How a run ended: nothing old is left; the window closed; the drain got slower; it was told to stop."""

    DONE = "done"
    WINDOW = "window"
    BRAKE = "brake"
    STOPPED = "stopped"


class LeaseLost(Exception):
    """Another process cleans."""


@dataclass(slots=True)
class Result:
    """What a run came to; `removed` rows by table, `note` = what a person should know."""

    outcome: Outcome = Outcome.DONE
    removed: Counter[str] = field(default_factory=Counter)
    note: str = ""


@dataclass
class Cleaner:
    """`connect` lends a connection, `actor` is who cleans, `holder` the process (any number that nobody else has);
    `pause` rests (seconds), `stopping` tells whether to end, `seen` hears of rows removed from a table, `beat` that
    it still works.
    """

    connect: Callable[[], AbstractAsyncContextManager[Connection]]
    settings: CleanupSettings
    holder: int
    actor: str
    instruments: Instruments
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    stopping: Callable[[], bool] = lambda: False
    seen: Callable[[str, int], None] = lambda _table, _rows: None
    beat: Callable[[], None] = lambda: None

    async def tenant(
        self, tenant: Tenant, only: Collection[str] = (), closed: Callable[[], bool] = lambda: False
    ) -> Result:
        """Cleans the tables of a tenant; `closed` = whether the window is over. Raises LeaseLost."""
        async with self.connect() as conn:
            await self.renew(conn)
            tasks = await tasks_of(conn, tenant, self.settings, only)
            run_no = await store.begin_run(conn, tenant.tenant_id, self.actor)
        work = _Work(self, tenant.tenant_id, run_no, Brake(self.settings.brake_share), closed)
        return await self._noted(tenant.tenant_id, run_no, work.result, lambda: work.all(tasks), partial_=bool(only))

    async def partitions(self, only: Collection[str] = ()) -> Result | None:
        """Makes and lets go of partitions; None where there was nothing to do. Raises LeaseLost."""
        result = Result()
        async with self.connect() as conn:
            await self.renew(conn)
            wanted = [one for one in parts.COLUMNS if not only or one in only]
            plans = [await self.long(partition_plan(conn, one, self.settings)) for one in wanted]
            left = [name for plan in plans for name in await parts.detached(conn, plan.parent)]
            if not left and not any(plan.cut or plan.old for plan in plans):
                return None
            run_no = await store.begin_run(conn, ALL_TENANTS, self.actor)
        todo = partial(self._partitions, plans, left, run_no, result)
        return await self._noted(ALL_TENANTS, run_no, result, todo, partial_=bool(only))

    async def _noted(
        self, tenant_id: int, run_no: int, result: Result, work: Callable[[], Awaitable[None]], *, partial_: bool
    ) -> Result:
        """Does the work, and notes how it ended; only of some tables it is not done with the tenant."""
        outcome = "failed"
        try:
            await work()
            outcome = "partial" if partial_ and result.outcome is Outcome.DONE else str(result.outcome)
        except asyncio.CancelledError:
            outcome = str(Outcome.STOPPED)
            raise
        except Exception as error:
            result.note = f"{type(error).__name__}: {error}"
            raise
        finally:
            async with self.connect() as conn:
                await store.end_run(conn, tenant_id, run_no, outcome, result.note)
            self.instruments.cleanup_ended(outcome)
        return result

    async def renew(self, conn: Connection) -> None:
        if not await store.take_lease(conn, self.holder, LEASE_S):
            raise LeaseLost("another process cleans")

    async def _partitions(self, plans: list[PartitionPlan], left: list[str], run_no: int, result: Result) -> None:
        for name in left:
            await self._step(result, partial(parts.drop, name=name))
        for plan in plans:
            if plan.cut is not None and plan.last is not None:
                await self._step(result, partial(_close, plan))
            for one in plan.old:
                if not await self._step(result, partial(self._let_go, plan, one, run_no, result)):
                    break

    async def _step(self, result: Result, work: Callable[[Connection], Awaitable[object]]) -> bool:
        """One change of partitions. False = not done: where somebody has them locked, the next run tries again."""
        if self.stopping():
            result.outcome = Outcome.STOPPED
            return False
        try:
            async with self.connect() as conn:
                await self.renew(conn)
                await self.long(work(conn))
        except (parts.Busy, LockNotAvailable) as busy:
            result.note = f"locked by another session, to be tried again: {busy}"
            log.info("partition locked, will be tried again", error=str(busy))
            return False
        return True

    async def long(self, work: Awaitable[T]) -> T:
        """Waits for a statement that may read for minutes: meanwhile the right to clean is renewed, and the process
        gives signs of life.
        """
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait({task}, timeout=LEASE_S / 3))[0]:
                self.beat()
                await self._renew_beside()
            return await task
        finally:
            # The connection is given back only once nothing uses it.
            if task.cancel():
                await asyncio.wait({task})

    async def _renew_beside(self) -> None:
        """Over another connection, if there is one: without it, others may begin to clean, and find all locked."""
        with suppress(*TRANSIENT_ERRORS, TimeoutError):
            async with asyncio.timeout(LEASE_S / 3), self.connect() as conn:
                await self.renew(conn)

    async def _let_go(
        self, plan: PartitionPlan, one: parts.Partition, run_no: int, result: Result, conn: Connection
    ) -> None:
        if not one.pending:
            await parts.mark_removed(conn, plan.parent, one)
        rows = await parts.count_rows(conn, one.name)
        await parts.detach(conn, plan.parent, one, DETACH_DEADLINE_S)
        await parts.drop(conn, one.name)
        await store.note_removed(conn, ALL_TENANTS, run_no, plan.parent, rows)
        self.report(plan.parent, rows, result)

    def report(self, name: str, rows: int, result: Result) -> None:
        result.removed[name] += rows
        self.instruments.cleanup_removed(name, rows)
        self.seen(name, rows)


async def _close(plan: PartitionPlan, conn: Connection) -> None:
    assert plan.last is not None and plan.cut is not None
    await parts.close_open_end(conn, plan.parent, plan.last, plan.cut, empty=plan.newest is None)


@dataclass
class _Work:
    """The batches of one tenant."""

    cleaner: Cleaner
    tenant_id: int
    run_no: int
    brake: Brake
    closed: Callable[[], bool]
    result: Result = field(default_factory=Result)
    _batch_no: int | None = None
    _ready: bool = False
    _turn: bool = False

    async def all(self, tasks: list[Task]) -> None:
        for task in tasks:
            while (rows := await self._batch(task)) and self.result.outcome is Outcome.DONE:
                self.cleaner.report(task.table.name, rows, self.result)
            if self.result.outcome is not Outcome.DONE:
                return

    async def _batch(self, task: Task) -> int:
        """Returns the rows removed; 0 = there are none any more, or it is to end (`result.outcome`)."""
        if not await self._may_go_on():
            return 0
        begin = monotonic()
        rows = await self._remove(task)
        await self._rest(monotonic() - begin)
        return rows

    async def _remove(self, task: Task) -> int:
        """What is locked for longer than a moment waits for another run."""
        for _ in range(_LOCKED_AT_MOST):
            try:
                async with self.cleaner.connect() as conn:
                    before = await really_before(conn, self.tenant_id, task)
                    return await self._remove_before(conn, task, before)
            except LockNotAvailable:
                await self.cleaner.pause(_LOOK_S)
        self.result.note = f"{task.table.name}: locked by another session, to be tried again"
        return 0

    async def _remove_before(self, conn: Connection, task: Task, before: datetime) -> int:
        settings, of = self.cleaner.settings, (self.tenant_id, before)
        async with conn.transaction():
            await self.cleaner.renew(conn)
            rows = await store.remove_old(conn, task.table.work, *of, settings.batch_rows)
            if rows:
                await store.note_removed(conn, self.tenant_id, self.run_no, task.table.name, rows)
        return rows

    async def _may_go_on(self) -> bool:
        if self.cleaner.stopping():
            self.result.outcome = Outcome.STOPPED
        elif self.closed():
            self.result.outcome = Outcome.WINDOW
        elif self._batch_no is None or (self._ready and self.brake.usual is None):
            await self._watch_first()
        return self.result.outcome is Outcome.DONE

    async def _watch_first(self) -> None:
        """How fast the drain is without cleanup, where it has something to do."""
        waited = 0.0
        while await self._look(cleaning=False) and self.brake.usual is None and waited < 3 * SPAN_S:
            await self.cleaner.pause(_LOOK_S)
            waited += _LOOK_S

    async def _rest(self, worked_s: float) -> None:
        gives_way = await self._look(cleaning=True) or self._turn
        await self.cleaner.pause(rest_s(worked_s, self.cleaner.settings.busy_share, gives_way=gives_way))

    async def _look(self, *, cleaning: bool) -> bool:
        """Whether leads are ready; applies the brake."""
        async with self.cleaner.connect() as conn:
            now = await store.progress(conn, self.tenant_id)
            if now is None:
                return False
            after = now.batch_no if self._batch_no is None else self._batch_no
            leads = await store.routed(conn, self.tenant_id, after, now.batch_no)
        self._batch_no, self._ready, self._turn = now.batch_no, now.ready, now.turn
        if self.brake.watch(now.at, leads, ready=now.ready, cleaning=cleaning):
            self.result.outcome, self.result.note = Outcome.BRAKE, self.brake.words
        return now.ready
