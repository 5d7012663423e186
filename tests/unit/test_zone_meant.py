"""A zone that somebody writes: the zone that is meant, or places that have it, and never one with the sign reversed."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain import zone_meant
from router.domain.calendar import zone, zone_names
from router.domain.zone_meant import doubt

_NAMED = re.compile(r"[A-Z][A-Za-z]+(?:/[A-Za-z_]+)+")


def why(name: str) -> str:
    with pytest.raises(ValueError, match="unknown time zone") as refused:
        zone(name)
    return str(refused.value).replace(repr(name), "")


def offsets(name: str) -> set[timedelta | None]:
    return {datetime(2026, month, 1, tzinfo=UTC).astimezone(ZoneInfo(name)).utcoffset() for month in range(1, 13)}


@given(
    st.sampled_from(["UTC", "GMT", "utc", "gmt", ""]),
    st.sampled_from(["+", "-", "−", " + ", "＋"]),
    st.integers(1, 14),
    st.sampled_from(["", ":00", "00", ":30", ":45"]),
)
def test_an_offset_is_answered_with_places_that_have_it(prefix: str, sign: str, hours: int, minutes: str) -> None:
    text = f"{prefix}{sign}{hours:02}{minutes}" if prefix or minutes else f"{sign}{hours}"
    said = why(text)
    ahead = "+" in sign or "＋" in sign
    offset = timedelta(hours=hours, minutes=int(minutes.strip(":") or 0)) * (1 if ahead else -1)
    places = [name for name in _NAMED.findall(said) if name != "Asia/Shanghai" or "no place" not in said]
    assert places or not any(offset in offsets(name) for name in ("Asia/Shanghai", "Asia/Kolkata", "Europe/Berlin"))
    for place in places:
        assert offset in offsets(place), said
    assert "Etc/" not in said


@given(
    st.text(alphabet="GMTUTCEtc/+-0123456789: ", max_size=12) | st.sampled_from(sorted(zone_names())).map(str.swapcase)
)
def test_no_name_is_answered_with_a_zone_whose_sign_is_reversed(text: str) -> None:
    if text in zone_names():
        return
    assert "Etc/GMT" not in why(text)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("GMT+8", ("Asia/Shanghai", "Asia/Singapore")),
        ("UTC+8", ("Asia/Shanghai", "Asia/Singapore")),
        ("gmt +08:00", ("Asia/Shanghai",)),
        ("UTC-5", ("America/Bogota", "America/New_York")),
        ("UTC+5:30", ("Asia/Kolkata",)),
        ("Beijing", ("Asia/Shanghai",)),
        ("北京时间", ("Asia/Shanghai",)),
        ("China Standard Time", ("Asia/Shanghai",)),
        ("CST", ("Asia/Shanghai", "America/Chicago")),
        ("IST", ("Asia/Kolkata", "Asia/Jerusalem", "Europe/Dublin")),
        ("PDT", ("America/Los_Angeles",)),
        ("Mumbai", ("Asia/Kolkata",)),
        ("Europe/Munich", ("Europe/Berlin",)),
        ("new york", ("America/New_York",)),
        ("asia/shangai", ("Asia/Shanghai",)),
    ],
)
def test_what_people_write_is_answered_with_the_city(text: str, places: tuple[str, ...]) -> None:
    said = why(text)
    assert set(places) <= set(_NAMED.findall(said)), said


def test_every_place_that_can_be_suggested_is_a_zone() -> None:
    known = [
        *zone_meant._CITIES,
        *zone_meant._PLACES.values(),
        *(city for some in zone_meant._SHORT.values() for city in some),
    ]
    assert set(known) <= zone_names()
    assert not any(doubt(name) for name in known)


@pytest.mark.parametrize("hours", range(1, 13))
def test_a_zone_with_its_sign_reversed_is_doubted_with_what_it_is(hours: int) -> None:
    for sign, other in (("+", "-"), ("-", "+")):
        name = f"Etc/GMT{sign}{hours}"
        assert offsets(name) == {timedelta(hours=-hours if sign == "+" else hours)}
        assert f"is UTC{other}{hours}, not UTC{sign}{hours}" in (doubt(name) or "")


@pytest.mark.parametrize(
    ("name", "city"), [("EST", "America/New_York"), ("MST", "America/Denver"), ("HST", "Pacific/Honolulu")]
)
def test_an_abbreviation_that_is_a_zone_is_doubted_with_the_city(name: str, city: str) -> None:
    assert name in zone_names()
    assert len(offsets(name)) == 1
    assert city in (doubt(name) or "")


@pytest.mark.parametrize(
    "name", ["UTC", "GMT", "Etc/UTC", "Etc/GMT", "Etc/GMT0", "Asia/Shanghai", "CET", "America/New_York"]
)
def test_a_zone_that_is_what_it_says_is_not_doubted(name: str) -> None:
    assert doubt(name) is None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        *(("CST-8", "Asia/Shanghai"), ("<+08>-8", "Asia/Shanghai"), ("CET-1CEST,M3.5.0,M10.5.0/3", "Europe/Berlin")),
        *(("(UTC+08:00) Beijing, Chongqing, Hong Kong, Urumqi", "Asia/Shanghai"), ("IST-5:30", "Asia/Kolkata")),
        *(
            ("Eastern Daylight Time", "America/New_York"),
            ("Beijing Time", "Asia/Shanghai"),
            ("CST8", "America/Los_Angeles"),
        ),
    ],
)
def test_what_systems_write_is_answered_with_the_city(text: str, place: str) -> None:
    assert place in _NAMED.findall(why(text))


def test_a_zone_that_was_never_set_is_doubted() -> None:
    assert "never set" in (doubt("Factory") or "")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        *(("Created (UTC)", "UTC"), ("created_at_utc", "utc"), ("创建时间（北京时间）", None), ("Created", None)),
        *(
            ("Created (GMT+9)", "GMT+9"),
            ("Created [Europe/Berlin]", "Europe/Berlin"),
            ("Created (Asia/Shanghai)", None),
        ),
        *(("Created (local)", None), ("Created (CST)", None), ("Created (EST)", "EST")),
    ],
)
def test_a_column_that_names_another_zone_is_noticed(column: str, said: str | None) -> None:
    assert zone_meant.zone_in_name(column, "Asia/Shanghai", zone_names(), zone) == said


@pytest.mark.parametrize(
    ("column", "used", "said"),
    [
        ("创建时间(UTC+8)", "Asia/Shanghai", None),
        ("Created (GMT+08:00)", "Asia/Shanghai", None),
        ("Created (UTC)", "Etc/UTC", None),
        ("Created (UTC+1)", "Europe/Berlin", "UTC+1"),
        ("Created (GMT)", "Europe/London", "GMT"),
        ("Created (UTC+9)", "Asia/Shanghai", "UTC+9"),
    ],
)
def test_the_offset_that_the_zone_has_all_year_is_no_other_zone(column: str, used: str, said: str | None) -> None:
    assert zone_meant.zone_in_name(column, used, zone_names(), zone) == said
