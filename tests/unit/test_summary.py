"""The summary of a run and the order of a replay."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from loadtest.datasets import olist
from loadtest.summary import ONE_LEAD, Share, by_group, print_summary, totals
from loadtest.timeline import SLOT, slot_end, steps

moments = st.datetimes(datetime(2017, 6, 1), datetime(2018, 11, 30), timezones=st.just(UTC))  # noqa: DTZ001


def _lead(n: int, at: datetime) -> olist.OlistLead:
    return olist.OlistLead(f"m{n}", at.date(), at, "page", "social")


def _deal(n: int, at: datetime) -> olist.Deal:
    return olist.Deal(f"m{n}", at, False, "a", "b", None, None, (), None, None, None)


@given(st.lists(moments, min_size=1, max_size=20), st.lists(moments, max_size=5))
def test_a_replay_leaves_nothing_out_and_never_goes_back(came: list[datetime], won: list[datetime]) -> None:
    leads = [_lead(n, at) for n, at in enumerate(came)]
    deals = [_deal(n, at) for n, at in enumerate(won)]
    walk = list(steps(leads, deals, olist.ZONE))
    assert sorted(lead.mql_id for step in walk for lead in step.leads) == sorted(x.mql_id for x in leads)
    assert sorted(deal.mql_id for step in walk for deal in step.deals) == sorted(x.mql_id for x in deals)
    assert all(one.at < after.at for one, after in pairwise(walk))
    for step in walk:
        assert all(step.at - SLOT < lead.arrives_at <= step.at for lead in step.leads)
        assert all(step.at - SLOT < deal.won_at <= step.at for deal in step.deals)
    opened = [step.at.astimezone(olist.ZONE).date() for step in walk if step.opens_day]
    assert len(opened) == len(set(opened)) == (opened[-1] - opened[0]).days + 1


@given(moments)
def test_a_moment_is_handed_over_at_the_end_of_its_quarter(at: datetime) -> None:
    end = slot_end(at)
    assert end.minute % 15 == 0
    assert end.second == end.microsecond == 0
    assert timedelta(0) <= end - at < SLOT


def test_without_events_there_is_no_replay() -> None:
    assert list(steps([], [], olist.ZONE)) == []


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
