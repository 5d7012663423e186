"""What is usual at an hour is no stall, and what is far from it is; a file that comes at once is one event."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ops.stalls.stall import Kind
from ops.stalls.usual import Trend, Usual, hour_of, intake_stopped, rule_stalls, same_hours, usual_rules
from router.domain.calendar import zone as tz

NOW = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
HOUR = hour_of(NOW)
ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])


def no_holiday(_: date) -> bool:
    return False


def weeks(minutes: int, hours: tuple[int, ...] = (9, 10)) -> dict[datetime, dict[str, int]]:
    """The same minutes in these hours of this weekday in the last four weeks."""
    day = HOUR.replace(hour=0)
    return {day.replace(hour=hour) - timedelta(weeks=n): {"": minutes} for n in range(1, 5) for hour in hours}


def test_no_lead_at_a_time_at_which_they_always_come_is_noticed() -> None:
    stall = intake_stopped(NOW, NOW - timedelta(minutes=30), "UTC", weeks(40), no_holiday)
    assert stall is not None and stall.kind is Kind.INTAKE_STOPPED
    assert "no lead has come in for 30 min" in stall.sentence


def test_the_night_after_a_holiday_is_no_stop() -> None:
    """All day no lead came, since nobody works: the hours of the holiday are not missed after midnight either."""
    midnight = HOUR.replace(hour=0) + timedelta(days=1, minutes=1)
    last = HOUR.replace(hour=8)
    assert intake_stopped(midnight, last, "UTC", weeks(40), no_holiday) is not None
    assert intake_stopped(midnight, last, "UTC", weeks(40), lambda day: day == HOUR.date()) is None


def test_a_short_silence_is_no_stop() -> None:
    assert intake_stopped(NOW, NOW - timedelta(minutes=10), "UTC", weeks(40), no_holiday) is None


def test_a_silent_night_is_no_stop() -> None:
    night = HOUR.replace(hour=3)
    assert intake_stopped(night, night - timedelta(hours=5), "UTC", weeks(60), no_holiday) is None


def test_a_file_an_hour_that_is_late_is_no_stop() -> None:
    assert intake_stopped(NOW, NOW - timedelta(minutes=59), "UTC", weeks(1), no_holiday) is None


def test_two_weeks_are_not_yet_usual() -> None:
    young = {hour: counts for hour, counts in weeks(60).items() if NOW - hour < timedelta(weeks=3)}
    assert intake_stopped(NOW, NOW - timedelta(minutes=60), "UTC", young, no_holiday) is None


@given(ZONES, st.integers(0, 24 * 365))
def test_the_same_hours_are_the_same_on_the_wall_clock(zone: str, hours: int) -> None:
    hour = NOW.replace(minute=0) + timedelta(hours=hours)
    for n, same in enumerate(same_hours(hour, zone), 1):
        wall, then = hour.astimezone(tz(zone)), same.astimezone(tz(zone))
        assert abs((wall - timedelta(weeks=n)).replace(tzinfo=None) - then.replace(tzinfo=None)) <= timedelta(hours=1)


def history(**rules: int) -> dict[datetime, dict[str, int]]:
    total = sum(rules.values())
    return {HOUR - timedelta(weeks=n): {**rules, "": total} for n in range(1, 5)}


def test_the_usual_part_of_a_rule_is_that_of_the_same_hours() -> None:
    counts = history(web=30, rest=10)
    assert usual_rules(HOUR, "UTC", counts, counts) == {"web": Usual(0.75, 0.75), "rest": Usual(0.25, 0.25)}
    assert usual_rules(HOUR + timedelta(hours=1), "UTC", counts, counts) == {}


def trend(hits: int, total: int, minutes: int, usual: Usual, times: int) -> Trend:
    found = Trend()
    for _ in range(times):
        found = found.after(hits, total, minutes, usual)
    return found


def test_a_rule_that_no_longer_matches_is_noticed() -> None:
    gone = trend(0, 5, 1, Usual(0.5, 0.9), 12)
    (stall,) = rule_stalls({"web": gone}, ["web", "rest"], frozenset({"rest"}))
    assert (stall.kind, stall.subject) == (Kind.RULE_STOPPED, "web")


def test_a_rule_that_matches_seldom_may_be_silent_for_long() -> None:
    assert rule_stalls({"web": trend(0, 50, 1, Usual(0.01, 0.02), 400)}, ["web"], frozenset()) == []


def test_one_lead_is_enough_for_a_rule_to_be_well() -> None:
    well = trend(0, 5, 1, Usual(0.5, 0.9), 12).after(1, 5, 1, Usual(0.5, 0.9))
    assert rule_stalls({"web": well}, ["web"], frozenset()) == []


def test_a_catch_all_that_takes_what_others_took_is_noticed_within_a_minute() -> None:
    """A look every 10 s, ten leads in each."""
    taken = trend(10, 10, 0, Usual(0.3, 1.0), 6)
    (stall,) = rule_stalls({"rest": taken}, ["web", "rest"], frozenset({"rest"}))
    assert stall.kind is Kind.CATCH_ALL_TAKES_MORE
    assert "got 100% of the last leads; usual is 30%" in stall.sentence


def test_a_file_that_the_catch_all_takes_is_one_event() -> None:
    seen = trend(5, 10, 0, Usual(0.5, 1.0), 20).after(10_000, 10_000, 1, Usual(0.5, 1.0))
    assert rule_stalls({"rest": seen}, ["web", "rest"], frozenset({"rest"})) == []


@given(st.floats(0, 1), st.integers(1, 50), st.integers(1, 400))
def test_a_rule_that_does_as_usual_is_never_a_stall(share: float, total: int, times: int) -> None:
    usual = Usual(share, 1.0 if share else 0.0)
    found = Trend()
    exact = done = 0.0
    for _ in range(times):
        exact += share * total
        hits = round(exact - done)
        done += hits
        found = found.after(hits, total, 0, usual)
    assert rule_stalls({"rest": found}, ["rest"], frozenset({"rest"})) == []
