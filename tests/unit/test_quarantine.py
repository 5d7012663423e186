"""Leads that the database refuses are found by halving, and nobody else is parked."""

from hypothesis import given
from hypothesis import strategies as st

from router.drain.quarantine import Bisection, Step, careful_leads, careful_rest, next_step


@given(st.integers(1, 300), st.data())
def test_whoever_is_refused_is_parked_and_nobody_else(leads: int, data: st.DataObject) -> None:
    # More than three in a row are not the leads' fault, so the bad ones stand apart here.
    bad = data.draw(st.sets(st.integers(0, leads - 1), max_size=3))
    left, parked, routed = list(range(leads)), set[int](), set[int]()
    bisection = Bisection()
    for _ in range(20 * leads + 20):
        only, why = bisection.lead_ids, bisection.parked_for
        batch = left if only is None else [lead for lead in left if lead in only]
        if why:
            parked.update(batch)
        elif bad & set(batch):
            assert bisection.refused(batch, "refused")
            continue
        else:
            routed.update(batch)
        left = [lead for lead in left if lead not in batch]
        bisection.passed(len(batch))
        if not left:
            break
    assert (parked, routed) == (bad, set(range(leads)) - bad)


def test_when_everything_is_refused_three_are_parked_and_then_it_is_not_the_leads() -> None:
    bisection, parked = Bisection(), 0
    left = list(range(100))
    while True:
        only, why = bisection.lead_ids, bisection.parked_for
        batch = left if only is None else list(only)
        if why:
            parked += 1
            left = [lead for lead in left if lead not in batch]
            bisection.passed(len(batch))
        elif not bisection.refused(batch, "refused"):
            break
    assert parked == 3
    assert bisection.lead_ids is None


@given(st.integers(0, 10), st.none() | st.integers(1, 9), st.integers(0, 9))
def test_a_lead_is_blamed_only_after_two_crashes_while_it_was_noted(
    careful: int, noted: int | None, crashes: int
) -> None:
    step = next_step(careful, noted, crashes)
    assert (step is Step.AS_USUAL) == (careful == 0)
    assert (step is Step.PARK) == (careful > 0 and noted is not None and crashes >= 2)


@given(st.integers(1, 20_000))
def test_the_search_reaches_every_lead_of_a_crashed_batch_and_is_no_longer_than_that_takes(batch: int) -> None:
    assert careful_leads(batch) // 2 >= batch
    assert careful_rest(batch) < careful_leads(batch) <= max(5_000, 3 * batch)
