"""Dates as people write them: read where there is one reading, refused where there are two."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from router.domain.date_forms import orders_of
from router.intake.normalise import LeadReader, Rejected
from router.intake.times import latest_day
from router.rules.mapping import parse_mapping
from router.rules.problems import InvalidFile

NOW = datetime(2026, 11, 23, tzinfo=UTC)
MORNING = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


def times(texts: Sequence[str], mapping: str = "time_zone: Asia/Shanghai") -> list[datetime | None]:
    """By text; None = refused."""
    reader = LeadReader(parse_mapping(mapping, "m.yaml"), NOW, orders=lambda: orders_of(texts, latest_day(NOW)))
    read: list[datetime | None] = []
    for text in texts:
        try:
            read.append(reader.read({"external_id": "1", "created_at": text}).created_at)
        except Rejected as error:
            assert error.column == "created_at"
            read.append(None)
    return read


@pytest.mark.parametrize(
    "text",
    [
        *(
            "2026/3/2 9:30",
            "2026年3月2日 9:30",
            "2026-3-2 9:30",
            "2026年3月2日 上午9时30分",
            "２０２６／３／２ ９：３０",
        ),
        *("02.03.2026 09:30", "2.3.2026, 9:30", "2. März 2026 09:30", "2 mars 2026 09:30", "2 de março de 2026 9:30"),
        *("2 de marzo de 2026, 9:30", "2026/03/02 09:30:00.000", "2026-03-02 01:30:00 UTC", "2026-03-02 09:30:00+08"),
        *("2026-03-02T09:30:00.000+0800", "1772415000", "1772415000000", "46083.3958333333", "46083,3958333333"),
        *("Mar 2 2026 9:30AM", "2026-03-02 09:30 AM", "March 2, 2026 9:30 a.m.", "Mon, 02 Mar 2026 09:30:00 +0800"),
        *("2 Mar, 2026 09:30:00", "2026-03-02T09:30:00 GMT+8", "02-Mar-2026 09:30", "20260302093000"),
    ],
)
def test_a_usual_form_needs_no_mapping(text: str) -> None:
    assert times([text]) == [MORNING]


def test_what_can_be_read_in_two_ways_is_never_guessed() -> None:
    for text in ("03/04/2026", "3/2/26 9:30", "02-03-2026 09:30:15"):
        assert times([text, text]) == [None] * 2
    reader = LeadReader(parse_mapping("time_zone: UTC", "m.yaml"), NOW)
    with pytest.raises(Rejected, match=r"two ways.*created_at: \{format: dmy\}"):
        reader.read({"external_id": "1", "created_at": "03/04/2026"})
    # Both readings are the same day.
    assert times(["03/03/2026"], "time_zone: UTC") == [datetime(2026, 3, 3, tzinfo=UTC)]


def test_one_row_of_the_column_decides_for_all_that_are_written_alike() -> None:
    fourth = datetime(2026, 3, 4, tzinfo=UTC)
    assert times(["04/03/2026", "29/2/2024", "04-03-2026"], "time_zone: UTC")[::2] == [fourth, None]
    assert times(["03/04/2026", "2/29/2024"], "time_zone: UTC")[0] == fourth
    # Rows that contradict each other decide nothing, and are read where they have one reading themselves.
    assert times(["03/04/2026", "2/29/2024", "29/2/2024"], "time_zone: UTC")[0] is None
    assert None not in times(["2/29/2024", "29/2/2024"], "time_zone: UTC")


@settings(max_examples=200)
@given(
    st.lists(st.dates(date(1991, 1, 1), date(2026, 11, 22)), min_size=1, max_size=6),
    st.sampled_from("/-"),
    st.booleans(),
)
def test_a_column_is_read_as_written_or_not_at_all(days: list[date], sign: str, american: bool) -> None:
    order = f"%m{sign}%d{sign}%Y" if american else f"%d{sign}%m{sign}%Y"
    read = times([day.strftime(order) for day in days], "time_zone: UTC")
    right = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
    decided = any(day.day > 12 for day in days)
    for day, got, wanted in zip(days, read, right, strict=True):
        assert got == wanted if decided or day.day == day.month else got is None


@pytest.mark.parametrize(
    ("form", "text"),
    [
        *(("dmy", "2/3/2026 9:30"), ("mdy", "3/2/26 9:30"), ("ymd", "26-03-02 09:30"), ("excel", "46083.3958333333")),
        *(("epoch", "1772415000"), ("epoch_ms", "1772415000000"), ('"%d|%m|%Y %H.%M"', "02|03|2026 09.30")),
    ],
)
def test_the_mapping_names_the_form(form: str, text: str) -> None:
    mapping = f"time_zone: Asia/Shanghai\ncreated_at: {{format: {form}}}"
    assert times([text], mapping) == [MORNING]
    assert times(["soon"], mapping) == [None]


@pytest.mark.parametrize("form", ["american", '"%d.%m"', '"%Q"', "[a]"])
def test_a_form_that_is_none_is_refused_with_those_that_are(form: str) -> None:
    with pytest.raises(InvalidFile, match="created_at"):
        parse_mapping(f"created_at: {{format: {form}}}", "m.yaml")


@pytest.mark.parametrize(
    "text",
    ["soon", "31.02.2026", "13/13/2026", "5", "99999", "12", "2 Foo 2026", "1/2/3", "2026-03-02 25:00", "0", "9" * 30],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    assert times([text]) == [None]


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    if text.strip():
        times([text])


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-02 09:30-10:15", "2026-03-02 09:30-10:00", "2/13/2026 9:30-10:15", "2026-3-2 9:30-10:00"),
        *("2026-03-02T09:30+23:59", "2026-03-02T09:30+05:53", "2026-03-02-05:00", "2026-03-02-09:30", "2026-W10"),
    ],
)
def test_from_when_to_when_and_other_looks_of_an_offset_are_not_read_as_one(text: str) -> None:
    assert times([text]) == [None]


def test_an_offset_behind_seconds_is_one() -> None:
    assert (
        times(["2026-03-02 09:30:00-10:00", "2026-03-02T09:30-10:00"]) == [datetime(2026, 3, 2, 19, 30, tzinfo=UTC)] * 2
    )


@pytest.mark.parametrize("text", ["2026-03-02+01:00", "20260302+0100"])
def test_a_day_with_an_offset_begins_by_that_offset(text: str) -> None:
    assert times([text]) == [datetime(2026, 3, 1, 23, tzinfo=UTC)]


def test_years_of_two_digits_in_front_are_not_taken_for_days_of_another_year() -> None:
    for sign in "./-":
        column = [day.replace(".", sign) for day in ("26.03.20", "26.03.25", "26.02.18")]
        assert times(column) == [None] * 3
        assert times(column[:1]) == [None]
    # One row that can only be a day of this time decides for all.
    assert times(["20.03.26", "02.03.26"], "time_zone: UTC")[0] == datetime(2026, 3, 20, tzinfo=UTC)
    assert times(["26.03.20", "26.03.02"], "time_zone: UTC") == [None, None]


@pytest.mark.parametrize(
    "text",
    [
        *("2026. 3. 2. 오전 9:30", "2026. 3. 2 오전 9:30", "2026-03-02 午前9:30", "02.03.2026 09.30", "2-Mar-26 09:30"),
        *("Mon Mar 02 2026 09:30:00 GMT+0800 (China Standard Time)", "2. 3. 2026 9:30", "2026.03.02. 09:30"),
    ],
)
def test_more_forms_that_programs_write_are_read(text: str) -> None:
    assert times([text]) == [MORNING]


def test_the_end_of_a_day_is_the_start_of_the_next() -> None:
    for text in ("2026-03-01 24:00", "2026-03-01T24:00:00", "1.3.2026 24:00"):
        assert times([text], "time_zone: UTC") == [datetime(2026, 3, 2, tzinfo=UTC)]
    assert times(["2026-03-01 24:01"]) == [None]


def _is_of_last_month(text: str, form: str) -> bool:
    try:
        day = datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return False
    return NOW - timedelta(days=33) <= day <= NOW + timedelta(days=2)


@settings(max_examples=200)
@given(st.lists(st.dates(date(2017, 1, 1), date(2026, 11, 22)), min_size=1, max_size=6), st.sampled_from("./-"))
@example([date(2017, 11, 26), date(2018, 11, 27)], ".")
def test_a_column_with_the_year_in_front_is_read_right_or_not_at_all(days: list[date], sign: str) -> None:
    texts = [day.strftime(f"%y{sign}%m{sign}%d") for day in days]
    # Days of long ago that are all days of last month when the day is in front are taken for what is exported nightly.
    assume(not all(_is_of_last_month(text, f"%d{sign}%m{sign}%y") for text in texts))
    read = times(texts, "time_zone: UTC")
    for day, got in zip(days, read, strict=True):
        assert got in (None, datetime(day.year, day.month, day.day, tzinfo=UTC))


def test_days_of_a_workbook_that_counts_from_1904_are_not_four_years_early() -> None:
    plan = parse_mapping("time_zone: UTC", "m.yaml")
    row = {"external_id": "1", "created_at": "44621.5"}
    assert LeadReader(plan, NOW, from_1904=True).read(row).created_at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert LeadReader(plan, NOW).read(row).created_at == datetime(2022, 3, 1, 12, tzinfo=UTC)


def test_a_day_ahead_is_refused_by_itself_and_leaves_the_other_days_of_two_digit_years_as_they_are() -> None:
    read = times(["25/10/26", "03/04/26", "11/12/26"])
    assert [None if one is None else one.date().isoformat() for one in read] == ["2026-10-24", "2026-04-02", None]
    read = times(["10/25/26", "04/03/26", "12/11/26"])
    assert [None if one is None else one.date().isoformat() for one in read] == ["2026-10-24", "2026-04-02", None]
    assert times(["25.10.26", "03.04.26", "11.12.26"])[2] is None


def test_an_offset_that_may_say_until_when_is_refused_with_how_it_is_read() -> None:
    for text in ("2026-03-02 03:30-05:00", "2026-03-02 09:30-10:15", "02.03.2026 03:30-05:00"):
        with pytest.raises(Rejected, match="may have an offset from UTC, or say from when to when"):
            LeadReader(parse_mapping("", "m.yaml"), NOW).read({"external_id": "1", "created_at": text})
    three = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
    assert times(["2026-03-02 03:30:00-05:00", "02.03.2026 03:30:00-05:00"]) == [three, three]
    assert times(["2026-03-02 03:30-05:00"], "created_at: {format: iso}") == [three]


def test_what_is_exported_each_night_is_read_on_every_day_of_the_month() -> None:
    """NOW is 2026-11-23: with the year in front these are days of 2021 and 2022, all of them the 26th."""
    for texts in (["21.11.26", "22.11.26"], ["22.11.26 09:30"], ["22/11/26"], ["11/22/26"]):
        read = times(texts)
        assert {one.year for one in read if one} == {2026}, texts
        assert None not in read
    assert times(["26.11.21", "26.11.22"]) == [None, None], "days of this month with the year in front"
    assert times(["22.11.26", "20.05.26"]) == [None, None], "neither is certain"
    assert None not in times(["22.11.26", "20.05.26", "01.05.26"])
