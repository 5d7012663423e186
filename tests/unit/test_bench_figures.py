"""The figures of `make bench`: a miss is called a miss, and every one that was promised is there."""

import pytest

from loadtest.bench.figures import BY_ID, TARGETS, figure, per_second, ratios


@pytest.mark.parametrize(
    ("id_", "runs", "holds"),
    [
        ("drain_1_tenant_vs_floor", [0.1, 0.6, 0.9], True),
        ("drain_1_tenant_vs_floor", [0.1, 0.59, 0.9], False),
        ("idle_latency_p99", [39.0, 40.0, 90.0], True),
        ("idle_latency_p99", [1.0, 40.1, 90.0], False),
    ],
)
def test_a_figure_that_misses_its_target_is_not_called_reached(id_: str, runs: list[float], holds: bool) -> None:
    seen = figure(id_, runs, "as it was")
    assert seen.holds is holds
    document = seen.document
    assert (document["id"], document["holds"], document["target"]) == (id_, holds, BY_ID[id_].target)
    assert document["spread"] == [min(runs), max(runs)]
    assert set(document) >= {"id", "value", "unit", "target", "holds", "note"}


def test_runs_are_compared_with_those_that_met_the_same_noise() -> None:
    assert ratios([2.0, 30.0], [1.0, 10.0]) == [2.0, 3.0]
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [1.0, 2.0])
    assert per_second(100, [1.0, 2.0, 4.0]) == "50 leads/s (25 to 100)"


def test_no_two_figures_have_one_name() -> None:
    assert len(BY_ID) == len(TARGETS)
