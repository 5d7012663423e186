"""Deciding about what a batch has in hand and giving it out, each while the server works on something else.

The leads are claimed in two parts: while the server claims the second, this side decides about the first; while it
writes the assignments of the first, this side decides about the second; while it writes those, this side makes the
flight record. What is decided is the same as if all of it had been claimed and decided at once.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from router.domain.calendar import TZ_DATA_VERSION
from router.domain.decide import Assigned, Batch, Decision, Inputs, Outcome
from router.domain.engine import Engine
from router.domain.flight import record
from router.domain.flight_format import encode
from router.domain.lead import PoolLead
from router.drain.claim import Claimed, claim_rest, order_of
from router.drain.failpoints import Point, met, reached
from router.drain.lane_state import LaneState
from router.drain.request import BatchRequest
from router.store import lane as store
from router.store.lane import Book, Lane, Record
from router.store.statements import Connection
from router.telemetry.instruments import Phase
from router.telemetry.stopwatch import Stopwatch

Answer = TypeVar("Answer")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Decided:
    """A batch that is decided and whose assignments are written; `record` is still to be."""

    inputs: Inputs
    outcome: Outcome
    book: Book
    record: Record


async def overlap(statement: Coroutine[Any, Any, Answer], work: Callable[[], Made]) -> tuple[Answer, Made]:
    """Sends the statement, does `work` while the server executes it, waits for it; returns both results.

    Raises what either raises; whichever fails, the statement is over when this returns.
    """
    sent = asyncio.create_task(statement)
    try:
        # One turn of the loop: a prepared statement is on the wire after it.
        await asyncio.sleep(0)
        made = work()
    except BaseException:
        sent.cancel()
        await asyncio.wait([sent])
        raise
    return await sent, made


async def decide_and_assign(
    conn: Connection, lane: Lane, state: LaneState, request: BatchRequest, claimed: Claimed, watch: Stopwatch
) -> Decided | None:
    """Decides about all that the batch takes, claims the rest of it on the way, and writes the assignments.

    Changes `claimed` when more comes into the hand, and `state` by what was decided. None = there was nothing.
    """
    if not claimed:
        return None
    inputs = _inputs(state, claimed)
    met(inputs.leads)
    reached(Point.CLAIMED)
    batch = Batch(state.engine, inputs)
    decisions, left = list[Decision](), inputs.leads
    if claimed.rest:
        more, decisions = await overlap(claim_rest(conn, lane, request, claimed), lambda: batch.decide(inputs.leads))
        left = sorted(more, key=order_of)
        met(left)
        reached(Point.MORE_CLAIMED)
        inputs = inputs.extended(left, claimed.owners)
        batch.learn(inputs)
    book = Book(lane.tenant_id, lane.batch_no + 1, claimed.moment.now, lane.ruleset)
    written, owners = 0, dict[int, int]()
    if decisions and left:
        written, owners = len(decisions), dict(batch.moved)
        first = store.put_assignments(conn, book, _assigned(inputs.leads, decisions), owners)
        _, more_decisions = await overlap(first, lambda: batch.decide(left))
        decisions += more_decisions
        reached(Point.HALF_WRITTEN)
    else:
        decisions += batch.decide(left)
    outcome = batch.outcome(decisions)
    watch.lap(Phase.DECIDE)
    reached(Point.DECIDED)
    moved = {customer: rep for customer, rep in outcome.owners.items() if owners.get(customer) != rep}
    last = store.put_assignments(conn, book, _assigned(inputs.leads, decisions, written), moved)
    _, flight = await overlap(last, lambda: _recorded(state.engine, inputs, outcome))
    reached(Point.ASSIGNMENTS_WRITTEN)
    claimed.changed |= state.adopt(outcome)
    return Decided(inputs, outcome, book, Record("drain", len(inputs.leads), flight))


def _inputs(state: LaneState, claimed: Claimed) -> Inputs:
    attendance = state.on_duty(claimed.moment.now).attendance
    return Inputs(
        claimed.moment,
        claimed.in_order(),
        attendance,
        state.open_counts,
        state.today_counts,
        state.credits,
        claimed.owners,
    )


def _assigned(
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
    return f"{TZ_DATA_VERSION}; {engine.holidays_version}"
