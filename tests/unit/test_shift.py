"""Stamps that are shifted like a zone are told; slow sources, files and days without a time are not."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.doctor.shift import LEAST, STEP, began, shift_of, words
from router.store.stamps import SourceStamps, Stamp

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = 3600.0


def stamps(middle_s: float, *, spread_s: float = 20.0, leads: int = 40, **changes: int) -> SourceStamps:
    numbers = {"stamps": leads, "arrivals": leads, "future": 0} | changes
    return SourceStamps(1, "web", leads, middle_s, middle_s - spread_s / 2, middle_s + spread_s / 2, **numbers)


@pytest.mark.parametrize(("middle_s", "hours"), [(8 * HOUR - 4, 8), (-8 * HOUR - 60, -8), (5.5 * HOUR - 1, 5.5)])
def test_a_source_of_another_zone_is_told_by_how_much(middle_s: float, hours: float) -> None:
    assert shift_of(stamps(middle_s)) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "innocent",
    [
        stamps(-3.0),
        stamps(-17 * 60.0),
        stamps(-8 * HOUR, spread_s=3 * HOUR),
        stamps(8 * HOUR, leads=LEAST - 1),
        stamps(-8 * HOUR, arrivals=1),
        stamps(-8 * HOUR, stamps=2),
        stamps(-72 * HOUR),
    ],
    ids=["on time", "slow", "once a day", "few leads", "a file", "days without a time", "three days late"],
)
def test_what_is_late_old_or_few_is_not_called_shifted(innocent: SourceStamps) -> None:
    assert shift_of(innocent) is None


@given(st.integers(-48, 48), st.floats(0, 290))
def test_whatever_the_zone_and_the_time_under_way_the_shift_is_found_or_there_is_none(steps: int, way_s: float) -> None:
    shift = steps * STEP
    assert shift_of(stamps(shift.total_seconds() - way_s, spread_s=0)) == (shift or None)


def test_since_when_it_is_so_is_told_by_the_first_lead_of_the_run() -> None:
    def at(minutes: int, hours: float) -> Stamp:
        received = NOW - timedelta(minutes=minutes)
        return Stamp(minutes, "", received + timedelta(hours=hours), received)

    run = [at(1, 8), at(2, 8), at(3, 0), at(4, 8), at(5, 0), at(6, 0), at(7, 8)]
    assert began(run, timedelta(hours=8)) == NOW - timedelta(minutes=4)
    assert began([at(1, 0), at(2, 0)], timedelta(hours=8)) is None


def test_a_shift_reads_as_people_say_it() -> None:
    assert (words(timedelta(hours=8)), words(-timedelta(hours=5, minutes=30))) == ("8 h ahead of", "5.5 h behind")
