"""Reps by load: every rep who matches comes on exactly one page, those who are away with leads first."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ops.console.bars import bars_of
from ops.listing.groups import Standing
from ops.listing.loads import AWAY, LoadFilter, Who, chosen, summarised
from ops.listing.shares import compared
from router.domain.engine import Engine
from router.domain.rates import Rates
from router.domain.roster import Rep, Roster
from router.domain.ruleset import Ruleset

AT = datetime(2026, 11, 30, tzinfo=UTC)
STANDS = st.lists(st.tuples(st.sampled_from(list(Standing)), st.integers(0, 5)), max_size=40)


def _reps(count: int) -> list[Rep]:
    return [Rep(no, f"r{no:03}", f"Name {no}", "UTC", groups=frozenset({no % 2})) for no in range(1, count + 1)]


@given(
    STANDS, st.integers(1, 7), st.sampled_from([None, *Who]), st.sampled_from([None, 0, 1]), st.sampled_from(["", "1"])
)
def test_pages_of_reps_leave_nobody_out_and_show_nobody_twice(
    stands: list[tuple[Standing, int]], size: int, who: Who | None, group: int | None, word: str
) -> None:
    reps, stand, counts = _reps(len(stands)), [one for one, _ in stands], [number for _, number in stands]
    whole, matching, last = chosen(reps, stand, counts, LoadFilter(who=who, word=word, limit=1000), group)
    assert last is None and matching == len(whole) == len(set(whole))
    paged: list[int] = []
    after = None
    while True:
        part, of_all, after = chosen(
            reps, stand, counts, LoadFilter(who=who, word=word, limit=size, after=after), group
        )
        paged += part
        assert of_all == matching
        if after is None:
            break
    assert paged == whole
    order = [(not (stand[at] in AWAY and counts[at]), -counts[at]) for at in whole]
    assert order == sorted(order)
    assert all(stand[at] is not Standing.INACTIVE or counts[at] for at in whole)


@given(STANDS)
def test_the_summary_counts_each_open_lead_and_each_rep_once(stands: list[tuple[Standing, int]]) -> None:
    found = summarised([one for one, _ in stands], [number for _, number in stands])
    assert found.open_leads == sum(number for _, number in stands)
    assert found.leads_of_away == sum(number for one, number in stands if one in AWAY)
    assert found.available <= found.on_duty <= found.reps <= len(stands)


@given(st.lists(st.tuples(st.integers(0, 5000), st.booleans(), st.integers(0, 50)), max_size=12), st.integers(0, 9))
def test_shares_account_for_every_lead_of_the_group(members: list[tuple[int, bool, int]], strangers: int) -> None:
    reps = tuple(
        Rep(no, f"r{no}", "", "UTC", active=active, weight=weight, groups=frozenset({1}))
        for no, (weight, active, _) in enumerate(members, 1)
    )
    received = {(1, no): leads for no, (_, _, leads) in enumerate(members, 1)} | {(1, 99): strangers, (2, 1): 1_000}
    engine = Engine(Roster(1, reps, {1: "all"}), Ruleset(0, (), "UTC"), Rates())
    found = compared(engine, 1, received, AT, AT)
    assert [one.rep_id for one in found.members] == [rep.rep_id for rep in reps if rep.active]
    assert found.leads == sum(leads for _, _, leads in members) + strangers
    assert found.by_others + sum(one.received for one in found.members) == found.leads
    if any(weight for weight, active, _ in members if active):
        assert abs(sum(one.due for one in found.members) - found.leads) <= 0.06 * len(found.members)


@given(st.lists(st.tuples(st.text(max_size=40), st.floats(0, 1e6), st.floats(0, 1e6)), max_size=25))
def test_bars_stay_within_the_picture(values: list[tuple[str, float, float]]) -> None:
    drawn = bars_of(values)
    assert len(drawn.bars) == len(values)
    for bar in drawn.bars:
        assert 0 <= bar.length <= drawn.width and drawn.left <= bar.mark <= drawn.width
        assert len(bar.name) <= 12 and bar.top < drawn.height
