"""A batch that is decided in parts, as they are claimed, comes out as if it had been decided at once."""

from dataclasses import replace

import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st

from router.domain.decide import Batch, Inputs, Outcome, decide
from router.domain.engine import Engine
from tests.random_worlds import worlds


def in_parts(engine: Engine, inputs: Inputs, cut: int) -> tuple[Inputs, Outcome]:
    """The first `cut` leads, then the others; meanwhile everybody's customers have changed hands in the database."""
    first, second = inputs.leads[:cut], inputs.leads[cut:]
    of_first = {lead.customer_id for lead in first}
    begun = replace(inputs, leads=first, owners={c: rep for c, rep in inputs.owners.items() if c in of_first})
    batch = Batch(engine, begun)
    decisions = batch.decide(first)
    read_later = {**inputs.owners, **{customer: 999 for customer in of_first if customer is not None}}
    whole = begun.extended(second, read_later)
    batch.learn(whole)
    return whole, batch.outcome([*decisions, *batch.decide(second)])


@given(worlds(), st.integers(0, 12))
def test_no_lead_goes_to_another_rep_because_its_batch_was_claimed_in_two_parts(
    world: tuple[Engine, Inputs], cut: int
) -> None:
    engine, inputs = world
    whole, outcome = in_parts(engine, inputs, cut)
    once = decide(engine, whole)
    event(f"owners moved in the first part: {bool(cut and outcome.owners)}")
    assert list(whole.leads) == list(inputs.leads)
    assert outcome.decisions == once.decisions
    assert (outcome.owners, outcome.examined, outcome.asked, outcome.reasons) == (
        once.owners,
        once.examined,
        once.asked,
        once.reasons,
    )
    assert np.array_equal(outcome.open_counts, once.open_counts)
    assert np.array_equal(outcome.today_counts, once.today_counts)
    assert outcome.credits.keys() == once.credits.keys()
    for group_no, credits in outcome.credits.items():
        assert np.array_equal(credits.reps, once.credits[group_no].reps)
        assert np.array_equal(credits.credits, once.credits[group_no].credits)
