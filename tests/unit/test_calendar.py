"""One day is one day: business days in the zones that make it hard."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.domain.calendar import (
    business_day,
    day_after,
    day_before,
    day_of,
    offset_changes,
    zone,
    zone_names,
)

HOUR = timedelta(hours=1)
TICK = timedelta.resolution

zones = st.sampled_from(sorted(zone_names()))
moments = st.integers(0, 68 * 365 * 86_400 * 1000).map(
    lambda ms: datetime(1970, 1, 3, tzinfo=UTC) + timedelta(milliseconds=ms)
)


@st.composite
def zoned_moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and an instant; mostly one within two days of a change of the zone's clocks, if there is any."""
    name, moment = draw(zones), draw(moments)
    changes = offset_changes(name, moment.year)
    near: int = draw(st.integers(0, 3))
    if changes and near:
        index: int = draw(st.integers(0, len(changes) - 1))
        moment = changes[index] + timedelta(minutes=draw(st.integers(-2880, 2880)))
    return name, moment


@pytest.fixture(params=["Pacific/Kiritimati", "America/Anchorage"])
def foreign_host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose clock is set to another zone than any in the test."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.usefixtures("foreign_host")
@pytest.mark.parametrize(
    ("zone_name", "day", "start", "end"),
    [
        ("Asia/Shanghai", "2024-06-01", "2024-05-31T16:00Z", "2024-06-01T16:00Z"),
        ("Asia/Kolkata", "2024-06-01", "2024-05-31T18:30Z", "2024-06-01T18:30Z"),
        ("America/New_York", "2024-03-10", "2024-03-10T05:00Z", "2024-03-11T04:00Z"),
        ("America/New_York", "2024-11-03", "2024-11-03T04:00Z", "2024-11-04T05:00Z"),
        # In spring 24:00 becomes 01:00 and the day starts there; in autumn 24:00 becomes 23:00.
        ("America/Santiago", "2024-09-08", "2024-09-08T04:00Z", "2024-09-09T03:00Z"),
        ("America/Santiago", "2024-04-06", "2024-04-06T03:00Z", "2024-04-07T04:00Z"),
        ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00Z", "2024-04-26T21:00Z"),
        ("Africa/Cairo", "2024-10-31", "2024-10-30T21:00Z", "2024-10-31T22:00Z"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00Z", "2018-11-05T02:00Z"),
        ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00Z", "2018-02-18T03:00Z"),
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00Z", "2011-12-30T10:00Z"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00Z", "2011-12-31T10:00Z"),
        # 23:30 becomes 00:30: the day starts half an hour late.
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30Z", "1919-04-01T04:00Z"),
        # In autumn 01:00 becomes 00:00: the day starts at the first of the two midnights.
        ("America/Havana", "2024-11-03", "2024-11-03T04:00Z", "2024-11-04T05:00Z"),
    ],
)
def test_a_day_is_the_zones_own_whatever_the_host_is_set_to(zone_name: str, day: str, start: str, end: str) -> None:
    found = day_of(date.fromisoformat(day), zone_name)
    assert (found.start, found.end) == (at(start), at(end))
    assert found.start.tzinfo is UTC and found.end.tzinfo is UTC
    assert business_day(found.start, zone_name) == business_day(found.end - TICK, zone_name) == found


@pytest.mark.usefixtures("foreign_host")
def test_a_lead_stamped_half_past_midnight_in_shanghai_is_of_that_day() -> None:
    stamped = at("2024-06-01T00:30+08:00")
    assert stamped.astimezone(UTC).date() == date(2024, 5, 31)
    assert business_day(stamped, "Asia/Shanghai").date == date(2024, 6, 1)


def test_a_date_that_the_zone_skipped_is_no_day() -> None:
    before = day_of(date(2011, 12, 29), "Pacific/Apia")
    after = day_after(before, "Pacific/Apia")
    assert after.date == date(2011, 12, 31)
    assert day_before(after, "Pacific/Apia") == before
    with pytest.raises(ValueError, match=r"no 2011-12-30 in Pacific/Apia"):
        day_of(date(2011, 12, 30), "Pacific/Apia")


