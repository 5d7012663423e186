"""Fair shares: who deserves a lead gets it, and absence is neither punished nor repaid."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.share import ONE_LEAD, Contest, Stake

WEIGHTS = st.lists(st.integers(1, 20).map(lambda w: w * 250), min_size=1, max_size=30)
SEEDS = st.integers(0, 1 << 32)
DAYS = 250


class Fleet:
    """Reps with constant weights and their credits, as a group keeps them between batches."""

    def __init__(self, weights: list[int]) -> None:
        self.weights = np.array(weights, dtype=np.int64)
        self.credits = np.zeros(len(weights), dtype=np.int64)
        self.got = np.zeros(len(weights), dtype=np.int64)

    def give(self, leads: int, present: list[bool] | None = None) -> list[int]:
        """Gives leads among those who are present; answers who got them."""
        there = np.array([True] * len(self.weights) if present is None else present)
        if not there.any():
            return []
        positions = np.flatnonzero(there).astype(np.int64)
        contest = Contest(positions, self.credits[there], {"kind": Stake.of(self.weights[there])})
        winners = [int(positions[contest.choose("kind")]) for _ in range(leads)]
        self.credits[there] = contest.credits
        for winner in winners:
            self.got[winner] += 1
        return winners

    def deviation(self) -> float:
        """The largest distance of a rep from the share that the weights deserve, in leads."""
        deserved = self.got.sum() * self.weights / self.weights.sum()
        return float(np.abs(self.got - deserved).max())


@given(WEIGHTS, st.integers(1, 400))
def test_every_rep_stays_within_one_lead_of_the_share_after_every_single_lead(weights: list[int], leads: int) -> None:
    fleet = Fleet(weights)
    for _ in range(leads):
        fleet.give(1)
        assert fleet.deviation() <= 1.0


@settings(max_examples=40)
@given(WEIGHTS)
def test_two_leads_a_day_for_250_days_stay_within_one_lead(weights: list[int]) -> None:
    fleet = Fleet(weights)
    for _ in range(DAYS):
        fleet.give(2)
        assert fleet.deviation() <= 1.0


@settings(max_examples=40)
@given(WEIGHTS, SEEDS)
def test_batches_of_any_size_give_what_single_leads_would_give(weights: list[int], seed: int) -> None:
    rng = random.Random(seed)
    together, single = Fleet(weights), Fleet(weights)
    for _ in range(20):
        leads = rng.randint(1, 40)
        assert together.give(leads) == [winner for _ in range(leads) for winner in single.give(1)]
    assert together.credits.tolist() == single.credits.tolist()


@given(WEIGHTS, st.integers(0, 300))
def test_credit_is_neither_made_nor_lost(weights: list[int], leads: int) -> None:
    fleet = Fleet(weights)
    fleet.give(leads)
    assert int(fleet.credits.sum()) == 0
    assert int(np.abs(fleet.credits).max()) <= 2 * ONE_LEAD


@settings(max_examples=40)
@given(st.integers(2, 12), st.integers(5, 60), st.integers(0, 11))
def test_leave_earns_neither_a_flood_nor_a_debt(reps: int, days_away: int, who: int) -> None:
    """After leave a rep gets what the others get: over any stretch within two leads of an equal share."""
    fleet = Fleet([1000] * reps)
    away = who % reps
    for _ in range(20):
        fleet.give(2)
    for _ in range(days_away):
        fleet.give(2, [rep != away for rep in range(reps)])
    before = fleet.got.copy()
    for day in range(1, 60):
        fleet.give(2)
        got = fleet.got - before
        assert abs(got[away] - 2 * day / reps) <= 2.0


@settings(max_examples=25)
@given(st.integers(2, 12), SEEDS)
def test_nightly_closing_earns_neither_debt_nor_flood(reps: int, seed: int) -> None:
    """In the evening one after the other leaves, in the morning one after the other comes, in another order."""
    rng = random.Random(seed)
    fleet = Fleet([1000] * reps)
    deserved = np.zeros(reps)
    for _ in range(60):
        for order in (rng.sample(range(reps), reps), rng.sample(range(reps), reps)[::-1]):
            for count in range(1, reps + 1):
                present = [rep in order[:count] for rep in range(reps)]
                fleet.give(1, present)
                deserved[order[:count]] += 1 / count
                assert np.abs(fleet.got - deserved).max() <= 2.0


@settings(max_examples=25)
@given(st.integers(2, 12), SEEDS)
def test_flapping_reps_keep_within_two_leads_of_what_they_deserved_while_there(reps: int, seed: int) -> None:
    rng = random.Random(seed)
    fleet = Fleet([1000] * reps)
    deserved = np.zeros(reps)
    for _ in range(600):
        present = [rng.random() < 0.7 for _ in range(reps)]
        if not any(present):
            continue
        fleet.give(1, present)
        deserved[np.array(present)] += 1 / sum(present)
        assert np.abs(fleet.got - deserved).max() <= 2.0


def test_equal_deadlines_go_to_the_lowest_number() -> None:
    assert Fleet([1000, 1000, 1000]).give(3) == [0, 1, 2]


def test_twice_the_weight_gets_twice_the_leads() -> None:
    fleet = Fleet([2000, 1000, 1000])
    fleet.give(400)
    assert fleet.got.tolist() == [200, 100, 100]


def test_large_groups_with_extreme_weights_do_not_overflow() -> None:
    rng = random.Random(7)
    fleet = Fleet([rng.choice([1, 1 << 24]) for _ in range(5000)])
    fleet.give(3000)
    assert int(fleet.credits.sum()) == 0
    assert fleet.deviation() <= 1.5
