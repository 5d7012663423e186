"""What capacity says: enough for the peak, the fullest part first, and a warning where something is too small."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.capacity.arrivals import history_of
from ops.capacity.costs import NotMeasured, cost_of_batches, cost_of_bench, cost_of_metrics
from ops.capacity.document import document
from ops.capacity.plan import BUSY, Cost, Demand, Plan, Present, plan

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
COST = Cost(1 / 20_000, 1 / 40_000, "test", ceiling_per_s=60_000)


def now(**changes: object) -> Present:
    given: dict[str, object] = {
        "routers": 2,
        "maxima": [8, 8],
        "maximum": 8,
        "concurrency": 4,
        "allowed": 97,
        "places": {"acme": 500, "north": None},
    }
    return Present(**{**given, **changes})  # type: ignore[arg-type]


def asked(leads: float = 400, peak: float = 6, **shares: float) -> Demand:
    return Demand(leads, peak, shares or {"acme": 0.75, "north": 0.25})


def test_a_small_company_hears_that_what_it_has_is_enough() -> None:
    found = plan(asked(), COST, now())
    assert (found.routers, found.to_run, found.warnings) == (1, 2, [])
    assert found.limits[0].name == "reps", "its reps are full long before any machine is"


def test_one_tenant_that_outgrows_its_lane_is_not_told_to_start_routers() -> None:
    found = plan(asked(20_000 * 86_400 / 6, acme=1.0), COST, now(places={}))
    assert found.limits[0].name == "lane"
    assert found.limits[0].used == pytest.approx(1.0)
    assert any("more routers do not help" in words for words in found.warnings)


def test_who_has_no_router_hears_it_and_the_document_is_still_json() -> None:
    present = now(routers=0, maxima=[])
    found = plan(asked(), COST, present)
    assert found.limits[0].name == "routers"
    assert [words for words in found.warnings if "start lead-router serve" in words] == found.warnings
    history = history_of([(1, MONDAY, 5)])
    text = json.dumps(document(found, history, present, {1: "acme"}), default=str, allow_nan=False)
    assert json.loads(text)["limits"][0]["used"] is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"maxima": [8, 3]}, "connections.maximum is 3"),
        ({"maxima": [], "maximum": 2}, "connections.maximum is 2"),
        ({"allowed": 9}, "raise max_connections"),
        ({"places": {"acme": 299}}, "reps: too small"),
        ({"places": {"acme": 0}}, "reps: too small"),
    ],
)
def test_a_setting_that_is_too_small_is_named(changes: dict[str, object], words: str) -> None:
    assert plan(asked(), COST, now()).warnings == []
    assert any(words in one for one in plan(asked(), COST, now(**changes)).warnings)


def test_reps_may_be_full_to_the_last_place() -> None:
    assert plan(asked(), COST, now(places={"acme": 300})).warnings == []


@given(st.floats(1, 1e9), st.floats(1, 100), st.integers(1, 50), st.integers(0, 50))
def test_the_routers_that_are_asked_for_carry_the_peak_and_one_fewer_does_not(
    leads: float, peak: float, tenants: int, routers: int
) -> None:
    demand = Demand(leads, peak, {f"t{n}": 1 / tenants for n in range(tenants)})
    found = plan(demand, COST, now(routers=routers, maxima=[8] * routers, places={}))

    def busy(count: int) -> float:
        return demand.peak_per_s * COST.router_s / count

    assert busy(found.routers) <= BUSY * (1 + 1e-9)
    assert found.routers == 1 or busy(found.routers - 1) > BUSY * (1 - 1e-9)
    assert [one.used for one in found.limits] == sorted((one.used for one in found.limits), reverse=True)
    assert all(_agrees(one.leads_per_day, one.used, found) for one in found.limits if one.leads_per_day)


def _agrees(leads_per_day: float, used: float, found: Plan) -> bool:
    """At the leads a day at which it is full, it is full."""
    return leads_per_day * used == pytest.approx(found.demand.leads_per_day)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 24 * 30), st.integers(1, 500)), min_size=1))
def test_the_history_loses_no_lead_and_its_busiest_hour_is_not_below_the_mean(
    rows: list[tuple[int, int, int]],
) -> None:
    history = history_of([(tenant, MONDAY + timedelta(hours=hour), leads) for tenant, hour, leads in rows])
    assert history.leads == sum(leads for _, _, leads in rows) == sum(history.by_tenant.values())
    assert sum(history.share(tenant) for tenant in history.by_tenant) == pytest.approx(1.0)
    assert history.busiest >= history.leads / history.hours
    if history.hours >= 24:
        assert history.peak_factor is not None
        assert history.peak_factor >= 1
        # What it says of a day and a peak gives back the busiest hour.
        assert history.per_day / 24 * history.peak_factor == pytest.approx(history.busiest)
    else:
        assert history.peak_factor is None


def test_less_than_a_day_says_how_many_came_and_nothing_of_a_peak() -> None:
    assert history_of([]).per_day == 0
    short = history_of([(1, MONDAY, 30), (1, MONDAY + timedelta(hours=1), 10)])
    assert (short.per_day, short.peak_factor, short.busiest_at) == (40, None, MONDAY)


def test_a_cost_is_only_taken_from_enough_batches() -> None:
    assert cost_of_batches([(1000, 0.05)] * 4) is None
    found = cost_of_batches([(1000, 0.05)] * 4 + [(1000, 5.0)])
    assert found is not None
    assert found.lane_s == pytest.approx(0.05 / 1000), "one batch that stood in front of a lock moves nothing"


PAGE = """# TYPE lead_router_batch_size histogram
lead_router_batch_size_sum{otel_scope_name="router"} 1500.0
lead_router_batch_size_count{otel_scope_name="router"} 90.0
lead_router_batch_duration_seconds_sum{otel_scope_name="router",result="ok"} 3.0
lead_router_batch_duration_seconds_sum{otel_scope_name="router",result="empty"} 40.0
"""


def test_metrics_give_the_time_of_batches_that_took_leads() -> None:
    assert cost_of_metrics(PAGE, "page").lane_s == pytest.approx(3.0 / 1500)
    with pytest.raises(NotMeasured, match="0 decided leads"):
        cost_of_metrics("", "page")


def test_a_benchmark_without_curves_is_refused_and_one_with_them_knows_the_ceiling() -> None:
    def curve(id_: str, *rates: int) -> dict[str, object]:
        points = [{"place": place, "leads_per_s": rate} for place, rate in zip((1, 2, 4), rates, strict=True)]
        return {"id": id_, "points": points, "quick": True, "machine": "two cores"}

    text = json.dumps([curve("scaling_routers", 40_000, 60_000, 50_000), curve("scaling_tenants", 25_000, 1, 1)])
    found = cost_of_bench(text, "bench.json")
    assert (1 / found.router_s, 1 / found.lane_s, found.ceiling_per_s) == pytest.approx((40_000, 25_000, 60_000))
    assert "no measurement" in found.source
    for bad in ("[]", "{", "[1]", '[{"id": "scaling_routers"}]', "null"):
        with pytest.raises(NotMeasured, match="ONLY=scaling"):
            cost_of_bench(bad, "bench.json")
