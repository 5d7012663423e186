"""Fail points: nothing without an order, and an order that is wrong is refused instead of testing nothing."""

import os
import signal
from datetime import UTC, datetime

import pytest

from router.domain.lead import Facts, PoolLead
from router.drain import failpoints
from router.drain.failpoints import DEADLY_CAMPAIGN, FAIL_POINT, Point, armed_lead, armed_point

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def lead_of(campaign: str | None = None) -> PoolLead:
    return PoolLead(1, 0, NOW, NOW, Facts(campaign=campaign))


def test_without_an_order_a_batch_passes_every_point() -> None:
    assert armed_point({}) is failpoints.reached
    assert armed_lead({}) is failpoints.met
    failpoints.met([lead_of(campaign="deadly")])
    for point in Point:
        failpoints.reached(point)


@pytest.mark.parametrize("order", ["claimd:kill", "claimed", "claimed:explode", "claimed:kill:soon", ""])
def test_an_order_that_is_wrong_stops_the_start(order: str) -> None:
    with pytest.raises(ValueError):
        armed_point({FAIL_POINT: order})


def test_the_process_is_stopped_at_the_ordered_time_and_place_only(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _pid, number: sent.append(number))
    reached = armed_point({FAIL_POINT: "decided:freeze:2"})
    for point in (Point.CLAIMED, Point.DECIDED, Point.CLAIMED):
        reached(point)
    assert sent == []
    reached(Point.DECIDED)
    reached(Point.DECIDED)
    assert sent == [signal.SIGSTOP]


def test_only_the_deadly_campaign_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _pid, number: sent.append(number))
    met = armed_lead({DEADLY_CAMPAIGN: "deadly"})
    met([lead_of(campaign="spring"), lead_of()])
    assert sent == []
    met([lead_of(campaign="spring"), lead_of(campaign="deadly")])
    assert sent == [signal.SIGKILL]
