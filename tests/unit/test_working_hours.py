"""Working hours as people write them, and which days are worked."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.calendar import ALWAYS, NEVER, DayKind, format_week, holiday_calendar, parse_week
from router.domain.working_hours import WeekHours, week_of

OFFICE = (9 * 60, 12 * 60), (13 * 60, 18 * 60)

intervals = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda pair: pair[0] < pair[1])


def _without_overlap(day: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start, end in sorted(day):
        if not kept or kept[-1][1] <= start:
            kept.append((start, end))
    return kept


weeks = st.lists(st.lists(intervals, max_size=3).map(_without_overlap), min_size=7, max_size=7).map(week_of)


@given(weeks)
def test_hours_that_are_written_are_read_back_equal(week: WeekHours) -> None:
    assert parse_week(format_week(week)) == week
    assert format_week(parse_week(format_week(week))) == format_week(week)


@pytest.mark.parametrize(
    "spec",
    [
        {"mon-fri": "09:00-12:00,13:00-18:00", "sat": "10:00-14:00"},
        "mon-fri 09:00-12:00,13:00-18:00; sat 10:00-14:00",
        "  Mon - Fri  9:00 - 12:00 , 13:00 – 18:00 ; Saturday 10:00-14:00;",
        "周一-周五 09：00－12：00，13：00－18：00；周六 10：00－14：00",
        "mon,tue,wed-fri 09:00-10:30,10:30-12:00,13:00-18:00; sat 10:00-14:00; sun off",
    ],
)
def test_the_ways_of_writing_the_same_hours_mean_the_same(spec: Any) -> None:
    week = parse_week(spec)
    assert week.days == (OFFICE,) * 5 + (((600, 840),), ())
    assert format_week(week) == "mon-fri 09:00-12:00,13:00-18:00; sat 10:00-14:00"


def test_always_and_never() -> None:
    assert parse_week("always") == parse_week("mon-sun 00:00-24:00") == parse_week({"mon-sun": "always"}) == ALWAYS
    assert parse_week("Never") == parse_week("mon off") == NEVER
    assert (format_week(ALWAYS), format_week(NEVER)) == ("always", "never")


def test_a_range_goes_over_the_weekend() -> None:
    assert format_week(parse_week("fri-mon 09:00-12:00")) == "mon 09:00-12:00; fri-sun 09:00-12:00"


def test_a_night_shift_goes_on_in_the_morning_of_the_next_day() -> None:
    week = parse_week("fri,sun 22:00-06:00")
    assert format_week(week) == "mon 00:00-06:00; fri 22:00-24:00; sat 00:00-06:00; sun 22:00-24:00"
    assert parse_week("mon 18:00-00:00") == parse_week("mon 18:00-24:00")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "no working hours given"),
        ({}, "no working hours given"),
        ("mon-fri", "'mon-fri' is not days and hours"),
        ("mon 09:00-12:00; lunch", "'lunch' is not days and hours"),
        ("foo 09:00-12:00", "'foo' is not a weekday"),
        ("mon-tue-wed 09:00-12:00", "'mon-tue-wed' is not a weekday or a range"),
        ("mon 9-12", "'9' in '9-12' is not a time"),
        ("mon 09:00-12:60", "'12:60' in '09:00-12:60' is not a time"),
        ("mon 09:00-24:01", "'24:01' in '09:00-24:01' is not a time"),
        ("mon 09:00-12:00,", "'' in '09:00-12:00,' is not a start and an end"),
        ("mon 09:00-09:00", "'09:00-09:00' has no length"),
        ("mon 24:00-06:00", "'24:00-06:00' has no length"),
        ("mon 09:00-13:00,12:00-18:00", "mon: 09:00-13:00 and 12:00-18:00 overlap"),
        ("mon 22:00-06:00; tue 05:00-08:00", "tue: 00:00-06:00 and 05:00-08:00 overlap"),
        ("mon-fri 09:00-12:00; wed off", "wed has hours twice, the second time in 'wed'"),
        ({"sat": False}, "must be text, not 'sat': False; write them in quotes"),
        (540, "must be a text or a mapping"),
    ],
)
def test_wrong_hours_are_refused_with_the_piece_that_is_wrong(spec: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse_week(spec)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "days", [(), (((60, 60),),) + ((),) * 6, (((0, 1441),),) + ((),) * 6, (((0, 9), (9, 10)),) + ((),) * 6]
)
def test_hours_that_are_not_canonical_cannot_be_made(days: Any) -> None:
    with pytest.raises(ValueError, match=r"days|minutes|touch"):
        WeekHours(days)


def test_chinese_holidays_are_off_and_make_up_days_are_worked() -> None:
    china, week = holiday_calendar("CN"), parse_week("mon 08:00-12:00; tue-fri 09:00-18:00")
    assert china.kind(date(2024, 2, 15)) is DayKind.HOLIDAY
    assert china.kind(date(2024, 2, 18)) is DayKind.MAKE_UP  # a Sunday
    assert china.kind(date(2024, 2, 19)) is DayKind.ORDINARY
    assert china.hours(week, date(2024, 2, 15)) == ()
    assert china.hours(week, date(2024, 2, 18)) == week.days[0]
    assert china.hours(week, date(2024, 2, 25)) == ()


def test_who_works_on_weekends_only_keeps_those_hours_on_a_make_up_day() -> None:
    week = parse_week("sat-sun 10:00-16:00")
    assert holiday_calendar("CN").hours(week, date(2024, 2, 18)) == week.days[6]


def test_a_holiday_moved_into_the_year_before_is_known() -> None:
    assert holiday_calendar("us").kind(date(2021, 12, 31)) is DayKind.HOLIDAY


def test_a_subdivision_has_its_own_holidays() -> None:
    epiphany = date(2025, 1, 6)
    assert holiday_calendar("DE").kind(epiphany) is DayKind.ORDINARY
    assert holiday_calendar("DE-BY").kind(epiphany) is DayKind.HOLIDAY


def test_without_a_country_every_day_is_ordinary() -> None:
    calendar = holiday_calendar(None)
    assert calendar.kind(date(2025, 1, 1)) is DayKind.ORDINARY
    assert calendar.hours(ALWAYS, date(2025, 1, 1)) == ((0, 1440),)
    assert calendar.version == "none"


def test_the_version_of_the_holidays_can_be_recorded() -> None:
    assert holiday_calendar("CN").version.startswith("holidays 0.")


@pytest.mark.parametrize("country", ["XX", "China", "DE-ZZ", ""])
def test_an_unknown_country_is_named(country: str) -> None:
    with pytest.raises(ValueError, match=f"country '{country}'"):
        holiday_calendar(country)
