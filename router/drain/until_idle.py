"""Draining what can be drained now, for a command that then ends: tells locked from empty."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic

from router.drain.drain import Drain
from router.drain.outcome import Drained, LaneOutcome
from router.store import lane as store
from router.store.connections.connections import Part
from router.store.errors import TRANSIENT_ERRORS

_PAUSE_S = 0.05
_LOCKED_COUNT_MOST = 100_000


@dataclass(frozen=True)
class Idle:
    """How a tenant was left.

    `drained` is what this process did; `locked_leads` ready leads are locked by another session; `busy` = another
    router holds the lane and makes no progress; `paused` = paused, or without a ruleset; `failure` = the last error;
    `stopped` = asked to stop before it was idle, so what is left was not tried.
    """

    tenant_id: int
    drained: Drained = field(default_factory=Drained)
    locked_leads: int = 0
    busy: bool = False
    paused: bool = False
    failure: str | None = None
    stopped: bool = False

    @property
    def clean(self) -> bool:
        """Everything that could be routed is."""
        return not (self.locked_leads or self.busy or self.failure or self.drained.stuck)


async def drain_until_idle(
    drain: Drain,
    tenants: Sequence[int],
    *,
    now: datetime | None = None,
    patience_s: float = 5.0,
    concurrency: int = 4,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Drained], None] = lambda _: None,
) -> list[Idle]:
    """Drains the tenants, some at once. Gives up on one that stays locked or fails for `patience_s` seconds."""
    slots = asyncio.Semaphore(concurrency)

    async def one(tenant_id: int) -> Idle:
        async with slots:
            return await _until_idle(drain, tenant_id, now, patience_s, stop, progress)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(tenant_id)) for tenant_id in tenants]
    finally:
        await drain.close()
    return [task.result() for task in tasks]


async def _until_idle(
    drain: Drain,
    tenant_id: int,
    now: datetime | None,
    patience_s: float,
    stop: Callable[[], bool],
    progress: Callable[[Drained], None],
) -> Idle:
    total = Drained()
    last_progress, seen_batch = monotonic(), -1
    while True:
        failure: str | None = None
        lasting = False
        done = Drained()
        left = Left()
        try:
            done = await drain.drain_tenant(tenant_id, now=now, stop=stop, progress=progress)
            left = await _look(drain, tenant_id)
        except TRANSIENT_ERRORS as error:
            failure = f"{type(error).__name__}: {error}"
        except Exception as error:  # what one tenant has stored, such as rules of a later release, stops no other
            failure, lasting = f"{type(error).__name__}: {error}", True
        total = total + done
        idle = Idle(
            tenant_id,
            total,
            locked_leads=0 if done.outcome is LaneOutcome.PAUSED else left.ready,
            busy=done.outcome is LaneOutcome.LOCKED,
            paused=done.outcome is LaneOutcome.PAUSED,
            failure=failure,
        )
        if stop():
            return Idle(tenant_id, replace(total, stuck=False), paused=idle.paused, failure=failure, stopped=True)
        if idle.clean or lasting:
            return idle
        if done.leads or left.batch_no > seen_batch:
            last_progress, seen_batch = monotonic(), max(seen_batch, left.batch_no)
        elif monotonic() - last_progress > patience_s:
            return idle
        await asyncio.sleep(_PAUSE_S)


@dataclass(frozen=True, slots=True)
class Left:
    """What stands in the pool as ready although nobody took it, and how far the lane is."""

    ready: int = 0
    batch_no: int = -1


async def _look(drain: Drain, tenant_id: int) -> Left:
    async with drain.connections.acquire(Part.DRAIN) as conn:
        return Left(*await store.left_over(conn, tenant_id, _LOCKED_COUNT_MOST))
