"""The model of tenants on workers: what goes in comes out, and what it says of hot tenants and isolating them is so."""

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from loadtest.bench.figures import Point, figure
from loadtest.plots.curves import CURVES
from loadtest.spread import SHARDS, Load, Rates, main, shard_of, simulate, workers_of

DAY = 20_000_000


@given(st.integers(1, 3_000), st.integers(1, 32), st.integers(1, 256), st.integers(0, 40))
def test_every_tenant_is_on_one_worker_that_there_is(tenants: int, workers: int, shards: int, isolated: int) -> None:
    rates = Load(tenants, DAY, 6.0, 1.0).rates()
    at = workers_of(rates, workers, shards, isolated)
    assert len(at) == tenants
    assert at.min() >= 0
    assert at.max() < workers
    numbers = shard_of(np.arange(1, tenants + 1), shards)
    assert 0 <= numbers.min() <= numbers.max() < shards


@given(st.integers(1, 5_000), st.floats(1, 1e8), st.floats(1, 20), st.floats(0, 2))
def test_the_parts_of_tenants_add_up_to_the_peak(tenants: int, leads: float, peak: float, exponent: float) -> None:
    rates = Load(tenants, leads, peak, exponent).rates()
    assert np.isclose(rates.sum(), leads * peak / 86_400)
    assert (np.diff(rates) <= 0).all()


def test_more_workers_are_less_busy_and_no_lead_stands_for_long() -> None:
    load, rates = Load(1_000, DAY, 6.0, 0.5), Rates(worker=1_000.0, lane=900.0)
    one, four = simulate(load, rates, 1), simulate(load, rates, 4)
    assert four.mean_busy < one.mean_busy
    assert four.busiest >= four.mean_busy
    assert one.left > four.left


def test_a_tenant_with_more_than_its_lane_can_do_gains_nothing_of_workers_but_of_nobody_else_beside_it() -> None:
    load, rates = Load(100, DAY, 6.0, 2.0), Rates(worker=2_000.0, lane=500.0)
    assert load.rates()[0] > rates.lane
    few, many, alone = simulate(load, rates, 4), simulate(load, rates, 16), simulate(load, rates, 16, isolated=5)
    for one in (few, many, alone):
        assert one.largest_wait_s > 10
        assert one.median_wait_s < one.largest_wait_s
    assert alone.busiest <= many.busiest


def test_the_same_seed_gives_the_same_figures() -> None:
    load, rates = Load(200, DAY, 6.0, 1.0), Rates(worker=1_000.0, lane=800.0)
    assert simulate(load, rates, 4) == simulate(load, rates, 4)


def test_costs_come_from_a_bench_or_are_named_and_never_from_nowhere(tmp_path: Path) -> None:
    points = [Point(1, (1000.0,)), Point(2, (1500.0,))]
    bench = tmp_path / "bench.json"
    documents = [
        figure(one.id, [1.5], "as it was", points).document | {"machine": "two cores", "quick": False} for one in CURVES
    ]
    bench.write_text(json.dumps(documents))
    measured = CliRunner().invoke(
        main, ["--bench", str(bench), "--leads", "1000000", "--tenants", "50", "--workers", "2"]
    )
    assert measured.exit_code == 0, measured.output
    assert "a worker does 1,500 leads/s, a lane 1,000" in measured.output
    assert f"{SHARDS} shards" in measured.output
    for wrong in (
        [],
        ["--worker-rate", "5"],
        ["--bench", str(bench), "--lane-rate", "5"],
        ["--bench", str(tmp_path / "none")],
    ):
        assert CliRunner().invoke(main, [*wrong, "--leads", "10"]).exit_code != 0
