"""What comes at the same hour every night is told; what came once, comes rarely or all day, or is ours, is not."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ops.doctor.nightly import DAYS, LOOKED_BACK, NEAR, nightly
from router.store.blocking.seen_blockers import SeenBlocker

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
TWO = NOW.replace(hour=2)


def seen(at: datetime, application: str = "cleanup", role: str = "crm") -> SeenBlocker:
    began = at - timedelta(seconds=2)
    return SeenBlocker(began, application, role, "10.0.0.9", "row_locks", ("lead_pool",), "", at, at)


def nights(*days: float, minutes: Sequence[int] = (0,), application: str = "cleanup") -> list[SeenBlocker]:
    return [
        seen(TWO - timedelta(days=day, minutes=-minute), application)
        for day in sorted(days, reverse=True)
        for minute in minutes
    ]


def test_three_nights_at_two_are_told_with_the_next_one() -> None:
    [found] = nightly(nights(0, 2, 5), NOW)
    assert (found.days, found.next_at) == (3, TWO + timedelta(days=1))


def test_two_nights_or_nights_at_different_hours_are_not() -> None:
    assert nightly(nights(0, 1), NOW) == []
    assert nightly([seen(TWO + timedelta(hours=5 * day, days=-day)) for day in range(4)], NOW) == []


def test_a_night_is_one_night_however_often_it_blocks_then() -> None:
    assert nightly(nights(0, 1, minutes=(0, 5, 10)), NOW) == []


def test_midnight_is_no_border() -> None:
    midnight = NOW.replace(hour=0)
    shifts = (-5, 5, -5)
    found = nightly([seen(midnight - timedelta(days=2 - i, minutes=m)) for i, m in enumerate(shifts)], NOW)
    assert [one.days for one in found] == [3]


def test_who_blocks_us_all_day_long_does_not_do_so_at_an_hour() -> None:
    assert nightly([seen(NOW - timedelta(hours=hour)) for hour in range(100)], NOW) == []


def test_two_applications_are_not_added_up_and_our_own_is_left_out() -> None:
    assert nightly(nights(0, 1) + nights(2, 3, application="other"), NOW) == []
    assert nightly(nights(0, 1, 2, 3, application="lead-router 8 host-1"), NOW) == []


@given(st.lists(st.integers(0, int(LOOKED_BACK.total_seconds())), min_size=1, max_size=40))
def test_whatever_is_told_came_on_enough_days_near_one_time_and_comes_within_a_day(ages: list[int]) -> None:
    for found in nightly([seen(NOW - timedelta(seconds=age)) for age in sorted(ages, reverse=True)], NOW):
        assert found.days >= DAYS
        assert NOW < found.next_at <= NOW + timedelta(days=1)
        for one in found.seen:
            off = (one.seen_at - found.next_at) % timedelta(days=1)
            assert min(off, timedelta(days=1) - off) <= NEAR
