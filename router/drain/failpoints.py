"""Places in a batch where a test lets the process die or freeze; unarmed they are functions that do nothing.

Armed once, at start, by the environment (`router.settings` knows the prefix as the tests'):
`LEAD_ROUTER_TEST_FAIL_POINT=claimed:kill` or `claimed:freeze:3`: at the first or third time that the point is reached.
`LEAD_ROUTER_TEST_DEADLY_CAMPAIGN=x`: whoever claims a lead of that campaign dies.
"""

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from router.domain.lead import PoolLead

FAIL_POINT = "LEAD_ROUTER_TEST_FAIL_POINT"
DEADLY_CAMPAIGN = "LEAD_ROUTER_TEST_DEADLY_CAMPAIGN"
_SIGNALS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}


class Point(StrEnum):
    """Where a batch can be stopped, in the order in which it comes by."""

    LANE_HELD = "lane_held"
    CLAIMED = "claimed"
    MORE_CLAIMED = "more_claimed"
    HALF_WRITTEN = "half_written"
    DECIDED = "decided"
    ASSIGNMENTS_WRITTEN = "assignments_written"
    REFUSED_WRITTEN = "refused_written"
    PARKED_WRITTEN = "parked_written"
    KEYS_WRITTEN = "keys_written"
    WOKEN = "woken"
    CLOSED = "closed"
    COMMITTED = "committed"


Reached = Callable[[Point], None]
Met = Callable[[Iterable[PoolLead]], None]


def _nothing(_of: object) -> None:
    """Unarmed."""


def armed_point(environment: Mapping[str, str]) -> Reached:
    """What `reached` does under this environment. Raises ValueError for an order that names no point or action."""
    order = environment.get(FAIL_POINT)
    if order is None:
        return _nothing
    name, _, rest = order.partition(":")
    action, _, times = rest.partition(":")
    point, number, left = Point(name), _SIGNALS.get(action), int(times or 1)
    if number is None:
        raise ValueError(f"{FAIL_POINT}={order}: the action is one of {', '.join(_SIGNALS)}")

    def count_down(reached_point: Point) -> None:
        nonlocal left
        left -= reached_point is point
        if reached_point is point and left == 0:
            os.kill(os.getpid(), number)

    return count_down


def armed_lead(environment: Mapping[str, str]) -> Met:
    """What `met` does under this environment."""
    campaign = environment.get(DEADLY_CAMPAIGN)
    if campaign is None:
        return _nothing

    def die(leads: Iterable[PoolLead]) -> None:
        if any(lead.facts.campaign == campaign for lead in leads):
            os.kill(os.getpid(), signal.SIGKILL)

    return die


reached: Reached = armed_point(os.environ)
met: Met = armed_lead(os.environ)
