"""Random worlds for properties of deciding: a roster, rules, rates and one batch, small but with all that matters."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import strategies as st

from router.domain.attendance import Attendance
from router.domain.calendar import business_day, day_before, parse_week
from router.domain.decide import Inputs
from router.domain.engine import Engine, Moment, WindowState
from router.domain.lead import Facts, PoolLead
from router.domain.rates import Rates, Tally
from router.domain.roster import Rep, Roster
from router.domain.ruleset import CloseRate, Created, Defaults, Match, OneOf, Rule, Ruleset, SoldProduct, Weights
from router.domain.standing import GroupCredits

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
# What makes the engine stumble over one lead: the day of its creation has no end.
POISON = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
GROUPS = {1: "east", 2: "west", 3: "nobody"}
REGIONS = ("Shanghai", "Ｓｈａｎｇｈａｉ", "beijing", None)
INDUSTRIES = ("automation", "Medical", None)
PRODUCTS = ("robot", "drive", None)

Draw = Callable[[st.SearchStrategy[Any]], Any]


def some(values: Any, least: int = 0, most: int = 99) -> st.SearchStrategy[frozenset[Any]]:
    """A subset with `least` to `most` members."""
    sizes = range(least, min(most, len(values)) + 1)
    return st.sampled_from([frozenset(c) for size in sizes for c in combinations(sorted(values), size)])


def matches() -> st.SearchStrategy[Match]:
    """Conditions of a rule."""
    one_ofs = st.lists(
        st.one_of(
            some(("shanghai", "beijing"), 1).map(lambda v: OneOf("region", v)),
            some(("automation", "medical"), 1).map(lambda v: OneOf("industry", v)),
        ),
        max_size=2,
    ).map(tuple)
    return st.builds(
        Match,
        one_of=one_ofs,
        priority=st.sampled_from([None, None, frozenset({0}), frozenset({1, 5})]),
        known_customer=st.sampled_from([None, None, True, False]),
        created=st.sampled_from([None, None, Created.TODAY, Created.YESTERDAY, timedelta(hours=6)]),
    )


@st.composite
def rules(draw: Draw, number: int) -> Rule:
    """One rule; every fourth asks the owner."""
    to_owner = draw(st.integers(0, 3)) == 0
    return Rule(
        name=f"rule {number}",
        match=draw(matches()),
        group=None if to_owner else draw(st.sampled_from(sorted(GROUPS.values()))),
        fall_back_after=draw(st.sampled_from([None, timedelta(minutes=30)])) if to_owner else None,
        wait=draw(st.booleans()),
        window=draw(st.sampled_from([None, None, parse_week("mon-fri 09:00-18:00"), parse_week("never")])),
    )


@st.composite
def engines(draw: Draw) -> Engine:
    """Roster, ruleset and rates."""
    caps = st.sampled_from([None, 0, 1, 2, 5])
    reps = tuple(
        Rep(
            no=3 * i + 2,
            rep_id=f"r{i}",
            name=f"Rep {i}",
            time_zone=draw(st.sampled_from(["UTC", "Asia/Shanghai"])),
            groups=draw(some((1, 2))),
            regions=draw(some(("shanghai", "beijing"))),
            industries=draw(some(("automation", "medical"))),
            weight=draw(st.sampled_from([0, 1, 500, 1000, 1000, 3000])),
            max_open=draw(caps),
            max_per_day=draw(caps),
        )
        for i in range(draw(st.integers(0, 6)))
    )
    numbers = [rep.no for rep in reps]
    tallies = st.dictionaries(
        st.sampled_from(numbers or [1]),
        st.builds(lambda won, lost: Tally(won + lost, won), st.integers(0, 9), st.integers(0, 9)),
    )
    ruleset = Ruleset(
        version=1,
        rules=tuple(draw(rules(number)) for number in range(draw(st.integers(0, 5)))),
        defaults=Defaults(max_open=draw(caps), max_per_day=3),
        weights=Weights(
            region_match=draw(st.sampled_from([1000, 2000, 1])),
            industry_match=draw(st.sampled_from([1000, 1500])),
            close_rate=draw(st.sampled_from([None, CloseRate(prior_leads=2)])),
            sold_product=draw(st.sampled_from([None, SoldProduct()])),
        ),
    )
    rates = Rates(
        version=1,
        as_of=NOW,
        by_segment={"automation": draw(tallies)},
        sold={"robot": draw(some(numbers))} if numbers else {},
    )
    return Engine(Roster(1, reps, dict(GROUPS)), ruleset, rates)


@st.composite
def pool_leads(draw: Draw, engine: Engine, lead_id: int) -> PoolLead:
    """One lead of a batch."""
    numbers = [rep.no for rep in engine.roster.reps]
    ago = timedelta(minutes=draw(st.sampled_from([0, 10, 45, 60 * 20, 60 * 24 * 3, 60 * 24 * 40])))
    return PoolLead(
        lead_id=lead_id,
        rank=-draw(st.sampled_from([0, 1, 5])),
        queued_at=NOW - ago,
        created_at=draw(st.sampled_from([NOW - ago, NOW - ago, NOW + timedelta(days=2), POISON])),
        facts=Facts(
            source="web",
            region=draw(st.sampled_from(REGIONS)),
            industry=draw(st.sampled_from(INDUSTRIES)),
            product=draw(st.sampled_from(PRODUCTS)),
        ),
        customer_id=draw(st.sampled_from([None, 1, 2, 3])),
        excluded=tuple(sorted(draw(some(numbers, most=2)))) if numbers else (),
        wake_key=draw(st.integers(0, 2)),
        last_batch_no=draw(st.sampled_from([None, 7])),
    )


@st.composite
def worlds(draw: Draw, most_leads: int = 12) -> tuple[Engine, Inputs]:
    """An engine and the inputs of one batch."""
    engine = draw(engines())
    reps = engine.roster.reps
    leads = [draw(pool_leads(engine, i)) for i in range(1, draw(st.integers(0, most_leads)) + 1)]
    codes = [draw(st.sampled_from([0, 0, 0, 0, *map(int, Attendance)])) for _ in reps]
    credits = {}
    for group_no in engine.roster.members:
        numbers = engine.rep_numbers[engine.members_of(group_no)]
        credit = [draw(st.integers(-(1 << 33), 1 << 33)) for _ in numbers]
        credits[group_no] = GroupCredits(numbers, np.array(credit, dtype=np.int64))
    owners = st.dictionaries(st.sampled_from([1, 2]), st.sampled_from([*(rep.no for rep in reps), 999]))
    return engine, Inputs(
        moment=moment_of(engine),
        leads=sorted(leads, key=lambda lead: lead.order),
        codes=np.array(codes, dtype=np.int8),
        opened=np.array([draw(st.integers(0, 3)) for _ in reps], dtype=np.int64),
        today=np.array([draw(st.integers(0, 3)) for _ in reps], dtype=np.int64),
        credits=credits,
        owners=draw(owners),
    )


def moment_of(engine: Engine, now: datetime = NOW) -> Moment:
    """The moment of a batch; windows named `never` are shut, the others open."""
    day = business_day(now, engine.ruleset.business_time_zone)
    shut = parse_week("never")
    windows = {
        number: WindowState(rule.window != shut, None if rule.window == shut else now + timedelta(hours=8))
        for number, rule in enumerate(engine.rules)
        if rule.window is not None
    }
    return Moment(now, day, day_before(day, engine.ruleset.business_time_zone).start, windows)


def with_leads(inputs: Inputs, leads: list[PoolLead]) -> Inputs:
    """The same batch with other leads."""
    return replace(inputs, leads=leads)
