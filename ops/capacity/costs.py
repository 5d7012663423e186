"""What a lead costs, from where it was measured: recorded batches, /metrics, or `make bench`. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from ops.capacity.plan import Cost

MINIMUM_LEADS = 200
"""Smaller batches are mostly the fixed part of a batch, and mostly no backlog was behind them."""
LONGEST_S = 5.0
"""A batch that took longer stood in front of a lock; or none was waiting."""
_ENOUGH = 5
_SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)", re.MULTILINE)
_DECIDED, _TOOK = "lead_router_batch_size_sum", "lead_router_batch_duration_seconds_sum"
_OK = 'result="ok"'


class NotMeasured(ValueError):
    """There is no cost in it; the message says why."""


def cost_of_batches(batches: Sequence[tuple[int, float]]) -> Cost | None:
    """From leads and seconds of batches under a backlog; None = too few of them.

    The time until the next batch began contains what lies between them, so the cost is rather too high.
    """
    if len(batches) < _ENOUGH:
        return None
    lead_s = median(seconds / leads for leads, seconds in batches)
    source = f"the median of {len(batches):,} recorded batches of {MINIMUM_LEADS} leads or more, one after another"
    return Cost(lead_s, lead_s, source)


def cost_of_metrics(page: str, where: str) -> Cost:
    """From a router's /metrics: the time of its batches by the leads that they decided, since it started.

    Batches of a few leads cost more by the lead, so this is the cost at the load that there was: at more it falls.
    Raises NotMeasured.
    """
    decided, took = _sum(page, _DECIDED, ""), _sum(page, _TOOK, _OK)
    if decided < MINIMUM_LEADS or took <= 0:
        raise NotMeasured(f"{where} has {decided:,.0f} decided leads; {MINIMUM_LEADS} are needed")
    lead_s = took / decided
    return Cost(lead_s, lead_s, f"{where}: {decided:,.0f} leads in batches of {took:,.1f} s in all, at its own load")


def _sum(page: str, name: str, label: str) -> float:
    found = 0.0
    for sample in _SAMPLE.finditer(page):
        if sample["name"] == name and label in (sample["labels"] or ""):
            found += float(sample["value"])
    return found


def cost_of_bench(text: str, where: str) -> Cost:
    """From `build/bench.json` with the curves of `make bench ONLY=scaling`. Raises NotMeasured."""
    try:
        figures: Mapping[str, Any] = {one["id"]: one for one in json.loads(text)}
        routers = [(point["place"], float(point["leads_per_s"])) for point in figures["scaling_routers"]["points"]]
        tenants = {point["place"]: float(point["leads_per_s"]) for point in figures["scaling_tenants"]["points"]}
        quick, machine = bool(figures["scaling_routers"]["quick"]), str(figures["scaling_routers"]["machine"])
        one_router, lane = dict(routers)[1], tenants[1]
        ceiling = max(rate for _, rate in routers)
        source = f"{where}, measured on {machine}" + (" in a QUICK run, which is no measurement" if quick else "")
        return Cost(1 / lane, 1 / one_router, source, ceiling)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise NotMeasured(f"{where} has no scaling curves; run make bench ONLY=scaling: {error!r}") from error
