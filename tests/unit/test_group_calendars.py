"""Calendars of reps and groups: China and Germany in one tenant, each at work by its own clock, hours and holidays."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.text.translation import ENGLISH, translator
from ops.why.change import Now
from ops.why.phrases import against
from router.domain.attendance import Attendance, attend, attendance
from router.domain.calendar import WeekHours, holiday_calendar, parse_week
from router.domain.calendars import as_decided, in_calendars
from router.domain.decide import Inputs
from router.domain.engine import Engine
from router.domain.explain_parts import LeftOut
from router.domain.explain_reps import rep_state
from router.domain.lead import Facts, PoolLead
from router.domain.lint_tenant import lint_calendars, lint_groups, lint_zones
from router.domain.rates import Rates
from router.domain.rep_fields import read_field
from router.domain.roster import Rep, Roster
from router.domain.ruleset import CalendarSpec, GroupCalendar, Ruleset
from router.domain.ruleset_diff import diff_rulesets
from router.drain.lane_state import aligned_credits, moment_at
from router.drain.overlap import data_versions
from router.rules.file import RulesError, read_rules
from tests.unit.generated_rules import read_ruleset

RULES = """
business_time_zone: Asia/Shanghai
calendar: {country: CN, working_hours: {mon-fri: "09:00-18:00"}}
groups:
  Germany: {time_zone: Europe/Berlin, calendar: {country: DE-BY, working_hours: "mon-fri 08:00-17:00"}}
  desk: {calendar: {country: none, working_hours: always}}
rules:
  - {name: a, match: {}, assign_to: group:germany}
