"""A flat line is called flat, a leak a leak, and neither a few wild samples nor slow waves make one of the other."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from loadtest.slopes import MINIMUM_POINTS, Series, Slope, confidence_of_each, slope

SIZES = st.integers(MINIMUM_POINTS, 60)
NUMBERS = st.integers(-1000, 1000)


def of(values: NDArray[np.float64] | Sequence[float], confidence: float = 0.95, every_s: float = 36.0) -> Slope:
    """A hundredth of an hour between samples, so that a step of 1 is a slope of 100."""
    floats = [float(value) for value in values]
    return slope(Series("x", "MB", [every_s * i for i in range(len(floats))], floats), confidence)


samples = SIZES.flatmap(lambda n: st.lists(NUMBERS, min_size=n, max_size=n))


@given(samples, NUMBERS, NUMBERS)
def test_a_leak_added_to_a_series_is_found_again_to_the_last_byte(values: list[int], level: int, leak: int) -> None:
    before = of(values)
    after = of([value + level + leak * i / 100 for i, value in enumerate(values)])
    for one, other in ((before.per_hour, after.per_hour), (before.low, after.low), (before.high, after.high)):
        assert other == pytest.approx(one + leak, rel=1e-6, abs=1e-4)


@given(samples)
def test_the_slope_lies_within_its_noise_and_falls_as_the_mirrored_one_rises(values: list[int]) -> None:
    found, mirrored = of(values), of([-value for value in values])
    assert found.low <= found.per_hour <= found.high
    assert mirrored.per_hour == pytest.approx(-found.per_hour)
    assert found.within_noise == mirrored.within_noise


@given(st.integers(20, 60), NUMBERS, st.data())
def test_wild_samples_hide_no_leak_and_make_none(n: int, leak: int, data: st.DataObject) -> None:
    values = [leak * i / 100 for i in range(n)]
    for place in data.draw(st.sets(st.integers(0, n - 1), max_size=n // 5)):
        values[place] = data.draw(st.floats(-1e9, 1e9))
    assert of(values).per_hour == pytest.approx(leak, abs=1e-3)


@given(samples, st.floats(0.5, 0.95), st.floats(0.951, 0.9999))
def test_who_wants_to_be_surer_gets_more_noise(values: list[int], less: float, more: float) -> None:
    narrow, wide = of(values, less), of(values, more)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


def test_what_does_not_change_is_flat() -> None:
    found = of([7.0] * 30)
    assert (found.per_hour, found.low, found.high, found.level, found.within_noise) == (0.0, 0.0, 0.0, 7.0, True)


def test_a_straight_leak_is_not_within_noise_however_small() -> None:
    found = of([100 + 0.001 * i for i in range(40)])
    assert found.per_hour == pytest.approx(0.1)
    assert not found.within_noise
    assert found.at_first == pytest.approx(100)


def waves(rng: np.random.Generator, n: int, alike: float) -> NDArray[np.float64]:
    """Noise in which neighbours are alike."""
    values = [float(rng.normal())]
    for _ in range(n - 1):
        values.append(alike * values[-1] + float(rng.normal()))
    return np.array(values)


@pytest.mark.parametrize(("alike", "at_most"), [(0.0, 0.08), (0.6, 0.12)])
def test_noise_is_seldom_called_a_slope_also_where_neighbours_are_alike(alike: float, at_most: float) -> None:
    rng = np.random.default_rng(11)
    alarms = sum(not of(waves(rng, 80, alike)).within_noise for _ in range(400))
    assert alarms / 400 <= at_most


def test_a_leak_of_the_noise_s_size_over_the_run_is_seen() -> None:
    rng = np.random.default_rng(12)
    seen = sum(not of(waves(rng, 80, 0.3) + np.arange(80) * 3 / 80).within_noise for _ in range(100))
    assert seen >= 95


def test_more_series_want_more_confidence_of_each() -> None:
    wanted = [confidence_of_each(series) for series in (0, 1, 2, 10, 100)]
    assert wanted[:2] == [0.95, 0.95]
    assert all(a <= b < 1 for a, b in pairwise(wanted))


@pytest.mark.parametrize(
    ("at_s", "values"),
    [([1.0] * 3, [1.0] * 3), ([1.0] * 20, [1.0] * 20), ([*range(20)], [1.0] * 19), ([*range(19, -1, -1)], [1.0] * 20)],
)
def test_samples_that_say_nothing_are_refused_by_name(at_s: list[float], values: list[float]) -> None:
    with pytest.raises(ValueError, match="memory: "):
        slope(Series("memory", "MB", at_s, values))
