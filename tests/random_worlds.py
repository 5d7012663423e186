"""Random worlds for properties of deciding: a roster, rules, rates and one batch, small but with all that matters."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import numpy as np
from hypothesis import strategies as st

from router.domain.attendance import Attendance
from router.domain.calendar import business_day, day_before, parse_week
from router.domain.conditions import NoneOf, OneOf, Prefix, Present, Range
from router.domain.decide import Inputs
from router.domain.eligibility import GroupCredits
from router.domain.engine import Engine, Moment, WindowState
from router.domain.lead import Facts, PoolLead
from router.domain.rates import Rates, Tally
from router.domain.roster import Rep, Roster
from router.domain.ruleset import (
    CloseRate,
    Created,
    DateRange,
    Defaults,
    Match,
    PriorityRange,
    Rule,
    Ruleset,
    SoldProduct,
    Weights,
)
from router.drain.claim import order_of

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
# What makes the engine stumble over one lead: the day of its creation has no end.
POISON = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
GROUPS = {1: "east", 2: "west", 3: "nobody", 4: "rep:r1", 5: "rep:gone"}
SHUT = parse_week("never")


def worlds() -> st.SearchStrategy[tuple[Engine, Inputs]]:
    """An engine and the inputs of one batch.

    From a seed: drawn piece by piece, most worlds would be so poor that nobody gets a lead.
    """
    return st.integers(0, 1 << 60).map(lambda seed: a_world(Random(seed)))


def a_world(rng: Random) -> tuple[Engine, Inputs]:
    """One world."""
    engine = an_engine(rng)
    reps = engine.roster.reps
    leads = [a_lead(rng, engine, number) for number in range(1, rng.randint(1, 13))]
    credits = {}
    for group_no in engine.roster.members:
        numbers = engine.rep_numbers[engine.members_of(group_no)]
        credit = [rng.randint(-(1 << 33), 1 << 33) if rng.random() < 0.7 else 0 for _ in numbers]
        credits[group_no] = GroupCredits(numbers, np.array(credit, dtype=np.int64))
    someone = [rep.no for rep in reps] + [999]
    return engine, Inputs(
        moment=moment_of(engine),
        leads=sorted(leads, key=order_of),
        attendance=np.array([rng.choice([0] * 40 + [int(c) for c in Attendance]) for _ in reps], dtype=np.int8),
        open_counts=np.array([rng.choice((0, 0, 0, 1, 2)) for _ in reps], dtype=np.int64),
        today_counts=np.array([rng.choice((0, 0, 1, 2)) for _ in reps], dtype=np.int64),
        credits=credits,
        owners={customer: rng.choice(someone) for customer in (1, 2, 3) if rng.random() < 0.6},
    )


def an_engine(rng: Random) -> Engine:
    """Roster, ruleset and rates."""
    reps = tuple(a_rep(rng, number) for number in range(rng.choice((0, 1, 3, 4, 5, 6, 8))))
    rules = [a_rule(rng, number) for number in range(rng.choice((0, 1, 2, 3, 4, 6)))]
    if rng.random() < 0.6:
        rules.append(Rule("everything else", group="east"))
    ruleset = Ruleset(
        version=1,
        rules=tuple(rules),
        defaults=Defaults(max_open=rng.choice((None, 3)), max_per_day=rng.choice((None, 4))),
        weights=Weights(
            region_match=rng.choice((1000, 2000, 1)),
            industry_match=rng.choice((1000, 1500)),
            close_rate=rng.choice((None, CloseRate(prior_leads=2))),
            sold_product=rng.choice((None, SoldProduct())),
        ),
    )
    tallies = {rep.no: a_tally(rng) for rep in reps if rng.random() < 0.7}
    sold = frozenset(rep.no for rep in reps if rng.random() < 0.4)
    rates = Rates(version=1, as_of=NOW, by_segment={"automation": tallies}, sold={"robot": sold})
    return Engine(Roster(1, reps, dict(GROUPS)), ruleset, rates)


def a_rep(rng: Random, number: int) -> Rep:
    """One rep."""
    return Rep(
        no=3 * number + 2,
        rep_id=f"r{number}",
        name=f"Rep {number}",
        time_zone=rng.choice(("UTC", "Asia/Shanghai", "America/New_York")),
        groups=rng.choice((frozenset({1}), frozenset({1, 2}), frozenset({2}), frozenset())),
        regions=some(rng, ("shanghai", "beijing")),
        industries=some(rng, ("automation", "medical")),
        weight=rng.choice((1000, 1000, 500, 3000, 1, 0)),
        max_open=rng.choice((None, None, 5, 3, 2)),
        max_per_day=rng.choice((None, None, 5, 3, 0)),
    )


NOT_FIVE = PriorityRange(most=9, but=frozenset({5}))
OTHERS: tuple[tuple[NoneOf | Prefix | Present | Range, ...], ...] = (
    *[()] * 6,
    (NoneOf("region", frozenset({"shanghai"})),),
    (Prefix("product", frozenset({"rob", "x"})),),
    (Present("industry", False),),
    (NoneOf("region", frozenset({"beijing"})), Present("region", True)),
    (Range("attributes.budget", Decimal(5)),),
    (Range("attributes.budget", None, Decimal("7.5")), NoneOf("attributes.budget", frozenset({"7"}))),
)
MORE = {
    "attributes.budget": ("5", "7", "7.5", "much", None),
    "company": ("ACME GmbH", "Other", None),
    "phone_region": ("CN", "DE", None),
}


DATES = (
    DateRange(date(2026, 3, 2)),
    DateRange(date(2026, 2, 24), date(2026, 3, 2)),
    DateRange(date(2026, 3, 3), date(2026, 3, 4)),
    DateRange(last=date(2026, 3, 1)),
)


def a_rule(rng: Random, number: int) -> Rule:
    """One rule; every fourth asks the owner."""
    conditions = []
    if rng.random() < 0.3:
        conditions.append(OneOf("region", some(rng, ("shanghai", "beijing"), least=1)))
    if rng.random() < 0.2:
        conditions.append(OneOf("industry", some(rng, ("automation", "medical"), least=1)))
    if rng.random() < 0.15:
        conditions.append(rng.choice((OneOf("company", frozenset({"acme"})), OneOf("phone_region", frozenset({"cn"})))))
    match = Match(
        one_of=tuple(conditions),
        others=rng.choice(OTHERS),
        priority=rng.choice((None, None, None, None, frozenset({0}), frozenset({1, 5}), PriorityRange(1), NOT_FIVE)),
        known_customer=rng.choice((None, None, None, None, True, False)),
        created=rng.choice((None, None, None, None, Created.TODAY, Created.YESTERDAY, timedelta(hours=6))),
        date=rng.choice((*[None] * 12, *DATES)),
    )
    to_owner = rng.random() < 0.25
    group = None if to_owner else rng.choice(("east", "east", "west", "west", "nobody", "rep:r1", "rep:gone"))
    return Rule(
        name=f"rule {number}",
        match=match,
        group=group,
        rep=group.removeprefix("rep:") if group and group.startswith("rep:") else None,
        owns=to_owner or rng.random() < 0.7,
        fall_back_after=rng.choice((None, timedelta(minutes=30))) if to_owner else None,
        wait=rng.random() < 0.3,
        window=rng.choice((None, None, None, None, parse_week("mon-fri 09:00-18:00"), SHUT)),
    )


def a_lead(rng: Random, engine: Engine, lead_id: int) -> PoolLead:
    """One lead of a batch."""
    ago = timedelta(minutes=rng.choice((0, 0, 10, 10, 45, 45, 60 * 20, 60 * 20, 60 * 24 * 3, 60 * 24 * 40)))
    numbers = [rep.no for rep in engine.roster.reps]
    return PoolLead(
        lead_id=lead_id,
        rank=-rng.choice((0, 0, 1, 5)),
        queued_at=NOW - ago,
        created_at=rng.choice([NOW - ago] * 8 + [NOW + timedelta(days=2), POISON]),
        facts=Facts(
            source="web",
            region=rng.choice(("Shanghai", "Ｓｈａｎｇｈａｉ", "beijing", None)),
            industry=rng.choice(("automation", "Medical", None)),
            product=rng.choice(("robot", "drive", None)),
            more=tuple((name, value) for name in engine.matcher.asked if (value := rng.choice(MORE[name])) is not None),
        ),
        customer_id=rng.choice((None, None, 1, 2, 3, 4)),
        excluded=tuple(sorted(rng.sample(numbers, min(2, len(numbers))))) if rng.random() < 0.2 else (),
        wake_key=rng.randint(0, 2),
        last_batch_no=rng.choice((None, 7)),
    )


def a_tally(rng: Random) -> Tally:
    wins, losses = rng.randint(0, 9), rng.randint(0, 9)
    return Tally(wins + losses, wins)


def some(rng: Random, values: Iterable[str], least: int = 0) -> frozenset[str]:
    """A subset with at least `least` members."""
    known = sorted(values)
    return frozenset(rng.sample(known, rng.randint(least, len(known))))


def moment_of(engine: Engine, now: datetime = NOW) -> Moment:
    """The moment of a batch; windows that say `never` are shut, the others open."""
    zone = engine.ruleset.business_time_zone
    day = business_day(now, zone)
    windows = {
        number: WindowState(rule.window != SHUT, None if rule.window == SHUT else now + timedelta(hours=8))
        for number, rule in enumerate(engine.rules)
        if rule.window is not None
    }
    return Moment(now, day, day_before(day, zone).start, windows)
