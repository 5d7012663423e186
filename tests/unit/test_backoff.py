"""Waits between attempts: each limit twice the one before, at random below it, a minute at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.store.backoff import LONGEST_S, wait_s


@given(st.integers(1, 10**9))
def test_a_wait_is_never_negative_nor_longer_than_a_minute(failures: int) -> None:
    assert 0 <= wait_s(failures) <= LONGEST_S


LIMITS = [(1, 0.2), (2, 0.4), (3, 0.8), (8, 25.6), (9, 51.2), (10, 60.0), (99, 60.0)]


@pytest.mark.parametrize(("failures", "limit"), LIMITS)
def test_the_limit_doubles_from_a_fifth_of_a_second_to_a_minute_and_waits_are_spread_below_it(
    failures: int, limit: float
) -> None:
    waits = [wait_s(failures) for _ in range(400)]
    assert max(waits) <= limit
    assert max(waits) > 0.9 * limit
    assert min(waits) < 0.1 * limit


def test_before_the_first_failure_there_is_nothing_to_wait_for() -> None:
    with pytest.raises(ValueError, match="before the first failure"):
        wait_s(0)
