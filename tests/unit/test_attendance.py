"""Who is on duty, and when time alone changes that, against an oracle that looks at every minute."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.domain.attendance import LOOK_AHEAD, Attendance, attend, attendance, open_hours
from router.domain.calendar import (
    ALWAYS,
    NEVER,
    DayKind,
    HolidayCalendar,
    WeekHours,
    holiday_calendar,
    offset_changes,
    parse_week,
)
from router.domain.roster import Leave, Rep, Roster

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
OFFICE = parse_week("mon-fri 09:00-12:00,13:00-18:00")
NO_HOLIDAYS = holiday_calendar(None)
CHINA = holiday_calendar("CN")


@pytest.fixture(params=["Pacific/Kiritimati", "America/Anchorage"])
def foreign_host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose clock is set to another zone than any in the test."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def a_rep(zone: str = "Asia/Shanghai", hours: WeekHours | None = OFFICE, *leave: Leave, no: int = 1) -> Rep:
    return Rep(no=no, rep_id=f"r{no}", name=f"Rep {no}", time_zone=zone, working_hours=hours, leave=leave)


def duty(rep: Rep, now: str, calendar: HolidayCalendar = NO_HOLIDAYS) -> tuple[Attendance, datetime | None]:
    return attendance(rep, at(now), calendar, None)


@pytest.mark.usefixtures("foreign_host")
@pytest.mark.parametrize(
    ("now", "code", "until"),
    [
        ("2024-06-03T08:59:59+08:00", Attendance.OFF_HOURS, "2024-06-03T09:00+08:00"),
        ("2024-06-03T09:00+08:00", Attendance.ON_DUTY, "2024-06-03T12:00+08:00"),
        ("2024-06-03T12:00+08:00", Attendance.OFF_HOURS, "2024-06-03T13:00+08:00"),
        ("2024-06-07T18:00+08:00", Attendance.OFF_HOURS, "2024-06-10T09:00+08:00"),
    ],
)
def test_office_hours_are_the_reps_own_with_the_break_and_the_weekend(now: str, code: Attendance, until: str) -> None:
    assert duty(a_rep(), now) == (code, at(until))


def test_who_is_inactive_or_unavailable_does_not_change_with_time() -> None:
    gone = Rep(no=1, rep_id="a", name="A", time_zone="UTC", active=False, available=False)
    away = Rep(no=2, rep_id="b", name="B", time_zone="UTC", available=False)
    assert duty(gone, "2024-06-03T09:00Z") == (Attendance.INACTIVE, None)
    assert duty(away, "2024-06-03T09:00Z") == (Attendance.UNAVAILABLE, None)


def test_an_availability_nobody_understands_holds_as_last_known_and_then_is_the_reason() -> None:
    held = at("2024-06-03T10:00+08:00")
    rep = msgspec.structs.replace(a_rep(), availability_held_until=held)
    unknown = (Attendance.AVAILABILITY_UNKNOWN, None)
    assert duty(rep, "2024-06-03T09:00+08:00") == (Attendance.ON_DUTY, held)
    assert duty(rep, "2024-06-03T07:00+08:00") == (Attendance.OFF_HOURS, at("2024-06-03T09:00+08:00"))
    assert duty(rep, "2024-06-03T10:00+08:00") == unknown
    away = msgspec.structs.replace(rep, available=False)
    assert duty(away, "2024-06-03T09:00+08:00") == (Attendance.UNAVAILABLE, held)
    assert duty(away, "2024-06-03T10:00+08:00") == unknown
    gone = msgspec.structs.replace(rep, active=False)
    assert duty(gone, "2024-06-03T11:00+08:00") == (Attendance.INACTIVE, None)


def test_a_rep_without_hours_has_the_default_ones_or_all() -> None:
    rep, now = a_rep("UTC", None), at("2024-06-02T12:00Z")
    assert attendance(rep, now, NO_HOLIDAYS, OFFICE) == (Attendance.OFF_HOURS, at("2024-06-03T09:00Z"))
    assert attendance(rep, now, NO_HOLIDAYS, None) == (Attendance.ON_DUTY, None)


def test_leave_counts_in_the_reps_own_zone_with_both_ends() -> None:
    rep = a_rep("Asia/Shanghai", ALWAYS, Leave(date(2024, 6, 5), date(2024, 6, 6)))
    assert duty(rep, "2024-06-04T15:59Z") == (Attendance.ON_DUTY, at("2024-06-05T00:00+08:00"))
    assert duty(rep, "2024-06-05T00:00+08:00") == (Attendance.ON_LEAVE, at("2024-06-07T00:00+08:00"))
    assert duty(rep, "2024-06-07T00:00+08:00") == (Attendance.ON_DUTY, None)


def test_a_holiday_is_off_and_the_make_up_sunday_is_worked() -> None:
    assert duty(a_rep(), "2024-02-15T10:00+08:00", CHINA) == (
        Attendance.HOLIDAY,
        at("2024-02-17T00:00+08:00"),  # a plain Saturday: off hours from here
    )
    assert duty(a_rep(), "2024-02-18T10:00+08:00", CHINA) == (Attendance.ON_DUTY, at("2024-02-18T12:00+08:00"))


def test_holidays_count_also_for_who_has_no_hours() -> None:
    rep = a_rep("Asia/Shanghai", None)
    assert duty(rep, "2024-10-01T10:00+08:00", CHINA) == (Attendance.HOLIDAY, at("2024-10-05T00:00+08:00"))


def test_a_shift_in_a_skipped_hour_starts_with_the_first_instant_after_it() -> None:
    rep = a_rep("America/New_York", parse_week("sun 02:30-05:00"))  # 02:00 becomes 03:00
    assert duty(rep, "2024-03-10T01:00-05:00") == (Attendance.OFF_HOURS, at("2024-03-10T03:00-04:00"))
    assert duty(rep, "2024-03-10T03:00-04:00") == (Attendance.ON_DUTY, at("2024-03-10T05:00-04:00"))


def test_a_shift_in_an_hour_that_comes_twice_is_worked_twice() -> None:
    rep = a_rep("America/New_York", parse_week("sun 01:00-01:30"))  # 02:00 becomes 01:00
    assert duty(rep, "2024-11-03T01:10-04:00") == (Attendance.ON_DUTY, at("2024-11-03T01:30-04:00"))
    assert duty(rep, "2024-11-03T01:40-04:00") == (Attendance.OFF_HOURS, at("2024-11-03T01:00-05:00"))
    assert duty(rep, "2024-11-03T01:10-05:00") == (Attendance.ON_DUTY, at("2024-11-03T01:30-05:00"))


def test_a_shift_from_midnight_starts_late_where_the_clocks_skip_midnight() -> None:
    rep = a_rep("America/Santiago", parse_week("sun 00:00-06:00"))
    assert duty(rep, "2024-09-08T03:30Z") == (Attendance.OFF_HOURS, at("2024-09-08T04:00Z"))


def test_leave_on_a_date_that_the_zone_skipped_is_no_leave() -> None:
    rep = a_rep("Pacific/Apia", ALWAYS, Leave(date(2011, 12, 30), date(2011, 12, 30)))
    assert duty(rep, "2011-12-30T09:00Z") == (Attendance.ON_DUTY, None)


def test_a_search_that_finds_no_change_ends_at_its_bound() -> None:
    rep = a_rep("UTC", NEVER, Leave(date(2024, 1, 1), date(2034, 1, 1)))
    assert duty(rep, "2024-06-03T00:00Z") == (Attendance.ON_LEAVE, at("2024-06-03T00:00Z") + LOOK_AHEAD)


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="has no offset"):
        attend(Roster(1, (a_rep(),)), datetime(2024, 6, 3), NO_HOLIDAYS, None)  # noqa: DTZ001


def test_the_window_of_a_rule_knows_no_holidays() -> None:
    assert open_hours(OFFICE, "Asia/Shanghai", at("2024-10-01T10:00+08:00")) == (True, at("2024-10-01T12:00+08:00"))
    assert open_hours(OFFICE, "Asia/Shanghai", at("2024-10-01T19:00+08:00")) == (False, at("2024-10-02T09:00+08:00"))
    assert open_hours(ALWAYS, "Asia/Shanghai", at("2024-10-01T19:00+08:00")) == (True, None)


# --- against an oracle -----------------------------------------------------------------------------------------


def seen_at(rep: Rep, moment: datetime, country: str | None) -> Attendance:
    """The state of a rep read off a clock on the rep's wall, by way of texts."""
    wall = moment.astimezone(ZoneInfo(rep.time_zone))
    today = wall.strftime("%Y-%m-%d")
    if any(leave.first.isoformat() <= today <= leave.last.isoformat() for leave in rep.leave):
        return Attendance.ON_LEAVE
    kind = holiday_calendar(country).kind(wall.date())
    if kind is DayKind.HOLIDAY:
        return Attendance.HOLIDAY
    assert rep.working_hours is not None
    weekday = wall.isoweekday() - 1
    if kind is DayKind.MAKE_UP:
        weekday = min((i for i in range(5) if rep.working_hours.days[i]), default=weekday)
    hour_and_minute = wall.strftime("%H:%M")
    for start, end in rep.working_hours.days[weekday]:
        if f"{start // 60:02}:{start % 60:02}" <= hour_and_minute < f"{end // 60:02}:{end % 60:02}":
            return Attendance.ON_DUTY
    return Attendance.OFF_HOURS


