"""Waits between tries: each limit twice the one before, at random below it, a minute at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.backoff import FIRST_S, LONGEST_S, full_jitter

ALMOST_ONE = 1 - 2**-53


@given(st.integers(1, 10**9), st.floats(0, ALMOST_ONE))
def test_a_wait_is_never_negative_nor_longer_than_a_minute(failures: int, random: float) -> None:
    assert 0 <= full_jitter(failures, random) <= LONGEST_S


def test_the_limit_doubles_from_a_fifth_of_a_second_to_a_minute() -> None:
    limits = [full_jitter(failures, 1.0) for failures in range(1, 12)]
    assert limits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0]
    assert (FIRST_S, full_jitter(3, 0.5), full_jitter(9, 0.0)) == (0.2, 0.4, 0.0)


def test_before_the_first_failure_there_is_nothing_to_wait_for() -> None:
    with pytest.raises(ValueError, match="before the first failure"):
        full_jitter(0, 0.5)
