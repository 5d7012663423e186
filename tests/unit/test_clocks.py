"""Which clock is believed: a jump of the database's stops routing, one of the host's does not."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.clocks import JUMP, ClockWatch, Reading, arrival_time, confirmed

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
JUMPS = [timedelta(days=40), timedelta(hours=2), timedelta(minutes=5), timedelta(seconds=61)]
BOTH_WAYS = [sign * jump for jump in JUMPS for sign in (1, -1)]
BEYOND_SMALL = [jump for jump in BOTH_WAYS if abs(jump) > timedelta(minutes=10)]


def at(seconds: float, database: timedelta = timedelta(0), host: timedelta = timedelta(0)) -> Reading:
    now = START + timedelta(seconds=seconds)
    return Reading(now + database, now + host, 1000 + seconds)


@pytest.mark.parametrize("jump", BOTH_WAYS, ids=str)
def test_a_database_clock_that_jumps_stops_routing_until_it_is_right_again(jump: timedelta) -> None:
    watch = ClockWatch()
    watch.read(at(0))
    watch.read(at(2, database=jump))
    assert watch.disputed
    assert watch.problem is not None
    watch.read(at(4))
    assert watch.problem is None


@pytest.mark.parametrize("jump", BOTH_WAYS, ids=str)
def test_a_host_clock_that_jumps_stops_nothing_and_is_reported(jump: timedelta) -> None:
    watch = ClockWatch()
    watch.read(at(0))
    for seconds in (2, 300, 86_400):
        watch.read(at(seconds, host=jump))
    assert not watch.disputed
    assert "by the database's" in (watch.problem or "")


@pytest.mark.parametrize("jump", BOTH_WAYS, ids=str)
def test_a_router_that_starts_with_a_wrong_host_clock_believes_the_database_once_another_host_agrees(
    jump: timedelta,
) -> None:
    watch = ClockWatch()
    watch.read(at(0, host=jump))
    # Where nobody has seen a jump, minutes are no reason to stand still.
    assert watch.disputed is (jump in BEYOND_SMALL)
    watch.read(at(2, host=jump), confirmed=True)
    watch.read(at(4, host=jump))
    assert not watch.disputed


@pytest.mark.parametrize("jump", BEYOND_SMALL, ids=str)
def test_a_large_difference_is_never_believed_by_itself(jump: timedelta) -> None:
    watch = ClockWatch()
    for seconds in range(0, 86_400, 60):
        watch.read(at(seconds, database=jump))
    assert watch.disputed


@pytest.mark.parametrize("jump", [one for one in BOTH_WAYS if one not in BEYOND_SMALL], ids=str)
def test_after_a_failover_to_a_server_that_is_minutes_off_leads_stand_still_for_two_minutes_and_no_longer(
    jump: timedelta,
) -> None:
    watch = ClockWatch()
    watch.read(at(0))
    for seconds in range(2, 121):
        watch.read(at(seconds, database=jump))
        assert watch.disputed
    watch.read(at(123, database=jump))
    assert not watch.disputed
    assert watch.problem is not None


def test_a_clock_that_jumps_once_more_is_not_believed_for_having_been_off_for_long() -> None:
    watch = ClockWatch()
    watch.read(at(0))
    watch.read(at(2, database=timedelta(minutes=3)))
    watch.read(at(119, database=timedelta(minutes=3)))
    watch.read(at(121, database=timedelta(minutes=8)))
    watch.read(at(130, database=timedelta(minutes=8)))
    assert watch.disputed


def test_what_somebody_said_is_believed_until_the_clock_jumps_again_and_not_once_more() -> None:
    watch, hour = ClockWatch(), timedelta(hours=1)
    watch.read(at(0, host=hour))
    assert watch.disputed
    said = START + timedelta(hours=23)
    watch.hear(said)
    # The same was said of another tenant, a moment later.
    watch.hear(said + timedelta(seconds=1))
    for seconds in (2, 200_000):
        watch.read(at(seconds, host=hour))
        assert not watch.disputed
    watch.read(at(200_002, host=hour, database=2 * hour))
    watch.hear(said)
    watch.hear(said + timedelta(seconds=1))
    assert watch.disputed


def test_an_answer_that_took_long_says_nothing_of_the_clocks() -> None:
    watch = ClockWatch()
    watch.read(at(0))
    # The process was frozen while it waited for the answer.
    watch.read(Reading(START, START + timedelta(minutes=5), 1300, took_s=300))
    assert not watch.disputed


@given(st.lists(st.floats(0, 600), min_size=1), st.floats(-59, 59), st.floats(-0.5, 0.5))
def test_clocks_that_agree_are_never_disputed(gaps: list[float], off_s: float, noise_s: float) -> None:
    watch, seconds = ClockWatch(), 0.0
    for gap in gaps:
        seconds += gap
        watch.read(at(seconds, database=timedelta(seconds=noise_s), host=timedelta(seconds=off_s)))
        assert not watch.disputed


@given(st.lists(st.tuples(st.floats(0, 600), st.sampled_from(BOTH_WAYS)), min_size=1))
def test_whatever_happened_clocks_that_agree_again_end_the_dispute(past: list[tuple[float, timedelta]]) -> None:
    watch, seconds = ClockWatch(), 0.0
    for gap, jump in past:
        seconds += gap
        watch.read(at(seconds, database=jump))
    watch.read(at(seconds + 1))
    assert not watch.disputed


@pytest.mark.parametrize(
    ("ahead", "good"),
    [
        (timedelta(hours=23), True),
        (timedelta(0), True),
        (timedelta(seconds=-1), False),
        (timedelta(hours=25), False),
    ],
)
def test_what_somebody_said_of_the_clock_holds_for_a_day_and_not_after_another_jump(
    ahead: timedelta, good: bool
) -> None:
    assert confirmed(START, START + ahead) is good


@pytest.mark.parametrize("jump", BOTH_WAYS, ids=str)
def test_a_lead_that_comes_while_clocks_differ_is_never_too_old_when_they_agree_again(jump: timedelta) -> None:
    database = START + jump
    queued_at = arrival_time(database, START, believed=False) or database
    assert queued_at >= START - JUMP
    assert arrival_time(database, START, believed=True) is None
