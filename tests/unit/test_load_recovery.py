"""How long it took after a fix is when the last thing that was wrong was right again, not when the graph looks well."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from loadtest.load.outcome import Assigned
from loadtest.load.recovery import SLOW_S, Trouble, recovery
from loadtest.load.samples import Outcome, Sample

TROUBLE = Trouble(20.0, 35.0)


def request(due_s: float, done_s: float, outcome: Outcome = Outcome.OK) -> Sample:
    return Sample("web form", due_s, due_s, done_s, outcome, 503 if outcome is Outcome.FAILED else 200)


def test_leads_of_the_outage_are_waited_for() -> None:
    found = recovery(TROUBLE, [], [Assigned("web form", 22, 36.5), Assigned("web form", 34, 37.25)])
    assert found.seconds == 2.25
    assert "web form" in found.last


def test_a_refusal_after_the_fix_counts_when_it_is_answered() -> None:
    found = recovery(TROUBLE, [request(36, 41, Outcome.FAILED), request(50, 50.1)], [])
    assert found.seconds == 6
    assert "status 503" in found.last


def test_a_request_that_was_under_way_when_it_broke_counts_too() -> None:
    found = recovery(TROUBLE, [request(19.5, 36, Outcome.FAILED)], [])
    assert found.seconds == 1
    assert TROUBLE.covers(19.5, 36, 5)


def test_a_lead_that_never_gets_a_rep_is_no_recovery() -> None:
    assert recovery(TROUBLE, [], [Assigned("web form", 25, None)]).seconds == inf
    assert recovery(TROUBLE, [], [Assigned("web form", 50, None)]).seconds == inf


def test_new_leads_that_wait_are_part_of_the_trouble() -> None:
    assert recovery(TROUBLE, [], [Assigned("web form", 35.5, 35.5 + SLOW_S + 1)]).seconds == 2.5
    assert recovery(TROUBLE, [], [Assigned("web form", 35.5, 35.7)]).seconds == 0


def test_what_goes_on_being_wrong_is_one_recovery_and_a_later_hiccup_is_not_part_of_it() -> None:
    going_on = [request(35 + second, 36 + second, Outcome.FAILED) for second in range(9)]
    assert recovery(TROUBLE, going_on, []).seconds == 9
    assert recovery(TROUBLE, [*going_on, request(50, 51, Outcome.FAILED)], []).seconds == 9


def test_what_was_over_before_the_fault_does_not_count() -> None:
    found = recovery(TROUBLE, [request(3, 4, Outcome.FAILED)], [Assigned("web form", 1, 15)])
    assert found.seconds == 0
    assert not TROUBLE.covers(3, 4, 5)


@given(st.floats(0, 100), st.floats(0, 30), st.floats(0, 10))
def test_only_what_the_fault_touched_is_left_out_of_the_objectives(
    due_s: float, waited_s: float, allowed: float
) -> None:
    touched = TROUBLE.covers(due_s, due_s + waited_s, allowed)
    assert touched == (due_s + waited_s >= 20 and due_s < 35 + allowed)
