"""The line a minute in the log of a router."""

from collections import Counter

from structlog.testing import capture_logs

from router.domain.reason import Reason
from router.drain.outcome import Drained
from router.drain.summary import Summary


def test_the_log_says_once_a_minute_what_was_routed_and_nothing_when_nothing_was() -> None:
    summary = Summary(0.0)
    refused = Counter({Reason.NOBODY_AVAILABLE: 2})
    with capture_logs() as logs:
        summary.add(1, Drained(batches=1, assigned=3, refused=refused))
        summary.add(2, Drained(batches=1, assigned=4, parked=Counter({Reason.NO_MATCHING_RULE: 1})))
        summary.add(3, Drained())
        summary.tell(59.0)
        assert not logs
        summary.tell(61.0)
        summary.tell(200.0)
        summary.add(1, Drained(batches=1, assigned=1))
        summary.tell(201.0, last=True)
    first, second = logs
    assert first == {
        "event": "routed",
        "log_level": "info",
        "leads": 10,
        "assigned": 7,
        "waiting": {"nobody_available": 2},
        "parked": {"no_matching_rule": 1},
        "tenants": 2,
        "seconds": 61,
    }
    assert (second["leads"], second["seconds"]) == (1, 1)
