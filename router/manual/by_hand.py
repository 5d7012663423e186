"""Leads that a person gives to a rep while the lane is held: loads, owners and the flight record, as of a batch."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import msgspec

from router.domain.decide import Assigned, Inputs, Outcome
from router.domain.engine import NO_CAP
from router.domain.flight import record
from router.domain.flight_format import encode
from router.domain.lead import PoolLead
from router.domain.worded import worded
from router.drain.lane_state import LaneState, moment_at
from router.drain.overlap import data_versions
from router.store import lane as store
from router.store import pool
from router.store.lane import Book, Closing, Lane, News, Record
from router.store.roster import RepUnknown
from router.store.statements import Connection

Result = TypeVar("Result")


class CannotGive(Exception):
    """The rep cannot have the lead; nothing was changed. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who gives, and why; `token` is a fresh random number (63 bits)."""

    actor: str
    note: str
    token: int


@dataclass(frozen=True, slots=True)
class Room:
    """How many leads a rep has and may have; caps None = there is none."""

    open_leads: int
    max_open: int | None
    today: int
    max_per_day: int | None

    @property
    def fits(self) -> int:
        """So many more."""
        room = NO_CAP
        if self.max_open is not None:
            room = min(room, self.max_open - self.open_leads)
        if self.max_per_day is not None:
            room = min(room, self.max_per_day - self.today)
        return max(0, room)


@dataclass(slots=True)
class HeldLane:
    """A lane in hand with the inbox folded in; `at` is the time of what is done, `changed` whose loads did."""

    lane: Lane
    state: LaneState
    news: News
    at: datetime
    changed: set[int] = field(default_factory=set)

    def take_off(self, rep_no: int, leads: int) -> None:
        """Leads that are taken from a rep to be given to another."""
        self.changed |= self.state.fold({rep_no: -leads}, {})

    async def give(
        self, conn: Connection, leads: Sequence[PoolLead], position: int, author: Author, from_rep: int | None
    ) -> int:
        """Gives leads that were taken out of where they were, from a rep or from none, to a rep with room for them, who
        then owns the customers.

        Moves no credit. Closes the lane; returns the batch number of the flight record.
        """
        state, tenant_id = self.state, self.lane.tenant_id
        moment = moment_at(state.engine, self.at)
        attendance = state.on_duty(self.at).attendance
        before = Inputs(moment, leads, attendance, state.open_counts.copy(), state.today_counts.copy(), {}, {})
        state.open_counts[position] += len(leads)
        state.today_counts[position] += len(leads)
        rep_no = state.engine.roster.reps[position].no
        decision = Assigned(rep_no, None, None)
        owners = {lead.customer_id: rep_no for lead in leads if lead.customer_id is not None}
        loads = (state.open_counts, state.today_counts)
        outcome = Outcome([decision] * len(leads), *loads, {}, owners, frozenset(), frozenset({position}))
        book = Book(tenant_id, self.lane.batch_no + 1, self.at, self.lane.ruleset)
        flight = record(state.engine, before, outcome, data_versions(state.engine))
        flight = msgspec.structs.replace(flight, actor=author.actor, note=author.note)
        given = [(seq, lead, decision) for seq, lead in enumerate(leads)]
        await store.put_assignments(conn, book, given, owners, from_rep)
        await pool.wake_leads(conn, tenant_id, self.news.leads)
        await pool.wake_customers(conn, tenant_id, owners)
        changed = state.loads_of(self.changed | {position})
        made = Record("hand", len(leads), encode(flight))
        # Places may have become free: the lane is to be visited at once.
        closing = Closing(state.day, changed, {}, made, author.token, self.at, self.lane.next_wake_key)
        await store.close(conn, self.lane, book, closing)
        return book.batch_no


async def held_lane(conn: Connection, lane: Lane, state: LaneState, *, clock_given: bool) -> HeldLane:
    """What the lane's holder knows once the inbox is folded in."""
    news = await store.fold_inbox(conn, lane.tenant_id)
    at = lane.now if clock_given else max(lane.now, news.at or lane.now)
    state.turn_day(moment_at(state.engine, at).day.date)
    return HeldLane(lane, state, news, at, state.fold(news.open_counts, news.today_counts))


def position_of(state: LaneState, rep_id: str) -> int:
    """Where an active rep stands in the roster. By hand a rep off duty may get leads. Raises RepUnknown, CannotGive."""
    reps = state.engine.roster.reps
    position = next((i for i, rep in enumerate(reps) if rep.rep_id == rep_id), None)
    if position is None:
        raise RepUnknown(worded("there is no rep {rep!r}; lead-router reps list shows who there is", rep=rep_id))
    if not reps[position].active:
        raise CannotGive(worded("rep {rep} is not active; lead-router reps set {rep} --active yes", rep=rep_id))
    return position


def room_of(state: LaneState, position: int) -> Room:
    """A rep's loads and caps."""
    engine = state.engine
    caps = [None if cap >= NO_CAP else int(cap) for cap in (engine.max_open[position], engine.max_per_day[position])]
    return Room(int(state.open_counts[position]), caps[0], int(state.today_counts[position]), caps[1])


async def attempted(conn: Connection, work: Awaitable[Result]) -> Result | Exception:
    """In a savepoint; returns also what it raised, after having taken back what it did.

    A transaction that rolls back with the lane in hand would look like a crash of its holder.
    """
    try:
        async with conn.transaction():
            return await work
    except Exception as error:
        return error
