"""Explanations against decisions, in random worlds and in small ones where every number is known."""

from datetime import timedelta

import numpy as np
from hypothesis import given, settings

from router.domain.attendance import Attendance
from router.domain.conditions import OneOf
from router.domain.decide import Assigned, Batch, Inputs, Parked, Waiting, decide
from router.domain.eligibility import GroupCredits
from router.domain.engine import Engine
from router.domain.explain import agrees, explain
from router.domain.explain_parts import LeftOut, OwnerVerdict, Verdict
from router.domain.lead import Facts, PoolLead
from router.domain.rates import Rates
from router.domain.reason import Reason
from router.domain.roster import Rep, Roster
from router.domain.ruleset import Created, Match, Rule, Ruleset, Weights
from router.domain.share import ONE_LEAD
from tests.random_worlds import NOW, POISON, moment_of, worlds


@given(worlds())
@settings(deadline=None, max_examples=300)
def test_the_explained_winner_is_the_one_who_got_the_lead(world: tuple[Engine, Inputs]) -> None:
    engine, inputs = world
    decided = decide(engine, inputs)
    for lead, decision in zip(inputs.leads, decided.decisions, strict=True):
        told = explain(engine, inputs, lead.lead_id)
        assert told.decision == decision
        assert agrees(told)
        reached = [rule for rule in told.rules if rule.verdict is not Verdict.NOT_REACHED]
        assert [rule.rule_no for rule in told.rules] == list(range(len(engine.rules)))
        assert told.rules[: len(reached)] == tuple(reached)
        matched = {rule.rule_no for rule in reached if all(c.holds for c in rule.conditions)}
        assert matched <= set(engine.matcher.rules_for(lead.facts))


@given(worlds())
@settings(deadline=None, max_examples=200)
def test_what_is_told_from_the_record_is_what_deciding_all_again_would_tell(
    world: tuple[Engine, Inputs],
) -> None:
    engine, inputs = world
    recorded = decide(engine, inputs).decisions
    for lead in inputs.leads:
        assert explain(engine, inputs, lead.lead_id, recorded) == explain(engine, inputs, lead.lead_id)


@given(worlds())
@settings(deadline=None, max_examples=200)
def test_every_member_is_free_or_left_out_for_a_reason(world: tuple[Engine, Inputs]) -> None:
    engine, inputs = world
    for lead in inputs.leads:
        told = explain(engine, inputs, lead.lead_id)
        for rule in told.rules:
            if rule.group is None:
                continue
            members = engine.roster.members.get(rule.group.group_no, ())
            assert sorted(c.rep.position for c in rule.group.candidates) == list(members)
            places = [c.place for c in rule.group.free]
            assert places == list(range(1, len(places) + 1))
            assert all(c.left_out for c in rule.group.candidates[len(places) :])
            assert bool(places) == (rule.verdict is Verdict.ASSIGNED)


@given(worlds())
@settings(deadline=None, max_examples=100)
def test_looking_on_changes_nothing_that_comes_after(world: tuple[Engine, Inputs]) -> None:
    engine, inputs = world
    plain = decide(engine, inputs)
    before = (inputs.open_counts.copy(), {g: c.credits.copy() for g, c in inputs.credits.items()})
    for lead in inputs.leads:
        explain(engine, inputs, lead.lead_id)
    assert np.array_equal(before[0], inputs.open_counts)
    assert all(np.array_equal(credits, inputs.credits[g].credits) for g, credits in before[1].items())
    assert decide(engine, inputs).decisions == plain.decisions


EAST = 1


def a_world(
    reps: list[Rep], rules: list[Rule], leads: list[PoolLead], *, weights: Weights | None = None, **given: object
) -> tuple[Engine, Inputs]:
    """A small world; reps are on duty and have nothing unless `given` says otherwise."""
    engine = Engine(
        Roster(1, tuple(reps), {EAST: "east"}), Ruleset(1, tuple(rules), weights=weights or Weights()), Rates()
    )
    none = np.zeros(len(reps), dtype=np.int64)
    numbers = engine.rep_numbers[engine.members_of(EAST)]
    state = {
        "attendance": np.zeros(len(reps), dtype=np.int8),
        "open_counts": none,
        "today_counts": none,
        "credits": {EAST: GroupCredits(numbers, np.zeros(len(numbers), dtype=np.int64))},
        "owners": {},
    } | given
    return engine, Inputs(moment_of(engine), leads, **state)  # type: ignore[arg-type]


