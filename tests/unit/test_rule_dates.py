"""Rules for some days only: they hold on these days in the tenant's zone, and waiting leads know when that changes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from router.domain.attendance import Attendance
from router.domain.decide import Assigned, Inputs, Waiting, decide
from router.domain.eligibility import GroupCredits
from router.domain.engine import Engine, Moment, date_holds
from router.domain.explain import agrees, explain
from router.domain.flight import decisions_of, inputs_of, record
from router.domain.flight_format import decode, encode
from router.domain.lead import Facts, PoolLead
from router.domain.lint_tenant import lint_dates
from router.domain.rates import Rates
from router.domain.roster import Rep, Roster
from router.domain.ruleset import Created, DateRange, Match, Rule, Ruleset
from router.domain.subsumption import covers
from tests.random_worlds import moment_of

FAIR = DateRange(date(2026, 11, 24), date(2026, 11, 30))
SECOND = timedelta(seconds=1)


def at(zone: str, now: datetime) -> Moment:
    return moment_of(Engine(Roster(1, (), {}), Ruleset(1, (), zone), Rates()), now)


# 24 November in Shanghai begins, and 30 November ends, 16:00 UTC; Berlin 23:00.
@pytest.mark.parametrize(("zone", "hour"), [("Asia/Shanghai", 16), ("Europe/Berlin", 23), ("UTC", 24)])
def test_a_fair_begins_and_ends_at_midnight_of_the_tenants_zone(zone: str, hour: int) -> None:
    begins = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(hours=hour)
    ends = begins + timedelta(days=7)
    assert date_holds(FAIR, at(zone, begins - SECOND), zone) == (False, begins)
    assert date_holds(FAIR, at(zone, begins), zone) == (True, ends)
    assert date_holds(FAIR, at(zone, ends - SECOND), zone) == (True, ends)
    assert date_holds(FAIR, at(zone, ends), zone) == (False, None)


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        # The clocks skip midnight; go back over it; skip the whole date.
        ("America/Santiago", date(2026, 9, 6), datetime(2026, 9, 6, 4, tzinfo=UTC)),
        ("America/Santiago", date(2026, 4, 5), datetime(2026, 4, 5, 4, tzinfo=UTC)),
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 8), datetime(2026, 3, 8, 5, tzinfo=UTC)),
    ],
)
def test_a_day_on_which_clocks_change_begins_when_its_business_day_does(zone: str, day: date, begins: datetime) -> None:
    since = DateRange(first=day)
    assert date_holds(since, at(zone, begins - SECOND), zone) == (False, begins)
    assert date_holds(since, at(zone, begins), zone) == (True, None)


def world(now: datetime, **match: object) -> tuple[Engine, Inputs]:
    """A lead, and one rule for a group with a rep who is away."""
    rules = (Rule("fair", Match(date=FAIR, **match), group="east", wait=True), Rule("rest", group="west"))  # type: ignore[arg-type]
    reps = (Rep(2, "r2", "Rep", "UTC", groups=frozenset({1})), Rep(5, "r5", "Rep", "UTC", groups=frozenset({2})))
    engine = Engine(Roster(1, reps, {1: "east", 2: "west"}), Ruleset(1, rules, "Asia/Shanghai"), Rates())
    lead = PoolLead(1, 0, now - timedelta(hours=1), now - timedelta(hours=1), Facts())
    zero = np.zeros(2, dtype=np.int64)
    away = np.array([Attendance.UNAVAILABLE] * 2, dtype=np.int8)
    credits = {no: GroupCredits(np.array([rep]), np.zeros(1, dtype=np.int64)) for no, rep in ((1, 2), (2, 5))}
    return engine, Inputs(moment_of(engine, now), [lead], away, zero, zero.copy(), credits, {})


def test_a_lead_waits_for_the_fair_to_begin_and_to_end_but_not_behind_it() -> None:
    begins = datetime(2026, 11, 23, 16, tzinfo=UTC)
    for now, targets, again in (
        (begins - timedelta(hours=2), "g2", begins),
        (begins, "g1", begins + timedelta(days=7)),
        (begins + timedelta(days=7), "g2", None),
    ):
        engine, inputs = world(now)
        (decision,) = decide(engine, inputs).decisions
        assert isinstance(decision, Waiting)
        # Outside its dates a rule that says `wait` keeps nobody from the rules behind it.
        assert decision.targets == targets
        expires = now - timedelta(hours=1) + engine.ruleset.max_age
        assert decision.recheck_at == (again or expires)
        told = explain(engine, inputs, 1)
        assert agrees(told) and told.rules[0].look_again == again
        assert told.rules[0].conditions[0].holds is (targets == "g1")
        assert told.rules[0].conditions[0].wanted == ("2026-11-24", "2026-11-30")


def test_the_record_of_a_batch_gives_the_same_decision_again_at_both_ends() -> None:
    for now in (datetime(2026, 11, 23, 15, 59, tzinfo=UTC), datetime(2026, 11, 30, 15, 59, tzinfo=UTC)):
        engine, inputs = world(now)
        inputs = replace(inputs, attendance=np.zeros(2, dtype=np.int8))
        flight = decode(encode(record(engine, inputs, decide(engine, inputs), "")))
        facts = {lead.lead_id: (lead.created_at, lead.facts) for lead in inputs.leads}
        again = decide(engine, inputs_of(flight, engine, facts)).decisions
        assert again == decisions_of(flight)
        (given,) = again
        assert isinstance(given, Assigned) and given.rule_no == (0 if now.day == 30 else 1)


def test_a_rule_for_leads_of_today_is_looked_at_again_at_the_first_of_both_ends() -> None:
    now = datetime(2026, 11, 25, 2, tzinfo=UTC)
    engine, inputs = world(now, created=Created.TODAY)
    (decision,) = decide(engine, inputs).decisions
    assert isinstance(decision, Waiting) and decision.recheck_at == inputs.moment.day.end
    assert explain(engine, inputs, 1).rules[0].look_again == inputs.moment.day.end


def test_a_rule_covers_another_only_within_its_dates() -> None:
    inside, open_ended = DateRange(date(2026, 11, 25), date(2026, 11, 26)), DateRange(date(2026, 11, 24))
    assert covers(Match(date=FAIR), Match(date=inside)) and covers(Match(date=open_ended), Match(date=FAIR))
    assert covers(Match(), Match(date=FAIR)) and not covers(Match(date=FAIR), Match())
    assert not covers(Match(date=inside), Match(date=FAIR)) and not covers(Match(date=FAIR), Match(date=open_ended))


def test_a_rule_whose_last_day_is_over_is_a_warning_and_not_before() -> None:
    rules = Ruleset(1, (Rule("fair", Match(date=FAIR), group="east"), Rule("rest", Match(), group="east")))
    assert lint_dates(rules, date(2026, 11, 30)) == []
    (found,) = lint_dates(rules, date(2026, 12, 1))
    assert (found.path, found.message) == ("rules[0].match.date", "ended on 2026-11-30: the rule never matches again")
