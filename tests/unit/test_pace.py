"""How long a flood takes, as far as the last batches tell."""

from datetime import UTC, datetime, timedelta

from ops.waiting.estimate import Expected, expectation
from router.drain.request import BatchRequest

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SIZES = BatchRequest(ready=1000)


def batches(*ones: tuple[float, int]) -> list[tuple[datetime, int]]:
    """(seconds before noon, leads)."""
    return [(NOON - timedelta(seconds=before), leads) for before, leads in ones]


def test_without_a_busy_batch_only_batches_are_told() -> None:
    for seen in (batches(), batches((1, 1000)), batches((1, 3), (2, 3)), batches((1, 1000), (3600, 1000))):
        found = expectation(20_000, SIZES, seen)
        assert (found.fewest, found.most, found.seconds) == (20, 80, None)
        assert found.words == "20 to 80 batches (no recent batch to estimate the time from)"


def test_the_time_is_that_of_busy_batches_whatever_idle_time_lies_between() -> None:
    seen = batches((0.0, 1000), (0.1, 1000), (0.2, 1000), (1.2, 5), (30, 1000), (30.1, 1000))
    found = expectation(20_000, SIZES, seen)
    assert found.seconds is not None
    assert [round(seconds, 3) for seconds in found.seconds] == [2.0, 8.0]
    assert found.words == "20 to 80 batches, 2 s to 8 s"
    assert found.document() == {"leads": 20_000, "batches": [20, 80], "seconds": [2.0, 8.0]}


def test_one_lead_is_one_batch() -> None:
    assert expectation(1, SIZES, batches((0, 1000), (0.01, 1000))).words == "1 batch, less than 1 s"
    assert expectation(3, BatchRequest(ready=1), []).words.startswith("3 batches (")


def test_times_are_readable() -> None:
    told = [Expected(1, 1, 1, seconds).words for seconds in (0.0, 1.4, 59, 120, 7199, 7200)]
    times = ["less than 1 s", "1 s", "59 s", "2 min", "1 h 59 min", "2 h 0 min"]
    assert told == [f"1 batch, {time}" for time in times]
