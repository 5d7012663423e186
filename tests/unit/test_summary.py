"""The summary of a run and the order of a replay."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from loadtest.datasets import olist
from loadtest.datasets.dataset import Arrival, Dataset, Outcome
from loadtest.summary import ONE_LEAD, Share, by_group, print_summary, totals
from loadtest.timeline import SLOT, slot_end, steps
from router.domain.lead_in import LeadIn
from router.store.assignments import Ending

HOUR = timedelta(hours=1)

moments = st.datetimes(datetime(2017, 6, 1), datetime(2018, 11, 30), timezones=st.just(UTC))  # noqa: DTZ001


def _dataset(came: list[datetime], ended: list[datetime]) -> Dataset:
    arrivals = [Arrival(at, LeadIn("web", f"m{n}", at)) for n, at in enumerate(came)]
    outcomes = [Outcome(f"m{n}", Ending.WON, at) for n, at in enumerate(ended)]
    return Dataset("d", olist.ZONE, [], outcomes, "", arrivals, visits=olist.VISITS)


@given(st.lists(moments, min_size=1, max_size=20), st.lists(moments, max_size=5), st.sampled_from([SLOT, HOUR]))
def test_a_replay_leaves_nothing_out_and_never_goes_back(
    came: list[datetime], won: list[datetime], slot: timedelta
) -> None:
    data = _dataset(came, won)
    walk = list(steps(data, slot))
    assert sorted(a.lead.external_id for step in walk for a in step.arrivals) == sorted(
        f"m{n}" for n in range(len(came))
    )
    assert sorted(o.external_id for step in walk for o in step.outcomes) == sorted(f"m{n}" for n in range(len(won)))
    assert all(one.at < after.at for one, after in pairwise(walk))
    for step in walk:
        assert all(step.at - slot < arrival.at <= step.at for arrival in step.arrivals)
        assert all(o.at is not None and step.at - slot < o.at <= step.at for o in step.outcomes)
    opened = [step.at.astimezone(olist.ZONE).date() for step in walk if step.opens_day]
    assert len(opened) == len(set(opened)) == (opened[-1] - opened[0]).days + 1


@given(moments)
def test_a_moment_is_handed_over_at_the_end_of_its_quarter(at: datetime) -> None:
    end = slot_end(at)
    assert end.minute % 15 == 0
    assert end.second == end.microsecond == 0
    assert timedelta(0) <= end - at < SLOT


def test_without_events_there_is_no_replay() -> None:
    assert list(steps(_dataset([], []))) == []


def test_the_rep_who_is_furthest_from_the_share_is_shown_first() -> None:
    shares = [
        Share("small", "c", 1000, 1, 0),
        Share("large", "a", 1000, 10, ONE_LEAD // 4),
        Share("large", "b", 2000, 20, -ONE_LEAD // 2),
        Share("large", "d", 1000, 10, ONE_LEAD // 4),
    ]
    large, small = by_group(shares)
    assert (large.group, large.reps, large.received, large.worst) == ("large", 3, 40, 0.5)
    assert [share.rep_id for share in large.shown] == ["b", "a"]
    assert (large.shown[0].deserved, large.shown[0].deviation) == (19.5, 0.5)
    assert small.shown[0].rep_id == "c"


def test_a_sum_that_does_not_match_what_was_accepted_is_no_equation() -> None:
    states = {"waiting": 1, "assigned": 2, "parked": 0}
    assert totals(3, states) == "3 leads accepted = 1 waiting, 2 assigned."
    assert totals(4, states).startswith("4 leads accepted, but in states: 1 waiting, 2 assigned.")
    assert totals(0, {}) == "0 leads accepted = none."


def test_a_group_that_received_nothing_is_not_shown() -> None:
    console = Console(width=100)
    with console.capture() as output:
        print_summary(console, 1, {"assigned": 1}, [Share("busy", "a", 1500, 1, 0), Share("idle", "b", 1000, 0, 0)])
    assert "busy" in output.get()
    assert "1.5" in output.get()
    assert "idle" not in output.get()
