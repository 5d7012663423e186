"""Readiness changes for what lasts, and only for that: whoever sends leads here is not sent back and forth."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from router.runtime.readiness import Readiness, Thresholds, observe

THRESHOLDS = Thresholds(unready_after_s=2.0, ready_after_s=4.0)
# Seconds since the look before, and whether all checks passed.
LOOKS = st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=60)


def answers(looks: Sequence[tuple[int, bool]], thresholds: Thresholds = THRESHOLDS) -> list[tuple[int, bool, bool]]:
    """After each look: its time (seconds), whether all checks passed, and the answer."""
    now, state, said = 0, Readiness(), list[tuple[int, bool, bool]]()
    for pause_s, passed in looks:
        now += pause_s
        state = observe(state, passed, float(now), thresholds)
        said.append((now, passed, state.ready))
    return said


def test_a_process_that_can_work_is_ready_at_its_first_look() -> None:
    assert answers([(1, False), (1, False), (1, True)]) == [(1, False, False), (2, False, False), (3, True, True)]


def test_a_fault_of_a_moment_sends_nobody_away() -> None:
    looks = [(1, True)] + [(1, False), (1, True)] * 20
    assert all(ready for _, _, ready in answers(looks))


def test_a_fault_that_lasts_sends_leads_elsewhere_and_its_end_brings_them_back() -> None:
    looks = [(1, passed) for passed in (True, False, False, False, True, True, True, True, True)]
    assert [ready for _, _, ready in answers(looks)] == [True, True, True, False, False, False, False, False, True]


def test_without_thresholds_each_look_counts() -> None:
    looks = [(1, True), (1, False), (1, True)]
    assert [ready for _, _, ready in answers(looks, Thresholds(0, 0))] == [True, False, True]


@given(LOOKS)
def test_between_two_changes_the_new_state_lasted_for_its_whole_threshold(looks: list[tuple[int, bool]]) -> None:
    seen = answers(looks)
    first = next((at for at, _, ready in seen if ready), None)
    for (_, _, before), (at, passed, ready) in pairwise(seen):
        if before == ready or at == first:
            continue
        needed_s = THRESHOLDS.ready_after_s if ready else THRESHOLDS.unready_after_s
        run = []
        for then, outcome, _ in reversed([one for one in seen if one[0] <= at]):
            if outcome != passed:
                break
            run.append(then)
        assert passed == ready
        assert at - run[-1] >= needed_s


@given(LOOKS, st.booleans())
def test_whatever_was_before_the_truth_is_said_once_it_lasts(looks: list[tuple[int, bool]], passed: bool) -> None:
    longest = max(THRESHOLDS.ready_after_s, THRESHOLDS.unready_after_s)
    assert answers([*looks, (1, passed), (int(longest), passed)])[-1][2] == passed
