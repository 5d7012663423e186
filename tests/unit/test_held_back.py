"""While vacuum is held back the drain does fewer, larger batches that look at less; at all other times as ever."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.drain.held_back import (
    LaneRows,
    is_held_back,
    request_while_held_back,
    until_next_look_s,
    until_next_search_s,
)
from router.drain.request import BatchRequest

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rows", "held"),
    [
        (LaneRows(1, 0, 0.0), False),
        (LaneRows(1, 0, 3600.0), False),
        (LaneRows(1, 200, 3.0), False),
        (LaneRows(1, 200, 30.0), True),
        (LaneRows(1, 600, 0.0), True),
        (LaneRows(1000, 600, 30.0), False),
        (LaneRows(1000, 50_000, 0.0), True),
    ],
)
def test_a_snapshot_that_hurts_is_noticed_also_where_it_is_hidden_and_an_idle_night_is_none(
    rows: LaneRows, held: bool
) -> None:
    assert is_held_back(rows) is held


@given(st.integers(0, 10_000), st.integers(0, 1_000_000), st.floats(0, 1e6))
def test_more_dead_rows_never_mean_that_it_is_over(live: int, dead: int, oldest_s: float) -> None:
    if is_held_back(LaneRows(live, dead, oldest_s)):
        assert is_held_back(LaneRows(live, dead + 1, oldest_s))
        assert is_held_back(LaneRows(live, dead, oldest_s + 1))


@given(st.floats(0, 1e6))
def test_looking_for_what_was_passed_over_costs_a_tenth_of_the_time_and_does_not_end(seconds: float) -> None:
    for pause_s, longest in ((until_next_look_s(seconds), 15.0), (until_next_search_s(seconds), 8.0)):
        assert 0.5 <= pause_s <= longest
        assert pause_s == longest or pause_s >= seconds * 9.999


@given(st.integers(1, 20_000))
def test_batches_are_larger_and_never_larger_than_can_be_set(ready: int) -> None:
    larger = request_while_held_back(BatchRequest(ready=ready), None, set(), from_top=True).ready
    assert ready <= larger <= 20_000
    assert larger == min(20_000, 4 * ready)


def test_only_what_came_lately_is_looked_at_with_room_for_those_that_were_committed_late() -> None:
    asked = request_while_held_back(BatchRequest(), NOW, {3, -1}, from_top=False)
    assert asked.ranks == (-1, 3)
    assert asked.since is not None
    assert timedelta(seconds=1) <= NOW - asked.since <= timedelta(seconds=5)


@pytest.mark.parametrize(
    ("request_", "looked_at", "ranks", "from_top"),
    [
        (BatchRequest(), NOW, {0}, True),
        (BatchRequest(), None, {0}, False),
        (BatchRequest(), NOW, set(), False),
        (BatchRequest(), NOW, set(range(65)), False),
        (BatchRequest(lead_ids=[1]), NOW, {0}, False),
        (BatchRequest(after=(0, NOW, 1)), NOW, {0}, False),
    ],
)
def test_nothing_is_passed_over_that_may_be_there(
    request_: BatchRequest, looked_at: datetime | None, ranks: set[int], from_top: bool
) -> None:
    assert request_while_held_back(request_, looked_at, ranks, from_top=from_top).since is None
