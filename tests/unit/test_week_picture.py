"""The picture of a rep's week says what the routing would do at every minute of it."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.console.week import Keeps, on_clock, picture_of, week_of_rep
from router.domain.attendance import Attendance, attendance
from router.domain.availability import parse_leave
from router.domain.calendar import holiday_calendar, parse_week
from router.domain.roster import Rep

ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
HOURS = st.sampled_from(
    ["always", "never", "mon-fri 09:00-18:00", "mon-sun 22:00-06:00", "sat 10:00-12:00,13:00-14:30"]
)
LEAVE = st.sampled_from(["", "2026-03-29", "2026-10-24..2026-10-26", "2026-10-01; 2026-11-02"])
HOLIDAYS = st.sampled_from([None, "CN", "DE-BY", "US"])
# With the weeks in which clocks change.
MOMENTS = st.integers(0, 274 * 24 * 60).map(lambda minute: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minute))
_CODES = {Attendance.ON_DUTY: "duty", Attendance.ON_LEAVE: "leave", Attendance.HOLIDAY: "holiday"}


@given(MOMENTS, ZONES, ZONES, HOURS, LEAVE, HOLIDAYS, st.integers(0, 7 * 24 * 60 - 1))
def test_every_minute_of_the_week_is_shown_as_the_routing_sees_it(
    now: datetime, here: str, own: str, hours: str, leave: str, holidays: str | None, minute: int
) -> None:
    days = week_of_rep(Keeps(hours, own, leave, holidays), now, here)
    at = days[0].day.start + timedelta(minutes=minute)
    if at >= days[-1].day.end:
        return
    rep = Rep(1, "", "", own, working_hours=parse_week(hours), leave=parse_leave(leave))
    code, _ = attendance(rep, at, holiday_calendar(holidays), None)
    shown = [span.state for one in days for span in one.spans if span.start <= at < span.end]
    assert shown == ([_CODES[code]] if code in _CODES else [])


@given(MOMENTS, ZONES, ZONES, HOURS, LEAVE)
def test_the_week_begins_on_monday_holds_now_and_its_blocks_lie_within_the_picture(
    now: datetime, here: str, own: str, hours: str, leave: str
) -> None:
    days = week_of_rep(Keeps(hours, own, leave, None), now, here)
    assert days[0].day.date.weekday() == 0 and len(days) == 7
    assert sum(now in one.day for one in days) == 1
    drawn = picture_of(days, now, here)
    assert [line.now is not None for line in drawn.lines] == [now in one.day for one in days]
    for line in drawn.lines:
        for block in line.blocks:
            assert 0 <= block.x <= block.x + block.width <= drawn.width + 0.1


@pytest.mark.parametrize(
    ("at", "zone_name", "text"),
    [
        (datetime(2026, 11, 30, 1, 0, tzinfo=UTC), "Asia/Shanghai", "09:00"),
        (datetime(2026, 11, 30, 16, 0, tzinfo=UTC), "Asia/Shanghai", "24:00"),
        (datetime(2026, 11, 30, 1, 0, tzinfo=UTC), "America/New_York", "20:00 (-1 d)"),
        (datetime(2026, 11, 30, 23, 30, tzinfo=UTC), "Asia/Shanghai", "07:30 (+1 d)"),
    ],
)
def test_a_time_on_another_clock_says_that_it_is_another_day_there(at: datetime, zone_name: str, text: str) -> None:
    assert on_clock(at, date(2026, 11, 30), zone_name) == text
