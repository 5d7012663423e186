"""Flight records: what is read back is what was written, and gives the same decisions."""

import zlib
from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import event, given, settings

from router.domain.decide import Assigned, Inputs, Outcome, Parked, Waiting, decide
from router.domain.engine import ENGINE_VERSION, Engine
from router.domain.flight import decision_at, decisions_of, inputs_of, lead_ids, record
from router.domain.flight_format import decode, encode
from router.domain.lead import Facts, PoolLead
from router.domain.rates import Rates
from router.domain.roster import Rep, Roster
from router.domain.ruleset import Rule, Ruleset
from tests.random_worlds import NOW, moment_of, worlds


def again(engine: Engine, inputs: Inputs, outcome: Outcome) -> tuple[Inputs, list[object]]:
    """Inputs and decisions after a way through the stored form."""
    flight = decode(encode(record(engine, inputs, outcome, "tzdata 1; none")))
    assert flight.engine == ENGINE_VERSION and flight.calendar == "tzdata 1; none"
    assert lead_ids(flight) == [lead.lead_id for lead in inputs.leads]
    facts = {lead.lead_id: (lead.created_at, lead.facts) for lead in inputs.leads}
    assert [decision_at(flight, i) for i in range(len(inputs.leads))] == decisions_of(flight)
    return inputs_of(flight, engine, facts), list(decisions_of(flight))


@given(worlds())
@settings(deadline=None, max_examples=300)
def test_a_record_gives_back_the_inputs_and_the_decisions(world: tuple[Engine, Inputs]) -> None:
    engine, inputs = world
    outcome = decide(engine, inputs)
    read, decisions = again(engine, inputs, outcome)
    assert decisions == outcome.decisions
    assert read.moment == inputs.moment
    assert list(read.leads) == [lead._replace(last_batch_no=lead.last_batch_no or None) for lead in inputs.leads]
    assert read.owners == inputs.owners
    looked_at = [engine.members_of(group_no) for group_no in outcome.examined] + [sorted(outcome.asked)]
    for position in {int(p) for part in looked_at for p in part}:
        for name in ("attendance", "open_counts", "today_counts"):
            assert getattr(read, name)[position] == getattr(inputs, name)[position]
    assert set(read.credits) == outcome.examined & set(inputs.credits)
    for group_no, share in read.credits.items():
        assert np.array_equal(share.reps, inputs.credits[group_no].reps)
        assert np.array_equal(share.credits, inputs.credits[group_no].credits)


@given(worlds())
@settings(deadline=None, max_examples=300)
def test_what_was_read_back_is_decided_the_same_to_the_last_credit(world: tuple[Engine, Inputs]) -> None:
    engine, inputs = world
    outcome = decide(engine, inputs)
    for decision in outcome.decisions:
        event(type(decision).__name__)
    read, _ = again(engine, inputs, outcome)
    repeated = decide(engine, read)
    assert repeated.decisions == outcome.decisions
    assert repeated.owners == outcome.owners
    assert repeated.reasons == outcome.reasons
    assert repeated.examined == outcome.examined and repeated.asked == outcome.asked
    assert repeated.credits.keys() == outcome.credits.keys()
    for group_no, share in repeated.credits.items():
        assert np.array_equal(share.credits, outcome.credits[group_no].credits)


def small() -> tuple[Engine, Inputs]:
    reps = (Rep(1, "r1", "One", "UTC"), Rep(2, "r2", "Two", "UTC"))
    engine = Engine(
        Roster(1, reps, {1: "east"}),
        Ruleset(1, (Rule("known"), Rule("all", group="east"))),
        Rates(),
    )
    none = np.zeros(2, dtype=np.int64)
    leads = [PoolLead(1, 0, NOW, NOW, Facts(), 5), PoolLead(2, 0, NOW, NOW, Facts())]
    return engine, Inputs(moment_of(engine), leads, np.zeros(2, dtype=np.int8), none, none, {}, {5: 2})


def test_who_and_what_for_of_a_gift_by_hand_is_kept() -> None:
    engine, inputs = small()
    outcome = Outcome(
        [Assigned(2, None, None)] * 2, inputs.open_counts, inputs.today_counts, {}, {}, frozenset(), frozenset({1})
    )
    flight = msgspec.structs.replace(record(engine, inputs, outcome, "x"), actor="ann", note="asked for him 王")
    read = decode(encode(flight))
    assert (read.actor, read.note) == ("ann", "asked for him 王")
    assert decisions_of(read) == outcome.decisions


def test_all_three_outcomes_survive_in_one_record() -> None:
    engine, inputs = small()
    inputs = replace(inputs, leads=[*inputs.leads, PoolLead(3, 0, NOW - timedelta(days=90), NOW, Facts())])
    outcome = decide(engine, inputs)
    assert [type(d) for d in outcome.decisions] == [Assigned, Waiting, Parked]
    _, decisions = again(engine, inputs, outcome)
    assert decisions == outcome.decisions


def test_bytes_that_are_no_record_are_refused() -> None:
    with pytest.raises(zlib.error):
        decode(b"nothing")
    with pytest.raises(msgspec.DecodeError):
        decode(zlib.compress(b"nothing"))


def test_facts_that_are_gone_are_named_by_their_lead() -> None:
    engine, inputs = small()
    flight = record(engine, inputs, decide(engine, inputs), "x")
    with pytest.raises(KeyError, match="2"):
        inputs_of(flight, engine, {1: (NOW, Facts())})