def rep(no: int, **fields: object) -> Rep:
    return Rep(no, f"r{no}", f"Rep {no}", "UTC", groups=frozenset({EAST}), **fields)  # type: ignore[arg-type]


def lead(number: int, **fields: object) -> PoolLead:
    return PoolLead(number, 0, NOW, NOW, fields.pop("facts", Facts()), **fields)  # type: ignore[arg-type]


EVERYONE = Rule("everyone", group="east")


def test_each_candidate_is_shown_with_the_numbers_of_that_moment_in_the_batch() -> None:
    reps = [rep(1, max_per_day=2), rep(2, max_open=1), rep(3), rep(4, weight=0), rep(5), rep(6)]
    attendance = np.array([0, 0, Attendance.OFF_HOURS, 0, 0, Attendance.ON_LEAVE], dtype=np.int8)
    leads = [lead(1), lead(2), lead(3), lead(4, excluded=(5,))]
    engine, inputs = a_world(reps, [EVERYONE], leads, attendance=attendance, today_counts=np.array([1, 0, 0, 0, 0, 0]))
    assert [d.rep_no for d in decide(engine, inputs).decisions[:3] if isinstance(d, Assigned)] == [1, 2, 5]

    first, last = explain(engine, inputs, 1), explain(engine, inputs, 4)
    assert first.deciding and first.deciding.group and last.deciding is None
    assert [(c.rep.rep_no, c.place) for c in first.deciding.group.free] == [(1, 1), (2, 2), (5, 3)]
    assert last.rules[0].verdict is Verdict.NOBODY_FREE
    assert last.reason is Reason.ALL_AT_OPEN_CAP
    group = last.rules[0].group
    assert group
    assert {c.rep.rep_no: c.left_out for c in group.candidates} == {
        1: (LeftOut.AT_DAILY_CAP,),
        2: (LeftOut.AT_OPEN_CAP,),
        3: (LeftOut.OFF_HOURS,),
        4: (LeftOut.WEIGHT_ZERO,),
        5: (LeftOut.HAD_IT_BEFORE,),
        6: (LeftOut.ON_LEAVE,),
    }
    by_no = {c.rep.rep_no: c for c in group.candidates}
    assert (by_no[1].rep.today, by_no[1].rep.max_per_day) == (2, 2)
    assert (by_no[2].rep.opened, by_no[2].rep.max_open, by_no[2].rep.max_per_day) == (1, 1, None)
    # Two leads went to the two others while it could have had them, a third one came to it.
    assert abs(by_no[5].credit - (1 / 3 + 1 / 2 + 1 - 1)) < 0.01


