"""`assign_to: rep:ID` and `owns: no`: who gets the lead, what it waits for, and who owns the customer after it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from router.domain.decide import Assigned, Inputs, Waiting, decide
from router.domain.engine import Engine
from router.domain.explain import agrees, explain
from router.domain.lead import Facts, PoolLead
from router.domain.lint_tenant import lint_groups
from router.domain.rates import Rates
from router.domain.reason import Reason
from router.domain.roster import Rep, Roster
from router.domain.roster_change import GroupNumbers
from router.domain.ruleset import Ruleset
from router.drain.lane_state import aligned_credits
from router.rules.stored import spelled
from tests.random_worlds import NOW, moment_of
from tests.unit.generated_rules import read_ruleset

ONE = "rules:\n  - {name: key-account, match: {}, assign_to: 'rep:anna', on_no_candidate: wait}\n"
NIGHT = """
rules:
  - {name: known, match: {known_customer: true}, assign_to: owner}
  - {name: night, match: {}, assign_to: "group:desk", owns: no}
"""


def world(
    rules: str, free: tuple[bool, ...] = (True, True), owners: dict[int, int] | None = None
) -> tuple[Engine, Inputs]:
    """Two leads of customer 7; anna (2) is in no group, ben (5) at the desk."""
    groups = GroupNumbers({1: "desk"})
    ruleset = spelled(read_ruleset(rules, "r.yaml", 1), groups)
    reps = (Rep(2, "anna", "Anna", "UTC", max_open=1), Rep(5, "ben", "Ben", "UTC", groups=frozenset({1})))
    engine = Engine(Roster(1, reps, dict(groups.names)), ruleset, Rates())
    leads = [PoolLead(no, 0, NOW - timedelta(minutes=9 - no), NOW, Facts(), customer_id=7) for no in (1, 2)]
    away = np.array([0 if one else 2 for one in free], dtype=np.int8)
    zero = np.zeros(2, dtype=np.int64)
    return engine, Inputs(moment_of(engine), leads, away, zero, zero.copy(), aligned_credits(engine, {}), owners or {})


def test_a_rule_for_one_rep_gives_leads_to_that_rep_up_to_the_cap_and_then_waits_for_the_rep() -> None:
    engine, inputs = world(ONE)
    first, second = decide(engine, inputs).decisions
    assert isinstance(first, Assigned) and (first.rep_no, first.rule_no) == (2, 0)
    assert isinstance(second, Waiting)
    assert decide(engine, inputs).reasons == {second.targets: Reason.ALL_AT_OPEN_CAP}
    assert decide(engine, inputs).owners == {7: 2}
    for lead_id in (1, 2):
        told = explain(engine, inputs, lead_id)
        assert agrees(told)
        group = told.rules[0].group
        assert group is not None and [c.rep.rep_id for c in group.candidates] == ["anna"]


def test_a_rep_who_is_not_in_the_roster_holds_the_lead_up_and_check_says_so() -> None:
    engine, inputs = world(ONE.replace("anna", "ana"))
    outcome = decide(engine, inputs)
    assert set(outcome.reasons.values()) == {Reason.GROUP_EMPTY}
    (found,) = lint_groups(engine.ruleset, engine.roster)
    assert (found.lint, found.message) == ("unknown_rep", 'rep "ana" does not exist; did you mean "anna"?')
    inactive = replace(engine.roster, reps=(Rep(2, "ana", "Ana", "UTC", active=False),))
    assert [one.message for one in lint_groups(engine.ruleset, inactive)] == ["rep ana never gets a lead: inactive"]


def test_a_night_desk_that_does_not_own_leaves_the_customer_to_its_owner_or_to_nobody() -> None:
    for owners in ({}, {7: 2}):
        engine, inputs = world(NIGHT, (False, True), owners)
        outcome = decide(engine, inputs)
        assert [d.rep_no for d in outcome.decisions if isinstance(d, Assigned)] == [5, 5]
        assert outcome.owners == {}
        # Also where the first lead is taken over from the record instead of decided again.
        told = explain(engine, inputs, 2, outcome.decisions)
        assert told == explain(engine, inputs, 2)
        assert [rule.owns for rule in told.rules] == [True, False]
        assert told.rules[0].owner is None or told.rules[0].owner.rep_no == 2
    engine, inputs = world(NIGHT.replace(", owns: no", ""), (False, True), {7: 2})
    assert decide(engine, inputs).owners == {7: 5}


def test_two_ids_that_differ_only_in_case_cannot_be_told_apart_and_are_refused() -> None:
    both = ONE + "  - {name: other, match: {}, assign_to: 'rep:Anna'}\n"
    try:
        read_ruleset(both, "r.yaml", 1)
    except ValueError as error:
        assert "differ only in case or width" in str(error)
    else:
        raise AssertionError("both were taken")


def test_rulesets_without_such_rules_use_the_roster_as_it_is() -> None:
    reps = (Rep(2, "anna", "Anna", "UTC"),)
    roster = Roster(1, reps, {1: "desk"})
    assert Engine(roster, Ruleset(1, ()), Rates()).roster is roster
