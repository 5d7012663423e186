"""The lane of a replay: what a router would remember of the tenant, and its batches, all in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ops.replay.loads import Loads
from ops.replay.waiting_pool import WaitingPool
from router.domain.decide import Decision, Inputs, Outcome, Waiting, decide
from router.domain.eligibility import GroupCredits
from router.domain.engine import Engine, Moment
from router.domain.lead import PoolLead
from router.drain.claim import asked_of_keys, cut_short, order_of
from router.drain.lane_state import LaneState, aligned_credits, moment_at
from router.drain.request import BatchRequest

OwnersOf = Callable[[Sequence[PoolLead]], dict[int, int]]


class Visit(NamedTuple):
    """One batch of the replay: the leads in their order with their decisions, and the state after it."""

    now: datetime
    engine: Engine
    leads: Sequence[PoolLead]
    decisions: Sequence[Decision]
    outcome: Outcome


@dataclass
class ReplayedLane:
    """`loads` are the replay's; `next_visit` = when a router would come without a recorded batch (UTC, None = never).

    `state` None = no engine yet. Whoever changes loads from outside calls `news`.
    """

    request: BatchRequest = BatchRequest()
    loads: Loads = field(default_factory=Loads)
    pool: WaitingPool = field(default_factory=WaitingPool)
    state: LaneState | None = None
    next_visit: datetime | None = None
    on_new_day: Callable[[], None] = lambda: None
    _next_key: int = 1
    _seeded: set[int] = field(default_factory=set)
    _at_once: tuple[datetime | None, int] = (None, 0)

    def use(self, engine: Engine, now: datetime) -> LaneState:
        """Decides by this engine from now on."""
        state = self.state
        if state is None:
            day = moment_at(engine, now).day.date
            self._fit(engine)
            numbers = engine.rep_numbers
            credits = aligned_credits(engine, {})
            counts = self.loads.open_counts[numbers], self.loads.today_counts[numbers]
            state = self.state = LaneState(engine, 0, day, *counts, credits)
        elif state.engine is not engine:
            state.use(engine)
        return state

    def turn_day(self, now: datetime) -> None:
        """A new business day: nobody has had a lead today."""
        assert self.state is not None
        day = moment_at(self.state.engine, now).day.date
        if day != self.state.day:
            self.on_new_day()
            self.state.turn_day(day)

    def seed(self, credits: Mapping[int, GroupCredits]) -> None:
        """The credits with which groups begin; the first that is told of a group holds."""
        assert self.state is not None
        fresh = {group_no: credit for group_no, credit in credits.items() if group_no not in self._seeded}
        if fresh:
            self._seeded |= fresh.keys()
            self.state.credits = aligned_credits(self.state.engine, {**self.state.credits, **fresh})

    def put(self, lead: PoolLead, ruleset: int, targets: str, recheck_at: datetime) -> None:
        """A lead waits for these targets of a ruleset, and is due at `recheck_at` (UTC)."""
        state = self.state
        assert state is not None
        key = state.key_numbers.get((ruleset, targets))
        if key is None:
            key = state.free_key(self._next_key)
            self._next_key = key + 1
            state.learn_key(key, ruleset, targets)
        self.pool.put(lead._replace(wake_key=key), recheck_at)

    def news(self, at: datetime | None = None) -> None:
        """Loads have changed; with `at`, somebody may be free since then, and a router would come."""
        if self.state is not None:
            self.state.quiet = False
            if at is not None and (self.state.keys or self.pool.counts):
                self.next_visit = at if self.next_visit is None else min(at, self.next_visit)

    def visit(self, now: datetime, arrivals: Sequence[PoolLead], owners_of: OwnersOf) -> Visit | None:
        """One batch: these leads, and those of the pool that a router would take with them. None = there were none."""
        state = self.state
        assert state is not None
        moment = moment_at(state.engine, now)
        self._begin(state, now)
        ready = [*arrivals, *self.pool.take(0, self.request.ready)]
        waiting, more = self._claim_waiting(state, now, len(ready))
        visit = None
        if leads := sorted([*ready, *waiting], key=order_of):
            outcome = decide(state.engine, self._inputs(state, moment, leads, owners_of(leads)))
            self._adopt(state, outcome)
            self._put_back(state, leads, outcome.decisions)
            self.pool.wake_customers(outcome.owners)
            more = more or 0 in self.pool.counts
            visit = Visit(now, state.engine, leads, outcome.decisions, outcome)
        self._prune(state)
        self.next_visit = self._next(state, moment, more=more)
        return visit

    @staticmethod
    def _inputs(state: LaneState, moment: Moment, leads: Sequence[PoolLead], owners: Mapping[int, int]) -> Inputs:
        attendance = state.on_duty(moment.now).attendance
        return Inputs(moment, leads, attendance, state.open_counts, state.today_counts, state.credits, owners)

    def _begin(self, state: LaneState, now: datetime) -> None:
        self.turn_day(now)
        self._fit(state.engine)
        numbers = state.engine.rep_numbers
        state.open_counts, state.today_counts = self.loads.open_counts[numbers], self.loads.today_counts[numbers]

    def _claim_waiting(self, state: LaneState, now: datetime, ready: int) -> tuple[list[PoolLead], bool]:
        """Waiting leads for which there is room, and those that are due; whether there may be more."""
        limit, more = self.request.waiting(ready), False
        waiting = list[PoolLead]()
        if rooms := state.keys_with_room(now):
            state.maybe_empty.update(rooms)
            asked = asked_of_keys(rooms, limit)
            waiting = self.pool.take_waiting(asked, limit)
            more = bool(waiting) and (len(waiting) == limit or cut_short(asked, rooms, waiting))
        due = self.pool.take_due(now, limit)
        state.maybe_empty.update(lead.wake_key for lead in waiting + due if lead.wake_key)
        return waiting + due, more or len(due) == limit

    def _adopt(self, state: LaneState, outcome: Outcome) -> None:
        state.adopt(outcome)
        self._seeded |= outcome.credits.keys()
        numbers = state.engine.rep_numbers
        self.loads.open_counts[numbers] = outcome.open_counts
        self.loads.today_counts[numbers] = outcome.today_counts

    def _put_back(self, state: LaneState, leads: Sequence[PoolLead], decisions: Sequence[Decision]) -> None:
        ruleset = state.engine.ruleset.version
        for lead, decision in zip(leads, decisions, strict=True):
            if isinstance(decision, Waiting):
                self.put(lead, ruleset, decision.targets, decision.recheck_at)

    def _prune(self, state: LaneState) -> None:
        """Forgets keys as the lane does, those that were tried: how many there are bounds what is asked of each."""
        empty = [key for key in state.maybe_empty & state.keys.keys() if key not in self.pool.counts]
        state.maybe_empty.clear()
        if empty:
            state.forget_keys(empty)

    def _next(self, state: LaneState, moment: Moment, *, more: bool) -> datetime | None:
        """As the lane's own: at once, or when time brings a rep, a new day, or a lead that is due."""
        if more and self._progress(moment.now):
            return moment.now
        if not state.keys:
            return self.pool.next_due()
        times = [self.pool.next_due(), moment.day.end, state.on_duty(moment.now).until]
        return min(at for at in times if at is not None)

    def _progress(self, now: datetime) -> bool:
        """Whether another batch at the same moment makes sense: no lead is decided about without end."""
        at, visits = self._at_once
        self._at_once = (now, visits + 1 if at == now else 1)
        return self._at_once[1] <= len(self.pool.leads) + 10

    def _fit(self, engine: Engine) -> None:
        if len(engine.rep_numbers):
            self.loads.fit(int(engine.rep_numbers[-1]))
