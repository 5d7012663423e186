"""A limit of 250 ms is judged by what was measured, not by a bucket near it."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.load.percentiles import percentile

VALUES = st.lists(st.integers(0, 10_000), min_size=1, max_size=200)


@given(VALUES, st.decimals(0, 100, places=2))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[int], percent: object) -> None:
    ascending = sorted(map(float, values))
    found = percentile(ascending, float(str(percent)))
    enough = Fraction(str(percent)) / 100 * len(ascending)
    naive = next((one for one in ascending if sum(other <= one for other in ascending) >= enough), None)
    assert found == naive


def test_nothing_is_rounded() -> None:
    # Locust would say 150 and 3400.
    assert percentile([147.0], 50) == 147.0
    assert percentile([1.0, 3432.0], 100) == 3432.0


def test_one_slow_answer_in_a_thousand_is_not_the_999th() -> None:
    ascending = [1.0] * 999 + [5000.0]
    assert percentile(ascending, 99.9) == 1.0
    assert percentile(ascending, 99.91) == 5000.0


def test_of_nothing_there_is_none() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)
    with pytest.raises(ValueError, match="not a percentage"):
        percentile([1.0], 101)
