"""The replay beside plain routing, in memory: what a record and the changes give is what routing would have done."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.replay.lane import ReplayedLane, Visit
from ops.replay.overrides import Override, read_override, with_reps_changed
from ops.replay.simulation import EndedAssignment, RecordedBatch, Simulation
from ops.replay.tally import Given, Waits
from router.domain.decide import Assigned, Inputs, Waiting
from router.domain.engine import Engine
from router.domain.flight import record
from router.domain.flight_format import micros
from router.domain.lead import Facts, PoolLead
from router.domain.rates import Rates
from router.domain.roster import Rep, Roster
from router.drain.lane_state import moment_at
from router.rules.file import read_rules

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
RULES = """
defaults: {max_open: 3, max_per_day: 4}
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner, fall_back_after: 30m}
  - {name: east, match: {region: east}, assign_to: group:east, on_no_candidate: wait}
  - {name: all, match: {}, assign_to: group:all}
"""
OTHER = RULES.replace("region: east", "region: west").replace("fall_back_after: 30m", "fall_back_after: 2h")
REPS = tuple(
    Rep(number, f"r{number}", f"Rep {number}", "UTC", groups=frozenset({1, 2} if number < 3 else {2}))
    for number in range(1, 5)
)
ROSTER = Roster(1, REPS, {1: "east", 2: "all"})


def engine(rules: str = RULES, overrides: list[Override] | None = None, version: int = 1) -> Engine:
    roster = with_reps_changed(ROSTER, overrides or [])
    return Engine(roster, read_rules(rules, "rules").for_tenant(version, "UTC"), Rates())


@dataclass
class Router:
    """Routes for real, in memory: the lane's own batches whenever it would come, each recorded."""

    engine: Engine
    lane: ReplayedLane = field(default_factory=ReplayedLane)
    owners: dict[int, int] = field(default_factory=dict)
    holders: dict[int, tuple[int, datetime]] = field(default_factory=dict)
    leads: dict[int, PoolLead] = field(default_factory=dict)
    given: Counter[int] = field(default_factory=Counter)
    batches: list[RecordedBatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lane.on_new_day = self.lane.loads.new_day

    def come(self, now: datetime, arrivals: list[PoolLead]) -> None:
        """A batch now, and more while there is more to do at once."""
        self._visit(now, arrivals)
        while self.lane.next_visit is not None and self.lane.next_visit <= now:
            self._visit(now, [])

    def wait_until(self, at: datetime) -> None:
        """What time alone brings, before `at`."""
        while self.lane.state is not None and self.lane.next_visit is not None and self.lane.next_visit < at:
            self._visit(self.lane.next_visit, [])

    def end(self, lead_id: int, at: datetime, *, returned: bool) -> EndedAssignment:
        rep_no, assigned_at = self.holders.pop(lead_id)
        self.lane.loads.end(rep_no)
        again = None
        if returned:
            lead = self.leads[lead_id]
            excluded = tuple(sorted({*lead.excluded, rep_no}))
            again = lead._replace(queued_at=at, wake_key=0)
            self.leads[lead_id] = again._replace(excluded=excluded)
            self.lane.pool.put(self.leads[lead_id])
        self.lane.news(at)
        return EndedAssignment(at, lead_id, rep_no, assigned_at, "returned" if returned else "won", again)

    def _visit(self, now: datetime, arrivals: list[PoolLead]) -> None:
        state = self.lane.use(self.engine, now)
        self.lane.turn_day(now)
        self.leads.update((lead.lead_id, lead) for lead in arrivals)
        numbers = self.engine.rep_numbers
        opened = self.lane.loads.open_counts[numbers].copy()
        today = self.lane.loads.today_counts[numbers].copy()
        credits, owners = dict(state.credits), dict(self.owners)
        visit = self.lane.visit(now, arrivals, self._owners_of)
        if visit is None:
            return
        inputs = Inputs(
            moment_at(self.engine, now),
            visit.leads,
            state.on_duty(now).attendance,
            opened,
            today,
            credits,
            {lead.customer_id: owners[lead.customer_id] for lead in visit.leads if lead.customer_id in owners},
        )
        flight = record(self.engine, inputs, visit.outcome, "test")
        batch = RecordedBatch(now, False, flight, visit.leads, visit.decisions, self.engine, self.engine)
        self.batches.append(batch)
        self._take(visit)

    def _owners_of(self, leads: Sequence[PoolLead]) -> dict[int, int]:
        return {lead.customer_id: self.owners[lead.customer_id] for lead in leads if lead.customer_id in self.owners}

    def _take(self, visit: Visit) -> None:
        self.owners |= visit.outcome.owners
        for lead, decision in zip(visit.leads, visit.decisions, strict=True):
            if isinstance(decision, Assigned):
                self.holders[lead.lead_id] = (decision.rep_no, visit.now)
                self.given[decision.rep_no] += 1


events = st.lists(
    st.tuples(
        st.integers(1, 2000),
        st.lists(st.tuples(st.sampled_from(["east", "west"]), st.none() | st.integers(1, 4)), max_size=5),
        st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=3),
    ),
    min_size=1,
    max_size=15,
)
changes = st.sampled_from(
    [
        (OTHER, ()),
        (RULES, ("rep.r1.available=no",)),
        (RULES, ("rep.r3.max_open=9", "rep.r3.max_per_day=9")),
        (RULES, ("rep.r2.weight=4", "rep.r4.groups=east")),
        (OTHER, ("rep.r4.max_per_day=1",)),
        (RULES, ()),
    ]
)


