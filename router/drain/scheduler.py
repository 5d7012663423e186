"""The drain as a service: finds tenants with work and drains some of them at once, each for a turn."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from time import monotonic

from router.drain.drain import Drain
from router.drain.held_back import BATCH_EVERY_S, until_next_search_s
from router.drain.hints import Wakeups
from router.drain.outcome import LaneOutcome
from router.drain.search import Search
from router.drain.servers_away import ServersAway
from router.drain.summary import Summary
from router.runtime.lifeline import Lifeline
from router.store.backoff import LONGEST_S, wait_s
from router.store.blocking.blocked import who_blocks
from router.store.connections.connections import Part
from router.store.errors import TRANSIENT_ERRORS, NoConnection, Trouble, server_of, trouble_of
from router.telemetry.logs import get_logger

log = get_logger(__name__)

# What others cause is over when they are done, and is looked at often; a tenant's own trouble lasts. While somebody has
# locked what a batch needs, an attempt waits for 2 s and keeps a slot from other tenants for so long.
_LONGEST_WAIT_S = {Trouble.UNREACHABLE: 1.0, Trouble.SERVER: 1.0, Trouble.LOCK_CONFLICT: 5.0, Trouble.CLOCKS: 2.0}

# A server that has rows of some tenants: one of them tries, for all.
_LONGEST_WAIT_FOR_SERVER_S = 5.0

# One failure is a moment's trouble.
_REPORTED_FROM = 2
_NAMING_DEADLINE_S = 2.0


@dataclass
class DrainService:
    """A service. `jitter` gives numbers in [0, 1), by which several routers begin at different tenants; a turn is
    `turn_batches` batches of one tenant.

    Tenants stand in a line for the slots, and who had a turn and has more goes to its end: however long a backlog
    is, every other tenant comes before its next turn. There are `concurrency` slots, or fewer when the drain's
    share of the connections that there are now is smaller.
    """

    drain: Drain
    wakeups: Wakeups
    jitter: Callable[[], float]
    poll_interval_s: float = 0.5
    concurrency: int = 4
    turn_batches: int = 20
    name: str = "drain"
    max_silence_s: float = 60.0
    _turns: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _line: dict[int, None] = field(default_factory=dict)
    _problem: str | None = None
    _search_at_s: float = 0.0
    _woken_by: asyncio.TimerHandle | None = None
    _summary: Summary = field(default_factory=lambda: Summary(monotonic()))
    _away: ServersAway = field(default_factory=lambda: ServersAway(_until_next_attempt))
    _search: Search = field(init=False)

    def __post_init__(self) -> None:
        self._search = Search(self.drain, self._away)

    async def run(self, life: Lifeline) -> None:
        """Drains until the stop; then every turn ends after its batch."""
        self._turns.clear()
        self._line.clear()
        failures = 0
        async with asyncio.TaskGroup() as group:
            while not life.stopping:
                life.beat()
                self._report(life)
                self._summary.tell(monotonic())
                # Who was named gets a slot before the search, which costs a statement. Also one whose turn goes on:
                # that turn may have looked before the news was there.
                self._stand_in_line(self.wakeups.take())
                self._stand_in_line(self._away.due(monotonic()))
                self._start_turns(group, life)
                if not self._search_is_due():
                    await self.wakeups.wait(self.poll_interval_s)
                    continue
                try:
                    begin = monotonic()
                    found = await self._search.tenants_with_work()
                    self._search_at_s = monotonic() + until_next_search_s(monotonic() - begin)
                    failures = 0
                except TRANSIENT_ERRORS as error:
                    failures += 1
                    pause_s = wait_s(failures, longest_s=_LONGEST_WAIT_S[Trouble.SERVER])
                    log.warning(
                        "cannot query for work", error=f"{type(error).__name__}: {error}", retry_in_s=round(pause_s, 2)
                    )
                    await life.pause(pause_s)
                else:
                    # Several routers begin at different tenants, so that they do not meet at the same lanes.
                    first = int(self.jitter() * len(found))
                    self._stand_in_line(t for t in [*found[first:], *found[:first]] if t not in self._turns)
                    self._start_turns(group, life)
                    self._forget_troubles(found)
                    await self.wakeups.wait(self.poll_interval_s)
            # While turns are still under way: a turn that is cancelled at the stop is no crash.
            group.create_task(self.drain.close(), name="say that it stops")
        self._summary.tell(monotonic(), last=True)

    def _search_is_due(self) -> bool:
        """Always, unless it is costly: whoever is named has a turn without it."""
        return not self.drain.held_back or monotonic() >= self._search_at_s

    def _stand_in_line(self, tenants: Iterable[int]) -> None:
        now = monotonic()
        for tenant_id in tenants:
            if now >= self.drain.session(tenant_id).retry_at_s and not self._away.holds_back(tenant_id, now):
                self._line.setdefault(tenant_id)

    def _start_turns(self, group: asyncio.TaskGroup, life: Lifeline) -> None:
        for tenant_id in [tenant_id for tenant_id in self._line if tenant_id not in self._turns]:
            if len(self._turns) >= min(self.concurrency, self.drain.connections.share(Part.DRAIN)):
                return
            if self._rests(tenant_id):
                continue
            del self._line[tenant_id]
            if self._away.holds_back(tenant_id, monotonic()):
                continue
            self._away.begins(tenant_id)
            task = group.create_task(self._turn(tenant_id, life), name=f"drain tenant {tenant_id}")
            self._turns[tenant_id] = task

    def _rests(self, tenant_id: int) -> bool:
        """Whether it is too soon for the tenant's next batch; then it keeps its place in the line."""
        left_s = self.drain.session(tenant_id).rest_until_s - monotonic()
        if left_s <= 0:
            return False
        if self._woken_by is None:
            self._woken_by = asyncio.get_running_loop().call_later(left_s, self._rested)
        return True

    def _rested(self) -> None:
        self._woken_by = None
        self.wakeups.poke()

    async def _turn(self, tenant_id: int, life: Lifeline) -> None:
        try:
            progress = partial(self._summary.add, tenant_id)
            done = await self.drain.drain_tenant(
                tenant_id, batch_limit=self.turn_batches, stop=self._over(life), progress=progress
            )
            session = self.drain.session(tenant_id)
            session.trouble_is_over()
            self._away.answered(tenant_id)
            if self.drain.held_back and not done.more:
                session.rest_until_s = monotonic() + BATCH_EVERY_S
            if done.more and done.outcome is LaneOutcome.DONE:
                self._line.setdefault(tenant_id)
        except NoConnection:
            # It had no turn at all, which is no trouble of its own.
            self._line.setdefault(tenant_id)
        except TRANSIENT_ERRORS as error:
            self._back_off(tenant_id, error)
            await self._name_blocker(tenant_id, error)
        except Exception as error:  # what one tenant has stored, such as rules of a later release, stops no other
            self._back_off(tenant_id, error)
            log.error("tenant cannot be routed", tenant=str(self.drain.session(tenant_id)), exc_info=error)
        finally:
            self._away.ends(tenant_id)
            self._turns.pop(tenant_id, None)
            if self._line:
                self.wakeups.poke()

    async def _name_blocker(self, tenant_id: int, error: BaseException) -> None:
        """Who has locked what this tenant needs, as far as it can be found out at once; else after the next failure."""
        session = self.drain.session(tenant_id)
        known = bool(session.blocker) or session.failures < _REPORTED_FROM
        if known or trouble_of(error) is not Trouble.LOCK_CONFLICT:
            return
        with suppress(*TRANSIENT_ERRORS):
            async with (
                asyncio.timeout(_NAMING_DEADLINE_S),
                self.drain.connections.acquire(Part.DUTIES, _NAMING_DEADLINE_S) as conn,
            ):
                session.blocker = await who_blocks(conn)

    def _forget_troubles(self, found: Collection[int]) -> None:
        """Tenants that have no work any more: another router did it, or it is paused."""
        for tenant_id, session in self.drain.sessions.items():
            kept = tenant_id in found or tenant_id in self._turns or self._away.is_of(tenant_id) is not None
            if session.failures and not kept:
                session.trouble_is_over()

    def _report(self, life: Lifeline) -> None:
        """What of the work fails for longer than a moment, for `/readyz`: tenants that are not routed, and why, or this
        host's clock.
        """
        clocks = self.drain.process.clocks
        self.drain.instruments.clock_ahead(clocks.ahead_s)
        failing = [one for one in self.drain.sessions.values() if one.failures >= _REPORTED_FROM]
        away = self._away.report(lambda tenant_id: str(self.drain.session(tenant_id)))
        failing = [one for one in failing if self._away.is_of(one.tenant_id) is None]
        problem = "; ".join(away) or clocks.problem
        if failing:
            first = next((one for one in failing if one.blocker), failing[0])
            more = f"{len(failing) - 1} more tenants" if len(failing) > 1 else ""
            of_tenants = (f"tenant {first} is not routed: {first.problem}", first.blocker, more)
            problem = "; ".join(filter(None, (*away, *of_tenants)))
        if problem != self._problem:
            self._problem = problem
            life.works() if problem is None else life.failed(problem)

    def _over(self, life: Lifeline) -> Callable[[], bool]:
        """Whether a turn ends before its next batch: at the stop, or when another part needs the connection."""
        batches = count()
        return lambda: life.stopping or (next(batches) > 0 and self.drain.connections.contended(Part.DRAIN))

    def _back_off(self, tenant_id: int, error: BaseException) -> None:
        session = self.drain.session(tenant_id)
        session.failures += 1
        session.problem = f"{type(error).__name__}: {error}" if session.failures == 1 else session.problem
        server = server_of(error)
        if server is None:
            pause_s = wait_s(session.failures, longest_s=longest_wait_s(error))
            self._away.failed_otherwise(tenant_id)
        else:
            pause_s = self._away.failed(tenant_id, server, f"{type(error).__name__}: {error}", monotonic())
        session.retry_at_s = monotonic() + pause_s
        self._line.pop(tenant_id, None)
        log.warning(
            "batch rolled back",
            tenant=str(session),
            error=f"{type(error).__name__}: {error}",
            failures=session.failures,
            retry_in_s=round(pause_s, 2),
        )


def _until_next_attempt(failures: int) -> float:
    return wait_s(failures, longest_s=_LONGEST_WAIT_FOR_SERVER_S)


def longest_wait_s(error: BaseException) -> float:
    """For how long, at the most, a tenant is left alone after an error."""
    return _LONGEST_WAIT_S.get(trouble_of(error), LONGEST_S)