"""
GROUPS = {1: "germany", 2: "desk", 3: "china"}
ANNA = Rep(1, "anna", "Anna", "Asia/Shanghai", groups=frozenset({1}))
WEI = Rep(2, "wei", "Wei", "Asia/Shanghai", groups=frozenset({3}))
OLA = Rep(3, "ola", "Ola", "Europe/Warsaw", groups=frozenset({2, 1}), holidays="PL")
IDA = Rep(4, "ida", "Ida", "Asia/Shanghai", groups=frozenset({2}))
ROSTER = Roster(1, (ANNA, WEI, OLA, IDA), GROUPS)


def ruleset(text: str = RULES) -> Ruleset:
    return replace(read_rules(text, "r.yaml").ruleset, version=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def codes(now: str) -> list[Attendance]:
    engine = Engine(ROSTER, ruleset(), Rates())
    found = attend(engine.roster, at(now), engine.holidays, engine.ruleset.calendar.working_hours)
    return [Attendance(int(code)) for code in found.attendance]


def test_each_rep_is_at_work_by_the_own_calendar() -> None:
    on, off, holiday = Attendance.ON_DUTY, Attendance.OFF_HOURS, Attendance.HOLIDAY
    # Monday: 10:00 in Shanghai is 03:00 in Berlin.
    assert codes("2026-09-21T10:00+08:00") == [off, on, off, on]
    assert codes("2026-09-21T16:30+08:00") == [on, on, on, on]
    # China's national day; 3 October is Germany's, a Saturday; Epiphany is one in Bavaria and Poland.
    assert codes("2026-10-01T16:30+08:00") == [on, holiday, on, on]
    assert codes("2026-01-06T16:30+08:00") == [holiday, on, holiday, on]
    # Only what a group does not say is the tenant's: ola has the hours of Germany, which comes first.
    assert codes("2026-09-21T02:00+02:00") == [off, off, off, on]


def test_the_next_change_is_the_first_of_all_calendars() -> None:
    engine = Engine(ROSTER, ruleset(), Rates())
    hours = engine.ruleset.calendar.working_hours
    anna = engine.roster.reps[0]
    # Friday evening before Easter Monday: Anna is back on Tuesday at 8 in Berlin.
    assert attendance(anna, at("2026-04-02T20:00+02:00"), engine.holidays, hours) == (
        Attendance.OFF_HOURS,
        at("2026-04-03T00:00+02:00"),
    )
    assert attendance(anna, at("2026-04-06T12:00+02:00"), engine.holidays, hours)[0] is Attendance.HOLIDAY
    found = attend(engine.roster, at("2026-09-21T10:00+08:00"), engine.holidays, hours)
    assert found.until == at("2026-09-21T08:00+02:00")


def test_without_calendars_of_groups_the_roster_stays_as_it_is() -> None:
    plain = ruleset("rules: [{name: a, match: {}, assign_to: group:germany}]")
    assert as_decided(ROSTER, plain) is ROSTER
    engine = Engine(ROSTER, plain, Rates())
    assert engine.roster is engine.given is ROSTER
    assert Engine(ROSTER, ruleset(), Rates()).given is ROSTER


def test_the_record_names_the_holiday_data_also_where_only_a_rep_has_any() -> None:
    plain = ruleset("rules: [{name: a, match: {}, assign_to: group:germany}]")
    assert data_versions(Engine(Roster(1, (WEI,), GROUPS), plain, Rates())).endswith("; none")
    assert holiday_calendar("PL").version in data_versions(Engine(ROSTER, plain, Rates()))
    assert data_versions(Engine(ROSTER, ruleset(), Rates())).endswith(holiday_calendar("CN").version)


hours = st.none() | st.sampled_from([parse_week("mon-fri 09:00-12:00"), parse_week("always"), parse_week("never")])
zones = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/New_York"])
countries = st.none() | st.sampled_from(["CN", "DE-BY", "none"])
reps = st.builds(
    lambda groups, zone, week, country: Rep(1, "r1", "", zone, groups=groups, working_hours=week, holidays=country),
    st.frozensets(st.sampled_from([1, 2, 3])),
    *(zones, hours, countries),
)
calendars = st.lists(
    st.builds(GroupCalendar, st.sampled_from(["Germany", "DESK", "china"]), st.none() | zones, countries, hours),
    unique_by=lambda one: one.group,
).map(tuple)


@given(reps, calendars, countries, hours, st.integers(0, 8_700 * 60))
def test_the_state_of_a_rep_is_what_the_page_says(
    rep: Rep, groups: tuple[GroupCalendar, ...], country: str | None, week: WeekHours | None, minute: int
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    tenant = Ruleset(1, (), "Asia/Shanghai", calendar=CalendarSpec(None if country == "none" else country, week))
    decided = in_calendars(Roster(1, (rep,), GROUPS), replace(tenant, groups=groups)).reps[0]
    code, _ = attendance(decided, now, holiday_calendar(tenant.calendar.country), week)
    # Naively: the first group that says something, unless the rep does.
    mine = [one for one in groups if one.group.lower() in {GROUPS[number] for number in rep.groups}]
    zone = next((one.time_zone for one in mine if one.time_zone), None) if rep.time_zone == "Asia/Shanghai" else None
    off = next((one for one in (rep.holidays, *(one.country for one in mine), country) if one), None)
    work = next((w for w in (rep.working_hours, *(one.working_hours for one in mine), week) if w is not None), None)
    alone = Rep(1, "r1", "", zone or rep.time_zone, working_hours=work)
    assert code is attendance(alone, now, holiday_calendar(None if off == "none" else off), None)[0]


def test_why_names_the_holiday_and_the_country() -> None:
    engine = Engine(ROSTER, ruleset(), Rates())
    zero = np.zeros(4, dtype=np.int64)
    for position, now, words in (
        (1, "2026-10-01T10:00+08:00", "public holiday (in CN: National Day, Thu 10:00 in Asia/Shanghai)"),
        (0, "2026-01-06T10:00+01:00", "public holiday (in DE-BY: Epiphany, Tue 10:00 in Europe/Berlin)"),
        # As after an update of the data, which knows the day no more.
        (2, "2026-09-21T10:00+02:00", "public holiday (in PL, Mon 10:00 in Europe/Warsaw)"),
    ):
        state = rep_state(engine, np.full(4, Attendance.HOLIDAY, dtype=np.int8), zero, zero, position)
        assert against(LeftOut.HOLIDAY, state, at(now), ENGLISH) == words


def test_why_names_the_holiday_in_chinese_where_there_is_a_name() -> None:
    engine = Engine(ROSTER, ruleset(), Rates())
    zero = np.zeros(4, dtype=np.int64)
    for position, now, words in (
        (1, "2026-10-01T10:00+08:00", "CN：国庆节，"),
        (0, "2026-01-06T10:00+01:00", "DE-BY：Epiphany，"),
    ):
        state = rep_state(engine, np.full(4, Attendance.HOLIDAY, dtype=np.int8), zero, zero, position)
        assert words in against(LeftOut.HOLIDAY, state, at(now), translator("zh"))


def test_what_if_a_rep_came_into_a_group_is_judged_by_that_groups_calendar() -> None:
    engine = Engine(ROSTER, ruleset(), Rates())
    now = at("2026-10-01T16:30+08:00")
    zero = np.zeros(4, dtype=np.int64)
    state = (np.zeros(4, dtype=np.int8), zero, zero, aligned_credits(engine, {}))
    lead = PoolLead(1, 0, now, now, Facts())
    what = Now(engine, Inputs(moment_at(engine, now), [lead], *state, {}))
    assert what.attendance_of(WEI) is Attendance.HOLIDAY
    assert what.attendance_of(replace_groups(WEI, {1, 3})) is Attendance.ON_DUTY


def replace_groups(rep: Rep, groups: set[int]) -> Rep:
    return Rep(rep.no, rep.rep_id, rep.name, rep.time_zone, groups=frozenset(groups))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("{a: {}}", "1: groups.a: says nothing; write time_zone, calendar or both, or leave the group out"),
        ("{a: {time_zone: Mars/Base}}", "1: groups.a.time_zone: unknown time zone 'Mars/Base'"),
        ("{a: {calendar: {country: Atlantis}}}", "1: groups.a.calendar.country: no holidays are known for country"),
        ("{a: {calendar: {working_hours: 8}}}", "1: groups.a.calendar.working_hours: '8' is not days and hours"),
        ("{a: {phone: DE}}", "1: groups.a.phone: unknown field; known: time_zone, calendar"),
        ("{a: {time_zone: UTC}, A: {time_zone: UTC}}", "1: groups.A: is the same group as a; write it once"),
        ("[a]", "1: groups: must be fields with values, not a list"),
    ],
)
def test_what_is_wrong_with_a_calendar_is_said_at_its_place(groups: str, message: str) -> None:
    with pytest.raises(RulesError) as wrong:
        read_ruleset(f"groups: {groups}\nrules: [{{name: a, match: {{}}, assign_to: group:a}}]\n", "r")
    assert f"r:{message}" in str(wrong.value)


def test_groups_that_do_not_exist_and_calendars_that_differ_are_found() -> None:
    rules = ruleset(RULES.replace("Germany:", "Germanny:", 1))
    assert [(one.lint.value, one.path, one.message) for one in lint_calendars(rules, ROSTER)] == [
        ("unknown_group", "groups.Germanny", 'group "Germanny" does not exist; did you mean "germany"?')
    ]
    (found,) = lint_calendars(ruleset(), ROSTER)
    assert (found.lint, found.path) == ("two_calendars", "groups.desk")
    assert found.message == (
        "1 rep (ola) is in Germany and in desk, which say different things: "
        "what Germany says counts, since it comes first"
    )
    doubtful = ruleset(RULES.replace("Europe/Berlin", "EST"))
    assert [one.path for one in lint_zones("Asia/Shanghai", Roster(1, (), {}), doubtful)] == [
        "groups.Germany.time_zone"
    ]


def test_a_difference_names_the_group_and_the_field() -> None:
    other = RULES.replace("country: DE-BY", "country: DE").replace("always", "never")
    assert [str(change) for change in diff_rulesets(ruleset(), ruleset(other))] == [
        "groups.Germany.calendar.country: DE-BY → DE",
        "groups.desk.calendar.working_hours: always → never",
    ]


def test_holidays_of_a_rep_are_a_country_none_or_as_the_rules_say() -> None:
    texts = ("de-by", " CN ", "None", "NONE", "")
    assert [read_field("holidays", text) for text in texts] == ["DE-BY", "CN", "none", "none", ""]
    with pytest.raises(ValueError, match="no holidays are known for country 'XX': use an ISO 3166 code"):
        read_field("holidays", "XX")


def test_a_group_that_is_called_as_a_rule_calls_one_rep_is_refused_and_found_where_it_is() -> None:
    with pytest.raises(ValueError, match="a group cannot be called so, since rules mean one rep by rep:ID"):
        read_field("groups", "east; REP:r2")
    one = ruleset("rules: [{name: a, match: {}, assign_to: 'rep:anna'}]")
    clash = Roster(1, (Rep(1, "anna", "", "UTC"), Rep(2, "bo", "", "UTC", groups=frozenset({9}))), {9: "Rep:anna"})
    (found,) = lint_groups(one, clash)
    assert (found.level, found.lint, found.path) == ("error", "group_like_rep", "rules[0].assign_to")
    assert found.message.startswith(
        'the roster has a group of the name "rep:anna" (1 rep), which would get these leads'
    )
    assert lint_groups(one, replace(clash, reps=clash.reps[:1])) == []


def test_calendars_that_differ_are_found_whatever_group_stands_between_them() -> None:
    rules = ruleset(
        "groups:\n  A: {time_zone: Europe/Berlin}\n  B: {calendar: {working_hours: always}}\n"
        "  C: {time_zone: Asia/Tokyo}\nrules: [{name: a, match: {}, assign_to: group:a}]\n"
    )
    roster = Roster(1, (Rep(1, "kim", "", "UTC", groups=frozenset({1, 2, 3})),), {1: "a", 2: "b", 3: "c"})
    (found,) = lint_calendars(rules, roster)
    assert "1 rep (kim) is in A and in C, which say different things" in found.message