@settings(max_examples=60)
@given(events, changes)
def test_a_replay_of_a_record_is_the_routing_under_the_changes(
    life: list[tuple[int, list[tuple[str, int | None]], list[tuple[int, bool]]]],
    changed: tuple[str, tuple[str, ...]],
) -> None:
    rules, texts = changed
    other = engine(rules, [read_override(text) for text in texts], version=1 if rules == RULES else 2)
    first, second = Router(engine()), Router(other)
    endings = list[EndedAssignment]()
    now, number = START, 0
    for minutes, arrivals, ends in life:
        now += timedelta(minutes=minutes)
        for router in (first, second):
            router.wait_until(now)
        both = sorted(first.holders.keys() & second.holders.keys())
        for nth, returned in ends:
            if nth < len(both) and both[nth] in first.holders:
                endings.append(first.end(both[nth], now, returned=returned))
                second.end(both[nth], now, returned=returned)
        leads = []
        for region, customer in arrivals:
            number += 1
            leads.append(PoolLead(number, 0, now, now, Facts(region=region), customer))
        for router in (first, second):
            router.come(now, list(leads))
    found = simulated(first, endings, other, now)
    assert found.after.reps == second.given
    assert found.before.reps == first.given
    waits = {lead_id for lead_id, place in found.places if isinstance(place.after, Waits)}
    assert waits == second.lane.pool.leads.keys()
    for lead_id, place in found.places:
        if isinstance(place.after, Given) and lead_id in second.holders:
            assert second.holders[lead_id][0] == place.after.rep_no
    if not texts and rules == RULES:
        assert not any(place.differs for _, place in found.places)
    known = {lead_id for lead_id, _ in found.places}
    assert all(second.holders[i][0] == first.holders[i][0] for i in second.holders if i not in known)


def simulated(first: Router, endings: list[EndedAssignment], other: Engine, until: datetime) -> Simulation:
    found = Simulation()
    left = list(endings)
    for batch in first.batches:
        found.next_recorded = batch.at
        while left and left[0].at <= batch.at:
            found.ended(left.pop(0))
        found.batch(RecordedBatch(batch.at, False, batch.flight, batch.leads, batch.decisions, batch.recorded, other))
    found.next_recorded = None
    for one in left:
        found.ended(one)
    found.finish(until)
    return found