def test_factors_and_turns_are_shown_in_the_units_of_people() -> None:
    reps = [rep(1, regions=frozenset({"shanghai"})), rep(2), rep(3)]
    facts = Facts(region="Shanghai")
    credits = {EAST: GroupCredits(np.array([1, 2, 3]), np.array([0, ONE_LEAD // 2, -ONE_LEAD // 2]))}
    engine, inputs = a_world(
        reps, [EVERYONE], [lead(1, facts=facts)], weights=Weights(region_match=2000), credits=credits
    )
    told = explain(engine, inputs, 1)
    assert told.deciding and told.deciding.group
    winner, second, third = told.deciding.group.candidates
    assert (winner.rep.rep_no, winner.weight, winner.factors, winner.due_in) == (1, 2000, {"region_match": 2000}, 2.0)
    assert (second.rep.rep_no, second.credit, second.due_in, second.ahead) == (2, 0.5, 2.0, False)
    assert (third.rep.rep_no, third.credit, third.due_in, third.ahead) == (3, -0.5, 6.0, True)
    assert told.decision == Assigned(1, 0, EAST)


def test_the_first_condition_that_does_not_hold_is_named_with_what_was_wanted() -> None:
    rules = [
        Rule("region", Match(one_of=(OneOf("region", frozenset({"shanghai", "hangzhou"})),)), group="east"),
        Rule("urgent", Match(priority=frozenset({5, 10})), group="east"),
        Rule("known", Match(known_customer=True), group="east"),
        Rule("today", Match(created=Created.YESTERDAY), group="east"),
        Rule("fresh", Match(created=timedelta(hours=2)), group="east"),
        Rule("never reached", group="east"),
    ]
    engine, inputs = a_world([rep(1)], rules, [lead(1, facts=Facts(region="Beijing"))])
    told = explain(engine, inputs, 1).rules
    failed = [(r.conditions[-1].field, r.conditions[-1].wanted, r.conditions[-1].had) for r in told[:4]]
    assert failed == [
        ("region", ("hangzhou", "shanghai"), "Beijing"),
        ("priority", ("5", "10"), "0"),
        ("known_customer", ("true",), "false"),
        ("created", ("yesterday",), NOW.isoformat()),
    ]
    assert told[4].verdict is Verdict.ASSIGNED
    assert told[4].conditions[0].wanted == ("within", "7200") and told[4].look_again == NOW + timedelta(hours=2)
    assert told[5].verdict is Verdict.NOT_REACHED and not told[5].conditions


def test_the_owner_is_shown_with_what_kept_them_from_his_customer() -> None:
    known = Rule("known", Match(known_customer=True), fall_back_after=timedelta(minutes=30))
    reps = [rep(1, max_open=1), rep(2, active=False), rep(3)]
    attendance = np.array([0, Attendance.INACTIVE, 0], dtype=np.int8)
    leads = [
        lead(1, customer_id=1),
        lead(2, customer_id=2),
        lead(3, customer_id=3, excluded=(3,)),
        lead(4, customer_id=4),
        PoolLead(5, 0, NOW - timedelta(hours=1), NOW, Facts(), 1),
        lead(6, customer_id=3),
    ]
    engine, inputs = a_world(
        reps,
        [known],
        leads,
        attendance=attendance,
        open_counts=np.array([1, 0, 0]),
        owners={1: 1, 2: 2, 3: 3, 4: 77},
    )
    owners = {n: explain(engine, inputs, n).rules[0].owner for n in range(1, 7)}
    verdicts = {n: owner.verdict for n, owner in owners.items() if owner}
    assert verdicts == {
        1: OwnerVerdict.NO_ROOM,
        2: OwnerVerdict.GONE,
        3: OwnerVerdict.HAD_IT_BEFORE,
        4: OwnerVerdict.GONE,
        5: OwnerVerdict.WAITED_LONG_ENOUGH,
        6: OwnerVerdict.TAKES_IT,
    }
    assert owners[1] and owners[1].left_out == (LeftOut.AT_OPEN_CAP,)
    assert owners[1].falls_back_at == NOW + timedelta(minutes=30)
    assert owners[4] and owners[4].rep is None and owners[4].rep_no == 77


def test_a_lead_that_the_engine_stumbled_over_names_the_rule_and_the_error() -> None:
    today = Rule("today", Match(created=Created.TODAY), group="east")
    poisoned = PoolLead(1, 0, NOW, POISON, Facts())
    engine, inputs = a_world([rep(1)], [today, EVERYONE], [poisoned, lead(2)])
    told = explain(engine, inputs, 1)
    assert isinstance(told.decision, Parked) and told.reason is Reason.INTERNAL_ERROR
    assert told.rules[0].verdict is Verdict.FAILED and "OverflowError" in told.rules[0].error
    assert told.rules[1].verdict is Verdict.NOT_REACHED
    assert explain(engine, inputs, 2).decision == Assigned(1, 0, EAST)


def test_a_lead_that_was_not_in_the_batch_is_refused_by_name() -> None:
    engine, inputs = a_world([], [EVERYONE], [lead(1)])
    assert isinstance(Batch(engine, inputs).decide_lead(inputs.leads[0]), Waiting)
    try:
        explain(engine, inputs, 2)
    except LookupError as error:
        assert "lead 2" in str(error)
    else:
        raise AssertionError("explained a lead that was not there")
