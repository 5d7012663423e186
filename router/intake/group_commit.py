"""Single leads that are handed in at the same time are committed together: at once when nothing is under way, else what
has gathered while the last commit was under way.

Each tenant has a line of its own, and one commit under way: a slow or flooding tenant delays no other.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from router.intake.hand_in import HandedIn, Outcome
from router.intake.lead_intake import LeadIntake, NotDurable
from router.telemetry.intake_instruments import IntakeResult, IntakeRoute
from router.telemetry.spans import LEADS, Link, current_link, root_span

MAX_GROUP = 500
MAX_WAITING = 1_000
"""Leads of one tenant that may wait for their commit."""
WAITS_S = 3.0
"""The longest wait for the commit to begin, seconds; then a lead goes to the journal where there is one. With the
longest commit it is below the 10 s in which a request is answered."""
_LOOK_EVERY_S = 0.5


class TooManyWaiting(Exception):
    """So many leads of the tenant wait already that one more would wait for too long. Nothing was stored."""


Settled = Callable[[Outcome | Exception], None]
"""Is called once, with what became of a lead or why that is not known (NotDurable). Must not raise."""


@dataclass(slots=True)
class _Waiting:
    handed_in: HandedIn
    since: float
    settled: Settled
    asked_in: Link | None = None


@dataclass(slots=True)
class _Line:
    """What waits of one tenant, the first first; `keys` are those that wait or are being committed."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    keys: dict[str, bytes] = field(default_factory=dict)
    running: "asyncio.Task[None] | None" = None


class GroupCommit:
    """Hands single leads to the intake in groups."""

    def __init__(self, intake: LeadIntake) -> None:
        self._intake = intake
        self._lines: dict[int, _Line] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._instruments = intake.instruments

    def body_under_way(self, tenant_id: int, key: str) -> bytes | None:
        """The hash of the body that came with this key and is still being worked on."""
        line = self._lines.get(tenant_id)
        return None if line is None else line.keys.get(key)

    async def hand_in(self, tenant_id: int, handed_in: HandedIn) -> Outcome:
        """Returns once the lead is committed, or cannot be. Raises TooManyWaiting, and NotDurable.

        A caller that stops waiting does not stop the commit.
        """
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(found: Outcome | Exception) -> None:
            if outcome.done():
                return
            if isinstance(found, Exception):
                outcome.set_exception(found)
                # A caller that hung up does not ask for it.
                outcome.exception()
            else:
                outcome.set_result(found)

        self.enter(tenant_id, handed_in, settle)
        return await outcome

    def enter(self, tenant_id: int, handed_in: HandedIn, settled: Settled) -> None:
        """As `hand_in`, without a task that waits. Raises TooManyWaiting."""
        line = self._lines.get(tenant_id)
        if line is None:
            line = self._lines[tenant_id] = _Line()
        if len(line.waiting) >= MAX_WAITING:
            self._instruments.leads(IntakeRoute.SINGLE, IntakeResult.SHED)
            raise TooManyWaiting(f"{MAX_WAITING:,} leads wait already")
        line.waiting.append(_Waiting(handed_in, monotonic(), settled, current_link()))
        key = handed_in.key
        if key is not None:
            line.keys[key.text] = key.body_hash
        if line.running is None:
            line.running = asyncio.create_task(self._run(tenant_id, line), name=f"commits of tenant {tenant_id}")

    async def close(self, deadline_s: float) -> None:
        """Waits for the commits under way. What waits longer than the deadline is given up."""
        tasks = [*self._late, *(line.running for line in self._lines.values() if line.running is not None)]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=deadline_s)
            for task in late:
                task.cancel()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="late leads")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _run(self, tenant_id: int, line: _Line) -> None:
        try:
            while line.waiting:
                self._instruments.waiting(sum(len(one.waiting) for one in self._lines.values()))
                group = [line.waiting.popleft() for _ in range(min(MAX_GROUP, len(line.waiting)))]
                commit = asyncio.create_task(self._commit(tenant_id, line, group))
                while not (await asyncio.wait([commit], timeout=_LOOK_EVERY_S))[0]:
                    if late := _late(line):
                        # By itself: a disk that hangs keeps no commit waiting.
                        self._keep(self._settle(line, late, self._take_late(tenant_id, late)))
        finally:
            del self._lines[tenant_id]
            while line.waiting:
                _fail(line, line.waiting.popleft(), NotDurable("this process stops"))

    async def _commit(self, tenant_id: int, line: _Line, group: Sequence[_Waiting]) -> None:
        # Of several requests, so a trace of its own.
        with root_span("intake commit", {LEADS: len(group)}, [one.asked_in for one in group]):
            leads = [one.handed_in for one in group]
            await self._settle(line, group, self._intake.take(tenant_id, leads, IntakeRoute.SINGLE))

    async def _take_late(self, tenant_id: int, late: Sequence[_Waiting]) -> list[Outcome]:
        leads = [one.handed_in for one in late]
        return await self._intake.take_late(tenant_id, leads, IntakeRoute.SINGLE, WAITS_S)

    async def _settle(self, line: _Line, group: Sequence[_Waiting], work: Awaitable[list[Outcome]]) -> None:
        """Raises nothing but its cancellation: whatever happens is the outcome of those who wait."""
        try:
            outcomes = await work
        except BaseException as error:
            for one in group:
                _fail(line, one, error if isinstance(error, Exception) else NotDurable("this process stops"))
            if not isinstance(error, Exception):
                raise
            return
        for one, outcome in zip(group, outcomes, strict=True):
            _forget_key(line, one)
            one.settled(outcome)


def _late(line: _Line) -> list[_Waiting]:
    """Those that have waited for too long, which wait no longer."""
    before = monotonic() - WAITS_S
    late = []
    while line.waiting and line.waiting[0].since < before:
        late.append(line.waiting.popleft())
    return late


def _fail(line: _Line, one: _Waiting, error: Exception) -> None:
    _forget_key(line, one)
    one.settled(error)


def _forget_key(line: _Line, one: _Waiting) -> None:
    if one.handed_in.key is not None:
        line.keys.pop(one.handed_in.key.text, None)
