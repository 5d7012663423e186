"""Requests of a load are due when people would come, whatever the service answers, and as many as were asked for."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.load.schedule import due_times, length_s, of_worker, rate_at
from loadtest.load.shapes import SHAPES, Piece, at_once

RATES = st.floats(0.1, 200)
PIECES = st.lists(st.builds(Piece, st.floats(0.1, 20), st.floats(0, 100)), min_size=1, max_size=6)
MOMENTS = st.lists(st.integers(0, 40 * 86_400), min_size=2, max_size=60)
BEGIN = datetime(2012, 3, 1, tzinfo=UTC)


@given(PIECES, st.integers())
def test_what_is_due_comes_in_order_and_within_the_run(pieces: list[Piece], seed: int) -> None:
    due = list(due_times(pieces, random.Random(seed)))
    assert due == sorted(due)
    assert all(0 <= at_s <= length_s(pieces) * (1 + 1e-9) for at_s in due)
    assert all(rate_at(pieces, min(at_s, length_s(pieces) * (1 - 1e-9))) >= 0 for at_s in due)


@given(PIECES, st.integers(0, 1000))
def test_each_part_of_a_run_gets_the_load_that_its_rate_says(pieces: list[Piece], seed: int) -> None:
    due = list(due_times(pieces, random.Random(seed)))
    begin_s = 0.0
    for piece in pieces:
        expected = piece.rate * piece.seconds
        seen = sum(begin_s < at_s <= begin_s + piece.seconds for at_s in due)
        assert abs(seen - expected) <= 7 * sqrt(expected) + 7
        begin_s += piece.seconds


def test_gaps_are_those_of_people_who_do_not_know_of_each_other() -> None:
    gaps = [after - before for before, after in pairwise(due_times([Piece(1000, 50)], random.Random(3)))]
    mean = sum(gaps) / len(gaps)
    deviation = sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    # Evenly spaced arrivals would hide every queue: their deviation is 0, that of exponential gaps is their mean.
    assert mean == pytest.approx(1 / 50, rel=0.05)
    assert deviation == pytest.approx(mean, rel=0.05)


@given(PIECES, st.integers(1, 8))
def test_workers_together_send_all_of_the_load(pieces: list[Piece], workers: int) -> None:
    shares = of_worker(pieces, workers)
    assert length_s(shares) == length_s(pieces)
    for piece, share in zip(pieces, shares, strict=True):
        assert share.rate * workers == pytest.approx(piece.rate)


@given(st.sampled_from(sorted(SHAPES)), RATES, st.floats(3, 3600))
def test_every_shape_is_as_long_as_asked_for_and_never_idle(shape: str, rate: float, seconds: float) -> None:
    pieces = SHAPES[shape](rate, seconds)
    assert length_s(pieces) == pytest.approx(seconds)
    assert all(piece.rate >= rate * 0.999 for piece in pieces)


def test_a_double_day_has_a_peak_and_a_ramp_only_rises() -> None:
    assert max(piece.rate for piece in SHAPES["double-day"](10, 60)) == 50
    rates = [piece.rate for piece in SHAPES["ramp"](10, 120)]
    assert rates == sorted(set(rates)) and rates[-1] > 100


@given(MOMENTS, st.integers(1, 300))
def test_real_arrivals_speeded_up_are_as_many_as_asked_for_and_in_order(offsets: list[int], wanted: int) -> None:
    moments = [BEGIN + timedelta(seconds=offset) for offset in offsets]
    due = at_once(moments, wanted / 10, 10)
    assert len(due) == wanted
    assert due == sorted(due)
    assert all(0 <= at_s < 10 for at_s in due)


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=50))
def test_the_gaps_of_real_arrivals_keep_their_proportions(gaps: list[int]) -> None:
    moments = [BEGIN]
    for gap in gaps:
        moments.append(moments[-1] + timedelta(seconds=gap))
    due = at_once(moments, len(moments) / 10, 10)
    speeded = [after - before for before, after in pairwise(due)]
    factor = sum(speeded) / sum(gaps)
    assert speeded == pytest.approx([gap * factor for gap in gaps])


def test_more_requests_than_real_arrivals_keep_the_form_of_the_week() -> None:
    # Two weeks with arrivals on the first of seven days only.
    moments = [BEGIN + timedelta(days=7 * week, hours=hour) for week in range(2) for hour in range(24)]
    due = at_once(moments, 20, 14)
    days = [int(at_s / 14 * 8) for at_s in due]
    assert len(due) == 280
    assert set(days) <= {0, 7}
