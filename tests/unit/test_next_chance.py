"""When a rep is on duty next, and when time alone gives a waiting lead its next chance."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.attendance import LOOK_AHEAD, Attendance, attend, attendance
from router.domain.calendar import parse_week
from router.domain.chance import Chance, earliest_chance, or_tried_again
from router.domain.eligibility import Eligibility
from router.domain.engine import Engine
from router.domain.holidays import holiday_calendar
from router.domain.next_chance import Outlook
from router.domain.next_duty import next_on_duty
from router.domain.rates import Rates
from router.domain.roster import Leave, Rep, Roster
from router.domain.ruleset import CalendarSpec, DateRange, Defaults, Match, Rule, Ruleset
from router.domain.targets import read_targets

# A Friday, 18:00 in Shanghai.
NOW = datetime(2026, 11, 27, 10, 0, tzinfo=UTC)
MONDAY = datetime(2026, 11, 30, 1, 0, tzinfo=UTC)
OFFICE = parse_week("mon-fri 09:00-18:00")
NO_HOLIDAYS, CHINA = holiday_calendar(None), holiday_calendar("CN")
GROUP = 1


def rep(no: int, **fields: object) -> Rep:
    known = {"time_zone": "Asia/Shanghai", "working_hours": OFFICE, "groups": frozenset({GROUP})}
    return Rep(no=no, rep_id=f"cn{no:02}", name=f"Rep {no}", **{**known, **fields})  # type: ignore[arg-type]


def outlook(
    reps: list[Rep],
    *rules: Rule,
    today: dict[int, int] | None = None,
    opened: dict[int, int] | None = None,
    absent: tuple[int, ...] = (),
    now: datetime = NOW,
) -> Outlook:
    ruleset = Ruleset(
        version=1,
        rules=rules or (Rule("all", group="all"),),
        business_time_zone="Asia/Shanghai",
        calendar=CalendarSpec(),
        defaults=Defaults(max_open=10, max_per_day=5),
    )
    engine = Engine(Roster(1, tuple(reps), {GROUP: "all"}), ruleset, Rates(0))
    codes = attend(engine.roster, now, engine.holidays, None).attendance.copy()
    for position, one in enumerate(reps):
        if one.no in absent:
            codes[position] = Attendance.NOT_PRESENT
    open_counts, today_counts = (
        np.array([(given or {}).get(one.no, 0) for one in reps], dtype=np.int64) for given in (opened, today)
    )
    return Outlook(engine, Eligibility(engine, codes, open_counts, today_counts, {}), now)


def test_the_next_chance_is_when_the_hours_begin_and_names_who_comes() -> None:
    early = rep(4, working_hours=parse_week("mon 08:30-18:00"))
    found = outlook([rep(1), rep(2, weight=0), rep(3)]).chance(read_targets("g1"))
    assert found == Chance(MONDAY, ("cn01", "cn03"))
    assert outlook([rep(1), early]).chance(read_targets("g1")) == Chance(MONDAY - timedelta(minutes=30), ("cn04",))


def test_who_had_the_lead_before_is_no_chance_for_it() -> None:
    seen = outlook([rep(1), rep(2, time_zone="Europe/Berlin")])
    assert seen.chance(read_targets("g1,x1")) == Chance(NOW, ("cn02",))
    assert seen.chance(read_targets("g1,x1,x2")) is None


def test_a_daily_cap_frees_with_the_new_day_and_an_open_cap_not_by_time() -> None:
    always = [rep(1, working_hours=None)]
    midnight = datetime(2026, 11, 27, 16, 0, tzinfo=UTC)
    assert outlook(always, today={1: 5}).chance(read_targets("g1")) == Chance(midnight, ("cn01",))
    assert outlook([rep(1)], today={1: 5}).chance(read_targets("g1")) == Chance(MONDAY, ("cn01",))
    assert outlook(always, opened={1: 10}).chance(read_targets("g1")) is None
    assert outlook([rep(1, max_per_day=0)]).chance(read_targets("g1")) is None


@pytest.mark.parametrize("fields", [{"active": False}, {"available": False}, {"working_hours": parse_week("never")}])
def test_what_time_does_not_change_is_no_chance(fields: dict[str, object]) -> None:
    assert outlook([rep(1, **fields)]).chance(read_targets("g1")) is None


def test_who_is_not_present_is_no_chance_before_they_come() -> None:
    assert outlook([rep(1, working_hours=None)], absent=(1,)).chance(read_targets("g1")) is None


def test_leave_is_over_before_somebody_is_named() -> None:
    away = rep(1, leave=(Leave(date(2026, 11, 28), date(2026, 12, 2)),))
    thursday = datetime(2026, 12, 3, 1, 0, tzinfo=UTC)
    assert outlook([away]).chance(read_targets("g1")) == Chance(thursday, ("cn01",))


def test_a_rule_must_apply_when_the_rep_is_there() -> None:
    afternoons = Rule("afternoons", group="all", window=parse_week("tue 14:00-16:00"))
    tuesday = datetime(2026, 12, 1, 6, 0, tzinfo=UTC)
    assert outlook([rep(1)], afternoons).chance(read_targets("g1")) == Chance(tuesday, ("cn01",))
    assert outlook([rep(1)], afternoons).chance(read_targets("w0")) == Chance(tuesday, ("cn01",))
    nights = Rule("nights", group="all", window=parse_week("mon-sun 22:00-23:00"))
    assert outlook([rep(1)], nights).chance(read_targets("w0")) is None


def test_a_fair_that_is_over_is_no_chance_and_one_to_come_is() -> None:
    over = Rule("fair", Match(date=DateRange(date(2026, 11, 24), date(2026, 11, 29))), group="all")
    ahead = Rule("fair", Match(date=DateRange(date(2026, 12, 2), None)), group="all")
    assert outlook([rep(1)], over).chance(read_targets("g1")) is None
    wednesday = datetime(2026, 12, 2, 1, 0, tzinfo=UTC)
    assert outlook([rep(1)], ahead).chance(read_targets("g1")) == Chance(wednesday, ("cn01",))


def test_an_owner_comes_back_whatever_the_weight() -> None:
    owners = Rule("known", group=None)
    assert outlook([rep(1, weight=0)], owners).chance(read_targets("o1")) == Chance(MONDAY, ("cn01",))
    assert outlook([rep(1)], owners).chance(read_targets("a7")) is None


def test_no_rule_means_no_chance_by_time() -> None:
    assert outlook([rep(1)]).chance(read_targets("")) is None
    assert earliest_chance([None, None]) is None


def test_what_is_tried_again_before_the_chance_and_the_parking_comes_first() -> None:
    chance, again, parks = Chance(MONDAY, ("cn01",)), NOW + timedelta(minutes=30), NOW + timedelta(days=7)
    assert or_tried_again(chance, again, parks, NOW) == Chance(again, ())
    assert or_tried_again(None, again, parks, NOW) == Chance(again, ())
    for at, parked in ((None, parks), (MONDAY, parks), (again, again), (NOW, parks), (again, None)):
        assert or_tried_again(chance, at, parked, NOW) == chance
        assert at == MONDAY or or_tried_again(None, at, parked, NOW) is None


def test_where_one_rule_always_applies_the_others_are_not_looked_at_for_each_rep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = list[str]()
    rule_from = Outlook._rule_from

    def counted(self: Outlook, rule: Rule, at: datetime) -> datetime | None:
        looked.append(rule.name)
        return rule_from(self, rule, at)

    monkeypatch.setattr(Outlook, "_rule_from", counted)
    rules = [Rule(f"r{n}", group="all", window=parse_week("tue 14:00-16:00")) for n in range(50)]
    reps = [rep(n) for n in range(1, 21)]
    found = outlook(reps, *rules, Rule("all", group="all")).chance(read_targets("g1"))
    assert found == Chance(MONDAY, tuple(one.rep_id for one in reps))
    assert len(looked) <= len(reps)


weeks = st.sampled_from(["mon-fri 09:00-18:00", "sat 22:00-06:00", "always", "never", "tue 02:30-03:10"])
leaves = st.lists(
    st.tuples(st.integers(-5, 30), st.integers(0, 20)).map(
        lambda days: Leave(date(2026, 3, 20) + timedelta(days[0]), date(2026, 3, 20) + timedelta(days[0] + days[1]))
    ),
    max_size=3,
)


@given(
    weeks, leaves, st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Shanghai"]), st.integers(0, 900)
)
def test_nobody_is_on_duty_before_the_time_that_is_named(hours: str, leave: list[Leave], zone: str, hour: int) -> None:
    now = datetime(2026, 3, 20, tzinfo=UTC) + timedelta(hours=hour)
    one = rep(1, working_hours=parse_week(hours), leave=tuple(leave), time_zone=zone)
    found = next_on_duty(one, now, CHINA, None)
    until = found or now + LOOK_AHEAD
    at = now
    while at < min(until, now + timedelta(days=40)):
        code, changes = attendance(one, at, CHINA, None)
        assert code is not Attendance.ON_DUTY
        at = changes or until
    if found is not None:
        assert attendance(one, found, CHINA, None)[0] is Attendance.ON_DUTY
        assert found == now or attendance(one, found - timedelta(seconds=1), CHINA, None)[0] is not Attendance.ON_DUTY


def test_reps_with_the_same_hours_and_other_holidays_are_not_expected_on_one_day() -> None:
    eve = datetime(2026, 9, 30, 11, 0, tzinfo=UTC)  # the day before China's National Day
    reps = [rep(1, holidays="CN"), rep(2, holidays="none")]
    chance = outlook(reps, now=eve).chance(read_targets("g1"))
    assert chance is not None and chance.reps == ("cn02",)
    assert chance.at == datetime(2026, 10, 1, 1, 0, tzinfo=UTC)