def test_an_ending_of_a_lead_that_still_waits_in_the_replay_comes_as_long_after_its_assignment() -> None:
    first = Router(engine())
    first.come(START, [PoolLead(1, 0, START, START, Facts())])
    ending = first.end(1, START + timedelta(hours=1), returned=False)
    late = engine(overrides=[read_override(f"rep.r{n}.working_hours=mon-sun 12:00-18:00") for n in range(1, 5)])
    noon = START.replace(hour=12)
    found = simulated(first, [ending], late, noon + timedelta(minutes=59))
    [(_, place)] = found.places
    assert isinstance(place.after, Given) and place.after_at == int(noon.timestamp()) * 1_000_000 and place.differs
    assert found.lane.loads.open_counts.sum() == 1
    assert simulated(first, [ending], late, noon + timedelta(hours=1)).lane.loads.open_counts.sum() == 0


def test_what_was_given_by_hand_goes_to_the_same_rep_and_off_whoever_has_it_in_the_replay() -> None:
    nobody = [read_override(f"rep.r{n}.available=no") for n in range(1, 5)]
    first = Router(engine(overrides=nobody))
    first.come(START, [PoolLead(1, 0, START, START, Facts())])
    found = Simulation()
    everybody = engine()
    [batch] = first.batches
    found.batch(RecordedBatch(START, False, batch.flight, batch.leads, batch.decisions, batch.recorded, everybody))
    assert found.lane.loads.open_counts[1] == 1
    at = START + timedelta(minutes=5)
    flight = msgspec.structs.replace(batch.flight, reps=b"", codes=b"", opened=b"", today=b"", groups={})
    found.batch(RecordedBatch(at, True, flight, batch.leads, [Assigned(4, None, None)], batch.recorded, everybody))
    assert (found.lane.loads.open_counts[1], found.lane.loads.open_counts[4]) == (0, 1)
    assert not found.places.places and found.after.reps == {1: 1, 4: 1}


def test_a_lead_that_waited_through_a_merge_of_customers_goes_to_the_owner_of_the_merged_one() -> None:
    first = Router(engine(overrides=[read_override(f"rep.r{n}.available=no") for n in (1, 2)]))
    first.come(START, [PoolLead(1, 0, START, START, Facts(region="east"), customer_id=10)])
    waiting = first.lane.pool.remove(1)
    assert waiting is not None and waiting.wake_key and isinstance(first.batches[0].decisions[0], Waiting)
    first.owners[20] = 3
    first.lane.pool.put(waiting._replace(customer_id=20, wake_key=0))
    first.come(START + timedelta(hours=1), [])
    assert first.holders[1][0] == 3
    found = simulated(first, [], first.engine, START + timedelta(hours=2))
    assert not found.places.places and found.after.reps == {3: 1}
    assert not found.lane.pool.leads and not found.lane.pool.has_customer(10)


def test_a_lead_that_waited_while_its_customer_got_an_owner_by_a_merge_goes_to_this_owner() -> None:
    first = Router(engine(overrides=[read_override(f"rep.r{n}.available=no") for n in (1, 2)]))
    first.come(START, [PoolLead(1, 0, START, START, Facts(region="east"), customer_id=20)])
    first.owners[20] = 3
    first.lane.pool.wake_customers([20])
    first.come(START + timedelta(hours=1), [])
    assert first.holders[1][0] == 3
    found = simulated(first, [], first.engine, START + timedelta(hours=2))
    assert not found.places.places and found.after.reps == {3: 1}


def test_in_a_pause_the_replay_has_no_batches_of_its_own() -> None:
    first = Router(engine())
    first.come(START, [PoolLead(1, 0, START, START, Facts())])
    [batch] = first.batches
    late = engine(overrides=[read_override(f"rep.r{n}.working_hours=mon-sun 12:00-18:00") for n in range(1, 5)])
    found = Simulation(pauses=[(START.replace(hour=11), START.replace(hour=14))])
    found.batch(RecordedBatch(START, False, batch.flight, batch.leads, batch.decisions, batch.recorded, late))
    found.finish(START.replace(hour=13))
    assert found.after.reps == {}
    found.finish(START.replace(hour=15))
    [(_, place)] = found.places
    assert isinstance(place.after, Given) and place.after_at == micros(START.replace(hour=14))