ZONES = (
    "Asia/Shanghai",
    "America/New_York",
    "America/Santiago",
    "Pacific/Apia",
    "Asia/Kolkata",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Casablanca",
    "UTC",
)
WEEKS = tuple(
    map(
        parse_week,
        (
            "always",
            "never",
            "mon-fri 09:00-12:00,13:00-18:00",
            "fri-mon 22:00-06:00",
            "sun 00:00-00:20,01:00-01:40,02:15-02:45,23:30-24:00; sat 23:00-24:00",
            "mon-sun 00:00-01:30",
            "wed 10:00-10:01",
        ),
    )
)


@st.composite
def moments(draw: st.DrawFn, zone: str) -> datetime:
    """An instant between 2009 and 2025; mostly one near a change of the zone's clocks, if there is any."""
    moment = datetime(2009, 1, 1, tzinfo=UTC) + timedelta(seconds=draw(st.integers(0, 16 * 365 * 86_400)))
    changes = offset_changes(zone, moment.year)
    near: int = draw(st.integers(0, 2))
    if changes and near:
        index: int = draw(st.integers(0, len(changes) - 1))
        moment = changes[index] + timedelta(minutes=draw(st.integers(-3000, 120)))
    return moment


@st.composite
def attendance_cases(draw: st.DrawFn) -> tuple[Rep, datetime, str | None]:
    zone, week = draw(st.sampled_from(ZONES)), draw(st.sampled_from(WEEKS))
    now = draw(moments(zone))
    leave = []
    for _ in range(draw(st.integers(0, 2))):
        first = now.date() + timedelta(days=draw(st.integers(-3, 4)))
        leave.append(Leave(first, first + timedelta(days=draw(st.integers(0, 3)))))
    return a_rep(zone, week, *leave), now, draw(st.sampled_from((None, "CN", "US")))


