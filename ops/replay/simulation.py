"""The replay itself: recorded batches decided anew, each from the state that the replay's own decisions left.

Pure: records, leads, endings and engines come in, counts come out. What is exact and what is not: docs/replay.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ops.replay.lane import ReplayedLane, Visit
from ops.replay.loads import Loads, follow_record
from ops.replay.owners import Owners, Recorded, moved_by
from ops.replay.tally import READY, Given, Place, Places, Refused, Sums, Verdict, Verdicts
from router.domain.attendance import Attendance
from router.domain.calendar import business_day
from router.domain.decide import Assigned, Decision
from router.domain.eligibility import GroupCredits
from router.domain.engine import Engine
from router.domain.flight import unpack
from router.domain.flight_format import Flight, micros
from router.domain.lead import PoolLead
from router.drain.request import BatchRequest

GRACE = timedelta(seconds=1)
"""A recorded batch that comes so soon does what is due; only before a longer gap has the replay a batch of its own."""

HANDED_OVER = "handed_over"
_NOT_PRESENT = int(Attendance.NOT_PRESENT)

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class EndedAssignment:
    """An assignment that ended while the batches ran. Times in UTC.

    `lead` = the lead as it is ready again, if it was returned, with the reps of earlier returns as `excluded`.
    """

    at: datetime
    lead_id: int
    rep_no: int
    assigned_at: datetime
    outcome: str
    lead: PoolLead | None = None


class TakenOver(NamedTuple):
    """An assignment as it was taken over from a CRM: made at `assigned_at` (UTC), and open or ended by then."""

    assigned_at: datetime
    is_open: bool


@dataclass(frozen=True, slots=True)
class RecordedBatch:
    """A batch as it was: `recorded` is the engine that decided it, `engine` the one to decide it now.

    `taken_over` = of leads (by id) whose assignment was made before the batch, by a CRM.
    """

    at: datetime
    by_hand: bool
    flight: Flight
    leads: Sequence[PoolLead]
    decisions: Sequence[Decision]
    recorded: Engine
    engine: Engine
    taken_over: Mapping[int, TakenOver] = field(default_factory=dict)

    def loads(self) -> tuple[list[int], list[int]]:
        """The reps who got open leads, and those who got leads of the day, each as often as that."""
        decided = zip(self.leads, self.decisions, strict=True)
        given = [(lead.lead_id, one.rep_no) for lead, one in decided if isinstance(one, Assigned)]
        if not self.taken_over:
            reps = [rep_no for _, rep_no in given]
            return reps, reps
        day = business_day(self.at, self.recorded.ruleset.business_time_zone)
        here = TakenOver(self.at, is_open=True)
        taken = [(rep_no, self.taken_over.get(lead_id, here)) for lead_id, rep_no in given]
        opened = [rep_no for rep_no, one in taken if one.is_open]
        return opened, [rep_no for rep_no, one in taken if one.assigned_at in day]


@dataclass
class Simulation:
    """One replay. `pauses` are spans (UTC, ascending) in which the replay has no batches of its own.

    `recorded_loads` are those of the record; `own_batches` counts those that the record does not have. `last` = the
    last recorded batch that was decided, `next_recorded` = when the next one is (None = there is none).
    """

    request: BatchRequest = BatchRequest()
    pauses: Sequence[tuple[datetime, datetime]] = ()
    before: Sums = field(default_factory=Sums)
    after: Sums = field(default_factory=Sums)
    places: Places = field(default_factory=Places)
    recorded_loads: Loads = field(default_factory=Loads)
    owners: Owners = field(default_factory=Owners)
    last: RecordedBatch | None = None
    next_recorded: datetime | None = None
    own_batches: int = 0
    lane: ReplayedLane = field(init=False)
    _verdicts: Verdicts = field(default_factory=Verdicts)
    _absent: set[int] = field(default_factory=set)
    _excluded: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _late: dict[int, EndedAssignment] = field(default_factory=dict)
    _ends: list[tuple[datetime, int, EndedAssignment]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lane = ReplayedLane(self.request, on_new_day=self._new_day)

    def waits_already(self, lead: PoolLead, ruleset: int, targets: str, recheck_at: datetime) -> None:
        """A lead that waits in the record before the first batch and all the time; the lane has its engine."""
        self.lane.put(lead, ruleset, targets, recheck_at)
        waits = self._verdicts.waits(targets)
        self.places.places[lead.lead_id] = Place(waits, micros(lead.queued_at), waits, micros(lead.queued_at))

    def batch(self, recorded: RecordedBatch) -> None:
        """The next batch of the record; everything until then has to be told before."""
        self.next_recorded = recorded.at
        self.run_until(recorded.at)
        self._end_until(recorded.at)
        self._follow(recorded)
        if recorded.by_hand:
            self._by_hand(recorded)
        else:
            self._decide(recorded)
        opened, today = recorded.loads()
        self._count_caps(self.before, recorded.recorded, self.recorded_loads, opened, today)
        self.recorded_loads.give(opened, today)
        self.last = recorded

    def ended(self, one: EndedAssignment) -> None:
        """An assignment ended in the record; in the replay it ends for whoever has the lead there."""
        self.run_until(one.at)
        self.recorded_loads.end(one.rep_no)
        place = self.places.get(one.lead_id)
        after = Given(one.rep_no, "", None) if place is None else place.after
        if isinstance(after, Given):
            self._end(one, after.rep_no, also_recorded=True)
            if one.outcome == HANDED_OVER and place is not None:
                place.after = READY
        else:
            self._late[one.lead_id] = one
            if one.lead is not None and place is not None:
                place.before, place.before_at = READY, micros(one.at)

    def run_until(self, at: datetime) -> None:
        """Batches and endings that only the replay has, before `at` and not just before a recorded batch."""
        if self.next_recorded is not None:
            at = min(at, self.next_recorded - GRACE)
        while True:
            visit_at = self._unpaused(self.lane.next_visit) if self.last is not None else None
            end_at = self._ends[0][0] if self._ends else None
            if end_at is not None and end_at <= at and (visit_at is None or end_at <= visit_at):
                self._end_next()
            elif visit_at is not None and visit_at < at:
                assert self.last is not None
                self._visit(max(visit_at, self.last.at), (), Recorded())
            else:
                return

    def finish(self, at: datetime) -> None:
        """After the last recorded batch: what the replay would still do until `at`, which is included."""
        self.next_recorded = None
        self.run_until(at + timedelta(microseconds=1))

    def _end_until(self, at: datetime) -> None:
        while self._ends and self._ends[0][0] <= at:
            self._end_next()

    def _end_next(self) -> None:
        at, lead_id, one = heappop(self._ends)
        place = self.places.get(lead_id)
        if place is not None and isinstance(place.after, Given):
            self._end(EndedAssignment(at, lead_id, 0, at, one.outcome, one.lead), place.after.rep_no)

    def _end(self, one: EndedAssignment, holder: int, *, also_recorded: bool = False) -> None:
        self.lane.loads.end(holder)
        if one.lead is not None:
            self._return(one, one.lead, holder, also_recorded=also_recorded)
        self.lane.news(one.at)

    def _return(self, one: EndedAssignment, lead: PoolLead, holder: int, *, also_recorded: bool) -> None:
        """The lead is ready again, and the rep who gave it back does not get it a second time."""
        excluded = tuple(sorted({*self._excluded.get(one.lead_id, lead.excluded), holder}))
        self._excluded[one.lead_id] = excluded
        if lead.customer_id is not None:
            self.owners.guessed[lead.customer_id] = holder
        self.lane.pool.put(lead._replace(excluded=excluded, queued_at=one.at))
        if also_recorded:
            self.places.returned(one.lead_id, one.at)
        else:
            self.places.replay(one.lead_id, READY, micros(one.at))

    def _follow(self, recorded: RecordedBatch) -> None:
        """Takes over what the record tells of the state before the batch, and the engine."""
        flight, now = recorded.flight, recorded.at
        reps = unpack(flight.reps)
        state = self.lane.use(recorded.engine, now)
        self.lane.turn_day(now)
        if follow_record(self.recorded_loads, self.lane.loads, reps, unpack(flight.opened), unpack(flight.today)):
            self.lane.news()
        self.lane.seed({g: GroupCredits(unpack(r), unpack(c)) for g, (r, c) in flight.groups.items()})
        codes = unpack(flight.codes)
        self._absent.difference_update(reps[codes != _NOT_PRESENT].tolist())
        self._absent.update(reps[codes == _NOT_PRESENT].tolist())
        state.leave_out(frozenset(self._absent) if recorded.engine.ruleset.presence else frozenset())

    def _decide(self, recorded: RecordedBatch) -> None:
        self._rejoin(recorded.leads)
        arrivals = [lead for lead in recorded.leads if self._arrives(lead.lead_id)]
        customers = {lead.customer_id for lead in recorded.leads if lead.customer_id is not None}
        moved = moved_by(recorded.leads, recorded.decisions, recorded.engine.rules)
        record = Recorded(recorded.flight.owners, moved, customers)
        self.lane.pool.wake_customers(self.owners.follow(record))
        visit = self._visit(recorded.at, [lead._replace(wake_key=0) for lead in arrivals], record, recorded)
        if visit is None:
            self._tell(recorded, None)
            self._note_owners((), record, {})

    def _rejoin(self, leads: Sequence[PoolLead]) -> None:
        """Leads that wait here and have another customer in the record, or another creation time: customers were merged
        or parted, stamps were corrected.
        """
        for lead in leads:
            here = self.lane.pool.leads.get(lead.lead_id)
            now = None if here is None else here._replace(customer_id=lead.customer_id, created_at=lead.created_at)
            if now is not None and now != here:
                self.lane.pool.remove(lead.lead_id)
                self.lane.pool.put(now._replace(wake_key=0))

    def _arrives(self, lead_id: int) -> bool:
        """Whether a lead of a recorded batch comes to the replay with it: else it is there, waiting or with a rep."""
        if lead_id in self.lane.pool.leads:
            return False
        place = self.places.get(lead_id)
        # Parked in both, and sent back by a person.
        return place is None or (isinstance(place.before, Refused) and isinstance(place.after, Refused))

    def _visit(
        self, now: datetime, arrivals: Sequence[PoolLead], record: Recorded, recorded: RecordedBatch | None = None
    ) -> Visit | None:
        visit = self.lane.visit(now, arrivals, lambda leads: self.owners.before(leads, record))
        if visit is None:
            return None
        if recorded is None:
            self.own_batches += 1
        given = [d.rep_no for d in visit.decisions if isinstance(d, Assigned)]
        self._count_caps(self.after, visit.engine, self.lane.loads, given, given, given_already=True)
        self._tell(recorded, visit)
        self._note_owners(visit.leads, record, visit.outcome.owners)
        self._schedule_late(visit)
        return visit

    def _note_owners(self, leads: Sequence[PoolLead], record: Recorded, moved: Mapping[int, int]) -> None:
        customers = record.customers | {lead.customer_id for lead in leads if lead.customer_id is not None}
        waiting = {customer for customer in customers if self.lane.pool.has_customer(customer)}
        self.owners.after(customers, record, moved, waiting)

    def _tell(self, recorded: RecordedBatch | None, visit: Visit | None) -> None:
        """Counts what was decided, and notes where that differs."""
        own = dict[int, Verdict]()
        if visit is not None:
            words, at = self._verdicts.of(visit.engine), micros(visit.now)
            own = {lead.lead_id: words(d) for lead, d in zip(visit.leads, visit.decisions, strict=True)}
            self.after.add_all(own.values())
        if recorded is not None:
            self._compare(recorded, own)
        for lead_id, verdict in own.items():
            self.places.replay(lead_id, verdict, at)

    def _compare(self, recorded: RecordedBatch, own: dict[int, Verdict]) -> None:
        """Notes what the record decided beside the replay; takes from `own` what both did."""
        words, at = self._verdicts.of(recorded.recorded), micros(recorded.at)
        for lead, decision in zip(recorded.leads, recorded.decisions, strict=True):
            verdict = words(decision)
            self.before.add(verdict)
            after = own.pop(lead.lead_id, None)
            if after is None:
                self.places.record(lead.lead_id, verdict, at)
            else:
                self.places.both(lead.lead_id, verdict, after, at)

    def _schedule_late(self, visit: Visit) -> None:
        """A lead whose ending came before the replay had given it to anybody ends after as long as in the record."""
        if not self._late:
            return
        for lead, decision in zip(visit.leads, visit.decisions, strict=True):
            if isinstance(decision, Assigned) and (one := self._late.pop(lead.lead_id, None)):
                heappush(self._ends, (visit.now + (one.at - one.assigned_at), one.lead_id, one))

    def _by_hand(self, recorded: RecordedBatch) -> None:
        """What a person gave to a rep goes to this rep in the replay, too; whoever has it there loses it."""
        words, at = self._verdicts.of(recorded.recorded), micros(recorded.at)
        for lead, decision in zip(recorded.leads, recorded.decisions, strict=True):
            verdict = words(decision)
            self.lane.pool.remove(lead.lead_id)
            place = self.places.get(lead.lead_id)
            if place is not None and isinstance(place.after, Given):
                self.lane.loads.end(place.after.rep_no)
            self.before.add(verdict)
            self.after.add(verdict)
            self._late.pop(lead.lead_id, None)
            if isinstance(decision, Assigned) and lead.customer_id is not None:
                self._own_by_hand(lead.customer_id, decision.rep_no)
            self.places.both(lead.lead_id, verdict, verdict, at)
        self.lane.loads.give(*recorded.loads())
        self.lane.news(recorded.at)

    def _own_by_hand(self, customer: int, rep_no: int) -> None:
        self.owners.given(customer, rep_no, waits=self.lane.pool.has_customer(customer))
        self.lane.pool.wake_customers([customer])

    def _new_day(self) -> None:
        self.lane.loads.new_day()
        self.recorded_loads.new_day()

    def _count_caps(
        self,
        sums: Sums,
        engine: Engine,
        loads: Loads,
        opened: Sequence[int],
        today: Sequence[int],
        *,
        given_already: bool = False,
    ) -> None:
        """Counts the reps who became full by these leads."""
        loads.fit(max((*opened, *today), default=0))
        for kind, given, there, caps in (
            (sums.open_caps, opened, loads.open_counts, engine.max_open),
            (sums.daily_caps, today, loads.today_counts, engine.max_per_day),
        ):
            if not given:
                continue
            reps, counts = np.unique(np.array(given, dtype=np.int64), return_counts=True)
            positions = np.searchsorted(engine.rep_numbers, reps)
            full = there[reps] - counts if given_already else there[reps]
            hit = (full < caps[positions]) & (full + counts >= caps[positions])
            kind.update(reps[hit].tolist())

    def _unpaused(self, at: datetime | None) -> datetime | None:
        """When a router may do what is due at `at`: after the pause in which that falls."""
        if at is not None:
            for begin, end in self.pauses:
                if begin <= at < end:
                    at = end
        return at
