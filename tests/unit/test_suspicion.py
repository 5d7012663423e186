"""Leads that the database refuses are found by halving, and nobody else is parked."""

from hypothesis import given
from hypothesis import strategies as st

from router.drain.quarantine import Narrowing


@given(st.integers(1, 300), st.data())
def test_whoever_is_refused_is_parked_and_nobody_else(leads: int, data: st.DataObject) -> None:
    # More than three in a row are not the leads' fault, so the bad ones stand apart here.
    bad = data.draw(st.sets(st.integers(0, leads - 1), max_size=3))
    left, parked, routed = list(range(leads)), set[int](), set[int]()
    narrowing = Narrowing()
    for _ in range(20 * leads + 20):
        only = narrowing.only
        batch = left if only is None else [lead for lead in left if lead in only.lead_ids]
        if only is not None and only.blame:
            parked.update(batch)
        elif bad & set(batch):
            assert narrowing.refused(batch, "refused")
            continue
        else:
            routed.update(batch)
        left = [lead for lead in left if lead not in batch]
        narrowing.passed(len(batch))
        if not left:
            break
    assert (parked, routed) == (bad, set(range(leads)) - bad)


def test_when_everything_is_refused_three_are_parked_and_then_it_is_not_the_leads() -> None:
    narrowing, parked = Narrowing(), 0
    left = list(range(100))
    while True:
        only = narrowing.only
        batch = left if only is None else list(only.lead_ids)
        if only is not None and only.blame:
            parked += 1
            left = [lead for lead in left if lead not in batch]
            narrowing.passed(len(batch))
        elif not narrowing.refused(batch, "refused"):
            break
    assert parked == 3
    assert narrowing.only is None
