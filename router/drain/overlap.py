"""Deciding about what a batch has in hand and giving it out, each while the server works on something else.

The leads are claimed in two parts: while the server claims the second, this side decides about the first; while it
writes the assignments of the first, this side decides about the second; while it writes those, this side makes the
flight record. What is decided is the same as if all of it had been claimed and decided at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from router.domain.calendar import TZ_DATA_VERSION
from router.domain.decide import Assigned, Batch, Decision, Inputs, Outcome
from router.domain.engine import Engine, Moment
from router.domain.flight import encode, record
from router.domain.lead import PoolLead
from router.drain.claim import Asked, Taken, order_of
from router.drain.failpoints import Point, met, reached
from router.drain.lane_state import LaneState, moment_at
from router.drain.meanwhile import meanwhile
from router.store import lane as store
from router.store import pool
from router.store.lane import Book, Lane, News, OrderKey, Record
from router.store.pool import Claimed
from router.store.statements import Connection
from router.telemetry.instruments import Phase
from router.telemetry.stopwatch import Stopwatch

# How far a lead's queueing time may be ahead of a batch's and still move it (the lead came after the batch began).
_JUST_ARRIVED = timedelta(seconds=1)
_queued_at: Callable[[PoolLead], datetime] = attrgetter("queued_at")


@dataclass(slots=True)
class Take:
    """What a batch has in hand: news, leads, its moment, and the positions whose load the news changed.

    `last` is the key of the last ready lead; `rest` = so many more may follow it, 0 = these are all. `look_s` = seconds
    that the first claim took.
    """

    asked: Asked
    news: News
    taken: Taken
    moment: Moment
    changed: set[int]
    look_s: float = 0.0
    last: OrderKey | None = None
    rest: int = 0

    def add(self, ready: Claimed) -> None:
        """The rest has come."""
        self.taken, self.rest = self.taken.with_more(ready), 0
        self.last = max(map(order_of, ready.leads), default=self.last)

    @property
    def more(self) -> bool:
        """Whether there may be more to take, behind these leads, before them, or because it came after the moment."""
        taken, asked = self.taken, self.asked
        behind = len(taken.ready.leads) >= asked.sizes.first or taken.claims.more or self.news.more
        return behind or asked.only is not None or asked.after is not None

    @property
    def cursor(self) -> OrderKey | None:
        """The last ready lead, where there may be more behind it."""
        full = self.asked.only is None and len(self.taken.ready.leads) == self.asked.sizes.ready
        return self.last if full else None


@dataclass(frozen=True, slots=True)
class Decided:
    """A batch that is decided and whose assignments are written; `record` is still to be."""

    inputs: Inputs
    outcome: Outcome
    book: Book
    record: Record


async def decide_and_give(conn: Connection, lane: Lane, state: LaneState, take: Take, watch: Stopwatch) -> Decided:
    """Decides about all that the batch takes, claims the rest of it on the way, and writes the assignments.

    Changes `take` when more comes into the hand, and nothing else: what was decided is adopted by the caller.
    """
    inputs = _inputs(state, take)
    met(inputs.leads)
    reached(Point.CLAIMED)
    batch = Batch(state.engine, inputs)
    decisions, left = list[Decision](), inputs.leads
    if take.rest:
        more, decisions = await meanwhile(claim_rest(conn, lane, take), lambda: batch.decide(inputs.leads))
        left = sorted(more.leads, key=order_of)
        met(left)
        reached(Point.MORE_CLAIMED)
        inputs = inputs.extended(left, more.owners)
        batch.learn(inputs)
    book = Book(lane.tenant_id, lane.batch_no + 1, take.moment.now)
    written, owners = 0, dict[int, int]()
    if decisions and left:
        written, owners = len(decisions), dict(batch.moved)
        first = store.put_assignments(conn, book, _given(inputs.leads, decisions), owners)
        _, more_decisions = await meanwhile(first, lambda: batch.decide(left))
        decisions += more_decisions
        reached(Point.HALF_WRITTEN)
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


async def claim_rest(conn: Connection, lane: Lane, take: Take) -> Claimed:
    """Takes the rest of the ready leads. Those that came after the batch's moment are the next one's."""
    until = None if take.asked.clock_given else take.moment.now
    more = await pool.claim_ready(conn, lane.tenant_id, take.last, take.rest, until)
    take.add(more)
    return more


def moment_of(lane: Lane, state: LaneState, news: News, taken: Taken, *, clock_given: bool) -> Moment:
    """When the batch is, by what it takes first; the state's business day follows."""
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
