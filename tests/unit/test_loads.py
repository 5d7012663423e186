"""Reps by load: every rep who matches comes on exactly one page, those who are away with leads first."""

from hypothesis import given
from hypothesis import strategies as st

from ops.console.bars import bars_of
from ops.listing.groups import Standing
from ops.listing.loads import AWAY, LoadFilter, Who, chosen, summarised
from router.domain.roster import Rep

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


@given(st.lists(st.tuples(st.text(max_size=40), st.floats(0, 1e6), st.floats(0, 1e6)), max_size=25))
def test_bars_stay_within_the_picture(values: list[tuple[str, float, float]]) -> None:
    drawn = bars_of(values)
    assert len(drawn.bars) == len(values)
    for bar in drawn.bars:
        assert 0 <= bar.length <= drawn.width and drawn.left <= bar.mark <= drawn.width
        assert len(bar.name) <= 12 and bar.top < drawn.height
