"""Single leads that are handed in at the same time are committed together: at once when nothing is under way, else what
has gathered while the last commit was under way.

Each tenant has a line of its own, and one commit under way: a slow or flooding tenant delays no other.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from router.intake.hand_in import HandedIn, Outcome
from router.intake.lead_intake import Found, LeadIntake, NotDurable
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


Settled = Callable[[Found], None]
"""Is called once, with what became of a lead or why that is not known (NotDurable). Must not raise."""


@dataclass(slots=True)
class _Waiting:
    handed_in: HandedIn
    since: float
    settled: Settled
    asked_in: Link | None = None


@dataclass(slots=True)
class _Line:
    """What waits of one tenant, the first first; `keys` are those that wait or are being committed. `timer` looks for
    those that wait for too long.
    """

    waiting: deque[_Waiting] = field(default_factory=deque)
    keys: dict[str, bytes] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None


class GroupCommit:
    """Hands single leads to the intake in groups."""

    def __init__(self, intake: LeadIntake) -> None:
        self._intake = intake
        self._lines: dict[int, _Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()
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

        def settle(found: Found) -> None:
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
        begins = line is None
        if line is None:
            line = _Line()
        elif len(line.waiting) >= MAX_WAITING:
            self._instruments.leads(IntakeRoute.SINGLE, IntakeResult.SHED)
            raise TooManyWaiting(f"{MAX_WAITING:,} leads wait already")
        line.waiting.append(_Waiting(handed_in, monotonic(), settled, current_link()))
        key = handed_in.key
        if key is not None:
            line.keys[key.text] = key.body_hash
        if begins:
            self._lines[tenant_id] = line
            self._begin(tenant_id, line)
            self._look_again(tenant_id, line)

    async def close(self, deadline_s: float) -> None:
        """Waits for the commits under way. What waits longer than the deadline is given up."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        # After a commit the next one begins.
        while tasks := set(self._tasks):
            _, late = await asyncio.wait(tasks, timeout=max(0.0, until - loop.time()))
            if late:
                for task in late:
                    task.cancel()
                for line in self._lines.values():
                    _stop(line, ())
                return

    def _begin(self, tenant_id: int, line: _Line) -> None:
        """The next commit; what comes until its task runs is part of it."""
        self._keep(self._commit(tenant_id, line), f"commits of tenant {tenant_id}")

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _look_again(self, tenant_id: int, line: _Line) -> None:
        line.timer = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look_for_late, tenant_id, line)

    def _look_for_late(self, tenant_id: int, line: _Line) -> None:
        if late := _late(line):
            # By itself: a disk that hangs keeps no commit waiting.
            self._keep(self._take_late(tenant_id, line, late), "late leads")
        self._look_again(tenant_id, line)

    async def _commit(self, tenant_id: int, line: _Line) -> None:
        """Raises nothing but its cancellation: whatever happens is the outcome of those who wait."""
        group: list[_Waiting] = []
        try:
            self._instruments.waiting(sum(len(one.waiting) for one in self._lines.values()))
            group = [line.waiting.popleft() for _ in range(min(MAX_GROUP, len(line.waiting)))]
            # Of several requests, so a trace of its own.
            with root_span("intake commit", {LEADS: len(group)}, [one.asked_in for one in group]):
                leads = [one.handed_in for one in group]
                # All of them may have become late before this began.
                found: Sequence[Found] = await self._intake.take(tenant_id, leads, IntakeRoute.SINGLE) if leads else []
        except Exception as error:
            found = [error] * len(group)
        except BaseException:
            self._end(tenant_id, line)
            _stop(line, group)
            raise
        self._go_on(tenant_id, line, group, found)

    def _go_on(self, tenant_id: int, line: _Line, group: Sequence[_Waiting], found: Sequence[Found]) -> None:
        """The database begins with the next group before this one is answered, so that neither waits for the other."""
        if line.waiting:
            self._begin(tenant_id, line)
            asyncio.get_running_loop().call_soon(_answer, line, group, found)
        else:
            self._end(tenant_id, line)
            _answer(line, group, found)

    def _end(self, tenant_id: int, line: _Line) -> None:
        self._lines.pop(tenant_id, None)
        if line.timer is not None:
            line.timer.cancel()

    async def _take_late(self, tenant_id: int, line: _Line, late: Sequence[_Waiting]) -> None:
        leads = [one.handed_in for one in late]
        try:
            found: Sequence[Found] = await self._intake.take_late(tenant_id, leads, IntakeRoute.SINGLE, WAITS_S)
        except Exception as error:
            found = [error] * len(late)
        except BaseException:
            _stop(line, late)
            raise
        _answer(line, late, found)


def _late(line: _Line) -> list[_Waiting]:
    """Those that have waited for too long, which wait no longer."""
    before = monotonic() - WAITS_S
    late = []
    while line.waiting and line.waiting[0].since < before:
        late.append(line.waiting.popleft())
    return late


def _answer(line: _Line, group: Sequence[_Waiting], found: Sequence[Found]) -> None:
    for one, outcome in zip(group, found, strict=True):
        if one.handed_in.key is not None:
            line.keys.pop(one.handed_in.key.text, None)
        one.settled(outcome)


def _stop(line: _Line, group: Sequence[_Waiting]) -> None:
    """Nothing is known of these, nor of those that wait."""
    waiting = [*group, *line.waiting]
    line.waiting.clear()
    _answer(line, waiting, [NotDurable("this process stops")] * len(waiting))
