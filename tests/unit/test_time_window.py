"""Windows of the day: cleanup opens once on each date, also when the hour is missing or comes twice."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.calendar import day_of, zone
from router.domain.time_window import TimeWindow, open_window, opening, parse_window

ZONES = (
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Cairo",
    "UTC",
)
NIGHT = TimeWindow(120, 240)
windows = st.builds(TimeWindow, st.integers(0, 1439), st.integers(0, 1439)).filter(lambda w: w.start != w.end)
days = st.dates(date(2009, 1, 1), date(2030, 1, 1))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "day", "start", "end"),
    [
        ("02:00-04:00", date(2026, 6, 1), "2026-06-01 00:00", "2026-06-01 02:00"),
        ("02:00-04:00", date(2026, 3, 29), "2026-03-29 01:00", "2026-03-29 02:00"),  # 02:00 is missing: from 03:00
        ("02:00-03:00", date(2026, 3, 29), "2026-03-29 01:00", "2026-03-29 02:00"),  # all of it is missing
        ("02:30-02:45", date(2026, 3, 29), "2026-03-29 01:00", "2026-03-29 01:15"),
        ("02:00-04:00", date(2026, 10, 25), "2026-10-25 00:00", "2026-10-25 03:00"),  # 02:00 comes twice: three hours
        ("02:30-02:45", date(2026, 10, 25), "2026-10-25 00:30", "2026-10-25 00:45"),  # once, not twice
        ("22:00-02:00", date(2026, 6, 1), "2026-06-01 20:00", "2026-06-02 00:00"),
        ("00:00-24:00", date(2026, 6, 1), "2026-05-31 22:00", "2026-06-01 22:00"),
    ],
)
def test_the_window_is_right_when_the_clocks_change(window: str, day: date, start: str, end: str) -> None:
    found = parse_window(window)
    assert found is not None
    assert opening(found, day, "Europe/Berlin") == (at(start), at(end))


@given(windows, days, st.sampled_from(ZONES))
def test_it_opens_on_every_date_and_never_for_nothing(window: TimeWindow, day: date, name: str) -> None:
    start, end = opening(window, day, name)
    assert start < end <= start + timedelta(hours=50)
    assert open_window(window, start, name) is not None
    assert open_window(window, end - timedelta.resolution, name) is not None


@given(
    windows, st.integers(int(at("2009-01-01").timestamp()), int(at("2030-01-01").timestamp())), st.sampled_from(ZONES)
)
def test_a_moment_that_shows_such_a_time_for_the_first_time_is_inside(
    window: TimeWindow, moment: int, name: str
) -> None:
    now = datetime.fromtimestamp(moment, UTC)
    local = now.astimezone(zone(name))
    shown = local.hour * 60 + local.minute
    inside = (shown - window.start) % 1440 < (window.end - window.start) % 1440
    quiet = all(
        (now + timedelta(hours=h)).astimezone(zone(name)).utcoffset() == local.utcoffset() for h in range(-49, 50, 1)
    )
    if quiet:
        assert (open_window(window, now, name) is not None) is inside


def test_a_night_is_no_longer_than_its_business_day_allows() -> None:
    day = day_of(date(2026, 3, 29), "Europe/Berlin")
    start, end = opening(NIGHT, day.date, "Europe/Berlin")
    assert day.start < start < end < day.end


def test_windows_are_read_or_refused_with_what_would_be_right() -> None:
    assert parse_window("02:00-04:00") == NIGHT
    assert parse_window(" always ") is None
    for wrong in ("", "2-4", "02:00-02:00", "25:00-26:00", "02:60-03:00", "02:00 to 04:00", "24:00-01:00"):
        with pytest.raises(ValueError, match="write"):
            parse_window(wrong)