def test_a_day_waits_for_the_second_midnight_when_the_clocks_go_back_over_it() -> None:
    # St. John's once went from 00:01 back to 23:01: a minute of Sunday, an hour of Saturday, then Sunday.
    saturday = day_of(date(2010, 11, 6), "America/St_Johns")
    assert saturday.end - saturday.start == 25 * HOUR
    assert saturday.end == at("2010-11-07T03:30Z")
    minute_of_sunday = at("2010-11-07T02:30:30Z")
    assert minute_of_sunday.astimezone(ZoneInfo("America/St_Johns")).date() == date(2010, 11, 7)
    assert minute_of_sunday in saturday
    assert business_day(minute_of_sunday, "America/St_Johns") == saturday


@given(zoned_moments())
@settings(max_examples=400)
@example(("America/St_Johns", at("2010-11-07T02:30:30Z")))
@example(("Pacific/Kwajalein", at("1993-08-20T23:00Z")))
@example(("Pacific/Enderbury", at("1995-01-01T00:00Z")))
@example(("Antarctica/Troll", at("2024-03-31T01:00Z")))
def test_days_follow_each_other_without_gap_or_overlap(zoned: tuple[str, datetime]) -> None:
    zone_name, moment = zoned
    day = business_day(moment, zone_name)
    before, after = day_before(day, zone_name), day_after(day, zone_name)
    assert moment in day and day.start < day.end
    assert before.end == day.start and day.end == after.start
    assert before.date < day.date < after.date
    assert business_day(day.start, zone_name) == business_day(day.end - TICK, zone_name) == day
    assert day_of(day.date, zone_name) == day


@given(zoned_moments())
@settings(max_examples=400)
def test_a_day_starts_when_earlier_dates_are_over_for_good(zoned: tuple[str, datetime]) -> None:
    zone_name, moment = zoned
    tz, day = zone(zone_name), business_day(moment, zone_name)
    assert (day.start - TICK).astimezone(tz).date() < day.date
    assert day.start.astimezone(tz).date() >= day.date
    for minutes in range(0, int((day.end - day.start).total_seconds() // 60), 7):
        assert (day.start + timedelta(minutes=minutes)).astimezone(tz).date() >= day.date


def test_since_2012_the_day_is_the_date_on_the_wall_clock_in_every_zone() -> None:
    """So a database that says `(ts at time zone zone)::date` agrees, also where the clocks change."""
    for name in sorted(zone_names()):
        tz = zone(name)
        for year in (2012, 2016, 2020, 2024, 2028):
            for change in offset_changes(name, year):
                for moment in (change - HOUR, change - TICK, change, change + HOUR / 2, change + HOUR):
                    assert business_day(moment, name).date == moment.astimezone(tz).date(), (name, moment)


@given(zoned_moments())
@settings(max_examples=200)
def test_every_change_of_a_zones_offset_is_known(zoned: tuple[str, datetime]) -> None:
    zone_name, moment = zoned
    tz = zone(zone_name)
    start, end = moment, moment + timedelta(days=1)
    changes = [c for y in {start.year, end.year} for c in offset_changes(zone_name, y) if start < c <= end]
    offsets = {(start + timedelta(minutes=15 * i)).astimezone(tz).utcoffset() for i in range(97)}
    assert len(offsets) <= len(changes) + 1
    for change in changes:
        assert change.astimezone(tz).utcoffset() != (change - TICK).astimezone(tz).utcoffset()


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("Shanghai", "did you mean Asia/Shanghai?"),
        ("asia/shanghai", "did you mean Asia/Shanghai?"),
        ("new york", "did you mean America/New_York?"),
        ("Europe/Berlim", "Europe/Berlin"),
        ("../../etc/passwd", "use an IANA name"),
        ("", "use an IANA name"),
    ],
)
def test_an_unknown_zone_is_refused_with_what_may_have_been_meant(wrong: str, hint: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone") as refused:
        zone(wrong)
    assert hint in str(refused.value)


def test_a_time_without_an_offset_has_no_business_day() -> None:
    with pytest.raises(ValueError, match="has no offset"):
        business_day(datetime(2024, 6, 1, 12), "Asia/Shanghai")  # noqa: DTZ001
