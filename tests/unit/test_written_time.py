"""Times as people read them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from router.domain.calendar import zone, zone_names
from router.domain.written_time import in_column, names_the_day, on_wall_clock, written, written_or_dash, written_soon

FRIDAY = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
EPOCH = datetime(1970, 1, 2, tzinfo=UTC)
instants = st.integers(0, 8028 * 365 * 1440).map(lambda minutes: EPOCH + timedelta(minutes=minutes))


def test_a_time_is_written_on_the_wall_clock_of_its_zone_and_names_it() -> None:
    assert written(FRIDAY, "Asia/Shanghai") == "2026-11-27 18:00 Asia/Shanghai"
    assert written(FRIDAY, "Europe/Berlin", seconds=True) == "2026-11-27 11:00:00 Europe/Berlin"
    assert written(FRIDAY) == "2026-11-27 10:00 UTC"
    assert in_column(FRIDAY, "Asia/Shanghai") == "2026-11-27 18:00:00" and in_column(None) == "-"
    assert written_or_dash(None) == "-" and written_or_dash(FRIDAY) == "2026-11-27 10:00 UTC"


def test_a_time_of_the_next_days_is_written_with_its_weekday() -> None:
    tomorrow = datetime(2026, 11, 28, 1, 0, tzinfo=UTC)
    assert written_soon(tomorrow, FRIDAY, "Asia/Shanghai") == "Sat 09:00 Asia/Shanghai"
    assert written_soon(tomorrow + timedelta(days=7), FRIDAY, "Asia/Shanghai") == "Sat 2026-12-05 09:00 Asia/Shanghai"
    assert written_soon(FRIDAY - timedelta(hours=1), FRIDAY) == "Fri 2026-11-27 09:00 UTC"


def test_a_time_past_the_end_of_the_calendar_is_written_in_utc() -> None:
    last = datetime(9999, 12, 31, 23, 0, tzinfo=UTC)
    assert written(last, "Asia/Shanghai") == "9999-12-31 23:00 UTC"


@given(instants, st.sampled_from(sorted(zone_names())))
def test_the_wall_clock_is_of_the_same_instant(at: datetime, name: str) -> None:
    wall, named = on_wall_clock(at, name)
    assert wall == at and named == name and wall.tzinfo is zone(name)


@given(
    instants, st.timedeltas(timedelta(0), timedelta(days=6)), st.sampled_from(["UTC", "Asia/Shanghai", "Asia/Kolkata"])
)
def test_a_weekday_alone_never_means_two_days(now: datetime, ahead: timedelta, name: str) -> None:
    if now + ahead > datetime(9999, 12, 30, tzinfo=UTC):
        return
    assert names_the_day(now + ahead, now)
    today, then = (on_wall_clock(at, name)[0].date() for at in (now, now + ahead))
    assert (then - today).days < 7


# A stamp in a file's name, a time of the day alone, the catalogue's forms of `why`, and forms in which files come.
OTHERS = {
    "ops/bundle/archive.py",
    "ops/console/draft.py",
    "ops/console/pages/now.py",
    "ops/console/rendering.py",
    "ops/console/week.py",
    "ops/doctor/stalls.py",
    "ops/doctor/checks/blocked_nightly.py",
    "ops/why/phrases.py",
    "router/domain/date_forms.py",
    "router/domain/written_time.py",
    "router/intake/times.py",
    "router/intake/workbook.py",
    "router/rules/mapping_parts.py",
    "router/store/partitions.py",
}


def test_no_other_place_has_a_form_of_its_own() -> None:
    root = Path(__file__).resolve().parents[2]
    files = [file for part in ("ops", "router") for file in (root / part).rglob("*.py")]
    found = {
        file.relative_to(root).as_posix()
        for file in files
        if re.search(r"%H:%M|%Y-?%m|isoformat\(['\"] ", file.read_text(encoding="utf-8"))
    }
    assert found <= OTHERS