@given(attendance_cases())
@settings(max_examples=250, deadline=None)
@example((a_rep("America/St_Johns", WEEKS[4]), at("2010-11-07T01:00Z"), None))
@example((a_rep("Pacific/Apia", OFFICE, Leave(date(2011, 12, 29), date(2011, 12, 30))), at("2011-12-30T01:00Z"), None))
def test_the_state_holds_until_the_announced_instant_and_not_longer(
    case: tuple[Rep, datetime, str | None],
) -> None:
    rep, now, country = case
    code, until = attendance(rep, now, holiday_calendar(country), None)
    assert until is None or (until > now and until.tzinfo is UTC)
    assert code is seen_at(rep, now, country)
    end = min(until or now + 10 * DAY, now + 10 * DAY)
    minute = now.replace(second=0, microsecond=0) + MINUTE
    while minute < end:
        assert seen_at(rep, minute, country) is code, minute
        minute += MINUTE
    if until is not None:
        assert seen_at(rep, until - timedelta.resolution, country) is code
        assert seen_at(rep, until, country) is not code or until == now + LOOK_AHEAD


@given(st.lists(attendance_cases(), max_size=12), attendance_cases(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_whole_roster_is_judged_as_its_reps_one_by_one(
    cases: list[tuple[Rep, datetime, str | None]], moment: tuple[Rep, datetime, str | None], active: bool
) -> None:
    _, now, country = moment
    reps = tuple(
        Rep(
            no=i,
            rep_id=str(i),
            name="",
            time_zone=rep.time_zone,
            working_hours=rep.working_hours,
            leave=rep.leave,
            active=active or i % 2 == 0,
        )
        for i, (rep, _, _) in enumerate(cases)
    )
    together = attend(Roster(1, reps), now, holiday_calendar(country), OFFICE)
    alone = [attendance(rep, now, holiday_calendar(country), OFFICE) for rep in reps]
    assert together.at == now
    assert together.attendance.tolist() == [code for code, _ in alone]
    assert together.until == min((until for _, until in alone if until), default=None)


def test_nobody_can_change_what_was_found() -> None:
    found = attend(Roster(1, (a_rep(),)), at("2024-06-03T09:00Z"), NO_HOLIDAYS, None)
    with pytest.raises(ValueError, match="read-only"):
        found.attendance[0] = 0
