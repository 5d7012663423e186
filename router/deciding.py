"""Deciding about what a batch has in hand and giving it out, each while the server works on something else.

The leads are claimed in two parts: while the server claims the second, this side decides about the first; while it
writes the assignments of the first, this side decides about the second; while it writes those, this side makes the
flight record. What is decided is the same as if all of it had been claimed and decided at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from router.claim import Asked, Taken, order_of
from router.domain.calendar import TZ_DATA_VERSION
from router.domain.decide import Assigned, Batch, Decision, Inputs, Outcome
from router.domain.engine import Engine, Moment
from router.domain.flight import encode, record
from router.domain.lead import PoolLead
from router.failpoints import Point, met, reached
from router.instruments import Phase
from router.lane_state import LaneState, moment_at
from router.meanwhile import meanwhile
from router.stopwatch import Stopwatch
from router.store import lane as store
from router.store import pool
from router.store.lane import Book, Lane, News, OrderKey, Record
from router.store.pool import Claimed
from router.store.statements import Connection

# How far a lead's queueing time may be ahead of a batch's and still move it (the lead came after the batch began).
_JUST_ARRIVED = timedelta(seconds=1)
_queued_at: Callable[[PoolLead], datetime] = attrgetter("queued_at")


@dataclass(slots=True)
class Take:
    """What a batch has in hand: news, leads, its moment, and the positions whose load the news changed.

    `last` is the key of the last ready lead; `rest` = so many more may follow it, 0 = these are all.
    """

    asked: Asked
    news: News
    taken: Taken
    moment: Moment
    changed: set[int]
    last: OrderKey | None = None
    rest: int = 0

    def add(self, ready: Claimed) -> None:
        """The rest has come."""
        self.taken, self.rest = self.taken.with_more(ready), 0
        self.last = max(map(order_of, ready.leads), default=self.last)

    @property
    def more(self) -> bool:
        """Whether there may be more to take, behind these leads or before them."""
        taken, asked = self.taken, self.asked
        behind = self._full or taken.claims.more or self.news.more
        return behind or asked.only is not None or asked.after is not None

    @property
    def cursor(self) -> OrderKey | None:
        """The last ready lead, where there may be more behind it."""
        return self.last if self._full else None

    @property
    def _full(self) -> bool:
        return self.asked.only is None and len(self.taken.ready.leads) == self.asked.sizes.ready


@dataclass(frozen=True, slots=True)
class Decided:
    """A batch that is decided and whose assignments are written; `record` is still to be."""

    inputs: Inputs
    outcome: Outcome
    book: Book
    record: Record


async def decide_and_give(conn: Connection, lane: Lane, state: LaneState, take: Take, watch: Stopwatch) -> Decided:
    """Decides about all that the batch takes, claims the rest of it on the way, and writes the assignments.

    Changes `take` when more comes into the hand; `state` only in that the business day may turn.
    """
    inputs = _inputs(state, take)
    met(inputs.leads)
    reached(Point.CLAIMED)
    batch = Batch(state.engine, inputs)
    decisions, left = list[Decision](), inputs.leads
    if take.rest:
        claim = pool.claim_ready(conn, lane.tenant_id, take.last, take.rest)
        more, decisions = await meanwhile(claim, lambda: batch.decide(inputs.leads))
        left = sorted(more.leads, key=order_of)
        met(left)
        take.add(more)
        if _later(lane, state, take):
            # A lead of the second part came after the time for which the first was decided: all of it anew.
            inputs = _inputs(state, take)
            batch, decisions, left = Batch(state.engine, inputs), [], inputs.leads
        else:
            inputs = inputs.extended(left, more.owners)
            batch.learn(inputs)
    book = Book(lane.tenant_id, lane.batch_no + 1, take.moment.now)
    written, owners = 0, dict[int, int]()
    if decisions and left:
        written, owners = len(decisions), dict(batch.moved)
        first = store.put_assignments(conn, book, _given(inputs.leads, decisions), owners)
        _, more_decisions = await meanwhile(first, lambda: batch.decide(left))
        decisions += more_decisions
    else:
        decisions += batch.decide(left)
    outcome = batch.outcome(decisions)
    watch.lap(Phase.DECIDE)
    reached(Point.DECIDED)
    moved = {customer: rep for customer, rep in outcome.owners.items() if owners.get(customer) != rep}
    last = store.put_assignments(conn, book, _given(inputs.leads, decisions, written), moved)
    _, flight = await meanwhile(last, lambda: _recorded(state.engine, inputs, outcome))
    reached(Point.ASSIGNMENTS_WRITTEN)
    return Decided(inputs, outcome, book, Record("drain", len(inputs.leads), flight))


def moment_of(lane: Lane, state: LaneState, news: News, taken: Taken, *, clock_given: bool) -> Moment:
    """When the batch is, by what it has in hand so far; the state's business day follows."""
    now = lane.now if clock_given else batch_time(lane.now, news, taken.ready.leads)
    moment = moment_at(state.engine, now)
    state.turn_day(moment.day.date)
    return moment


def batch_time(now: datetime, news: News, ready: Sequence[PoolLead]) -> datetime:
    """The batch's time: not before an ending that it folds in, nor before a lead that came while it began."""
    if news.at is not None:
        now = max(now, news.at)
    newest = max(map(_queued_at, ready), default=now)
    return newest if now < newest <= now + _JUST_ARRIVED else now


def _later(lane: Lane, state: LaneState, take: Take) -> bool:
    """Whether what has come into the hand makes the batch later than it was."""
    before = take.moment
    moment = moment_of(lane, state, take.news, take.taken, clock_given=take.asked.clock_given)
    if moment.now == before.now:
        return False
    take.moment = moment
    return True


def _inputs(state: LaneState, take: Take) -> Inputs:
    codes = state.on_duty(take.moment.now).codes
    leads, owners = take.taken.in_order(), take.taken.owners
    return Inputs(take.moment, leads, codes, state.opened, state.today, state.credits, owners)


def _given(
    leads: Sequence[PoolLead], decisions: Sequence[Decision], first: int = 0
) -> list[tuple[int, PoolLead, Assigned]]:
    """From place `first` on: place in the batch, lead and decision of those that somebody gets."""
    places = range(first, len(decisions))
    return [
        (place, lead, decision)
        for place, lead, decision in zip(places, leads[first : len(decisions)], decisions[first:], strict=True)
        if isinstance(decision, Assigned)
    ]


def _recorded(engine: Engine, inputs: Inputs, outcome: Outcome) -> bytes:
    return encode(record(engine, inputs, outcome, data_versions(engine)))


def data_versions(engine: Engine) -> str:
    """The versions of time zone and holiday data, for flight records."""
    return f"{TZ_DATA_VERSION}; {engine.holidays.version}"
