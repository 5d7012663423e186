"""Which shifts can be asked for, and which leads a shift explains: right stamps are left as they are."""

import shlex
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.waiting.restamp import Ask
from router.domain.shift import FARTHEST, STEP, explains, read_shift, shift_words
from router.store.tenants import Tenant

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
shifts = st.integers(-(FARTHEST // STEP), FARTHEST // STEP).filter(bool).map(lambda steps: steps * STEP)


@given(shifts)
def test_a_shift_is_read_as_it_is_written(shift: timedelta) -> None:
    assert read_shift(shift_words(shift)) == shift


@pytest.mark.parametrize(
    ("text", "hours"), [("-8h", -8), ("8h", 8), (" +8h ", 8), ("+5h45m", 5.75), ("-330m", -5.5), ("+26h", 26)]
)
def test_people_write_shifts_in_several_ways(text: str, hours: float) -> None:
    assert read_shift(text) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "text", ["", "+", "0h", "8", "-8", "8 h", "10m", "27h", "+1d", "--8h", "８h", "8h30", "-26h15m"]
)
def test_what_is_no_shift_between_zones_is_refused(text: str) -> None:
    assert read_shift(text) is None


@given(shifts, st.floats(0, 14 * 60))
def test_a_lead_of_another_zone_is_explained_once_and_never_twice(shift: timedelta, way_s: float) -> None:
    arrived = NOW
    stamped = arrived - shift - timedelta(seconds=way_s if abs(shift) > STEP else way_s / 2.1)
    assert explains(stamped, arrived, shift)
    assert not explains(stamped + shift, arrived, shift)


@given(shifts, st.floats(0, 7 * 60))
def test_a_lead_whose_time_was_right_is_not_touched(shift: timedelta, way_s: float) -> None:
    assert not explains(NOW - timedelta(seconds=way_s), NOW, shift)


@given(shifts, st.floats(-200_000, 200_000))
def test_no_lead_is_created_after_its_arrival_by_a_correction(shift: timedelta, ahead_s: float) -> None:
    stamped = NOW + timedelta(seconds=ahead_s)
    if explains(stamped, NOW, shift):
        assert stamped + shift <= NOW + timedelta(minutes=5)
        assert abs(stamped + shift - NOW) < abs(stamped - NOW)


@pytest.mark.parametrize("source", ["", "form", "-x", "a b'; rm", "表单"])
def test_the_printed_command_means_what_was_asked(source: str) -> None:
    ask = Ask(Tenant(1, "acme", "UTC", 0, 0, 0), source, -timedelta(hours=8), NOW, again=True)
    words = shlex.split(ask.command("it's wrong", dry_run=True))
    assert words[:5] == ["lead-router", "leads", "restamp", "--tenant=acme", f"--source={source}"]
    assert words[5:] == ["--shift=-8h", f"--since={NOW.isoformat()}", "--again", "--dry-run", "--why", "it's wrong"]
