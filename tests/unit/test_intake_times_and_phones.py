"""Times and phone numbers of lead files: right, or refused with a reason."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.intake.phones import PhoneReader
from router.intake.times import TimeReader, UnreadableTime

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def read(text: str, zone: str | None = None) -> str:
    return TimeReader(zone, NOW).read(text).isoformat()


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-03-02T00:30:00+08:00", None, "2026-03-01T16:30:00+00:00"),
        ("2026-03-02T00:30:00Z", "Asia/Shanghai", "2026-03-02T00:30:00+00:00"),
        ("2026-03-02 00:30:00", "Asia/Shanghai", "2026-03-01T16:30:00+00:00"),
        ("2026-03-02 00:30:00.123456", "Asia/Kolkata", "2026-03-01T19:00:00.123456+00:00"),
        ("2026-03-02", "Asia/Shanghai", "2026-03-01T16:00:00+00:00"),
        ("20260302", "America/New_York", "2026-03-02T05:00:00+00:00"),
    ],
)
def test_a_time_is_the_instant_that_the_source_meant(text: str, zone: str | None, expected: str) -> None:
    assert read(text, zone) == expected


def test_a_time_that_clocks_skip_moves_on_by_what_was_skipped() -> None:
    assert read("2026-03-08 02:30:00", "America/New_York") == "2026-03-08T07:30:00+00:00"


def test_a_time_that_comes_twice_is_the_first() -> None:
    assert read("2026-11-01 01:30:00", "America/New_York") == "2026-11-01T05:30:00+00:00"


def test_a_date_begins_at_one_where_midnight_is_skipped() -> None:
    assert read("2022-09-11", "America/Santiago") == "2022-09-11T04:00:00+00:00"


def test_a_date_that_a_zone_skipped_is_refused() -> None:
    with pytest.raises(UnreadableTime, match="2011-12-30"):
        read("2011-12-30", "Pacific/Apia")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-03-02 00:30:00", "has no offset"),
        ("2026-03-02", "a date alone"),
        ("02.03.", "is not a time"),
        ("soon", "is not a time"),
        ("2026-02-30", "is not a time"),
        ("2026-03-02T25:00:00Z", "is not a time"),
        ("0001-01-01T00:00:00+10:00", "is not a time|before 1990"),
        ("9999-12-31T23:59:59-10:00", "is not a time|ahead"),
        ("1970-01-01T00:00:00Z", "before 1990"),
        ("2026-11-24T00:00:01Z", "ahead"),
        ("🕐", "is not a time"),
    ],
)
def test_a_time_that_cannot_be_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(UnreadableTime, match=why):
        read(text)


TEXTS = ("2026-03-02 00:30:00", "2026-03-02", "2026-03-02T00:30:00Z", "soon", "2026-03-08 02:30", "26.03.02")


def said(reader: TimeReader, text: str) -> tuple[str, int]:
    """The instant, or why there is none, and how many times were read in the zone for it."""
    before = reader.without_offset
    try:
        found = reader.read(text).isoformat()
    except UnreadableTime as error:
        found = str(error)
    return found, reader.without_offset - before


@given(st.lists(st.sampled_from(TEXTS)), st.sampled_from([None, "America/New_York"]))
def test_a_time_that_came_before_in_the_file_is_read_and_counted_as_if_it_came_first(
    texts: list[str], zone: str | None
) -> None:
    reader = TimeReader(zone, NOW, orders=dict)
    assert [said(reader, text) for text in texts] == [said(TimeReader(zone, NOW), text) for text in texts]


def test_a_file_may_have_more_different_times_than_are_remembered() -> None:
    reader, first = TimeReader("UTC", NOW, orders=dict), datetime(2026, 1, 1, tzinfo=UTC)
    for times in range(2):
        for minute in range(10_000):
            at = first + timedelta(minutes=minute)
            assert reader.read(f"{at:%Y-%m-%d %H:%M}") == at
        assert reader.without_offset == 10_000 * (times + 1)


@given(st.text(max_size=30))
def test_no_text_breaks_the_reader(text: str) -> None:
    for zone in ("Asia/Shanghai", None):
        try:
            moment = TimeReader(zone, NOW).read(text)
        except UnreadableTime:
            continue
        assert moment.tzinfo is UTC


@given(
    st.dates(date(1995, 1, 1), date(2026, 1, 1)),
    st.sampled_from(["America/Santiago", "Africa/Cairo", "Asia/Kolkata", "America/New_York", "Pacific/Apia"]),
)
def test_a_date_starts_on_that_date_and_a_second_earlier_is_another(day: date, zone: str) -> None:
    try:
        start = TimeReader(zone, NOW).read(day.isoformat())
    except UnreadableTime:
        assert (zone, day) == ("Pacific/Apia", date(2011, 12, 30))
        return
    local = ZoneInfo(zone)
    assert start.astimezone(local).date() == day
    assert (start - timedelta(seconds=1)).astimezone(local).date() < day


REGIONS = ["CN", "US", "BR", "DE", "IT", "IN", "GB", "AR", "MX", "CI", None]
CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
dialled = st.one_of(
    st.from_regex(r"[0-9]{4,14}", fullmatch=True),
    st.builds("+{}{}".format, st.sampled_from(CODES), st.from_regex(r"[0-9]{3,12}", fullmatch=True)),
    st.from_regex(r"\+?[0-9 ().-]{3,20}", fullmatch=True),
    st.text(max_size=20),
)


@settings(max_examples=500, deadline=None)
@given(dialled, st.sampled_from(REGIONS))
@example("+4402079460018", "GB")
@example("+390236618300", "IT")
@example("0571 8888 9999", "CN")
@example("62340001", "CN")
def test_the_short_way_says_what_phonenumbers_says(text: str, region: str | None) -> None:
    digits = "".join(filter(str.isdecimal, text))
    expected = None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        pass
    else:
        if phonenumbers.is_valid_number(number):
            expected = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    read = PhoneReader(region).read(text)
    if expected is None or read is None:
        # Other readings, and what is more than a number, have tests of their own: tests/unit/test_contacts.py.
        assert read is None or phonenumbers.is_valid_number(phonenumbers.parse(read))
        plain = set(text) <= set("0123456789+ ") and text.rfind("+") <= 0
        assert read is not None or not plain or expected is None or _two_readings(digits, region)
    elif text.startswith("+") or not _two_readings(digits, region):
        assert read == expected


def _two_readings(digits: str, region: str | None) -> bool:
    """Whether digits that begin with the code of their country, or are that many, may be meant with it."""
    return len(digits) >= 12 or (
        region is not None and digits.startswith(str(phonenumbers.country_code_for_region(region)))
    )


@pytest.mark.parametrize(
    "text", ["138 0013 8000", "+86 138-0013-8000", "0086 13800138000", "１３８００１３８０００", "8613800138000"]
)
def test_one_number_has_one_spelling(text: str) -> None:
    assert PhoneReader("CN").read(text) == "+8613800138000"


@pytest.mark.parametrize("text", ["12", "none", "1380013800013800", "+999123", ""])
def test_what_is_no_number_is_none(text: str) -> None:
    assert PhoneReader("CN").read(text) is None
