"""A plan as `--json` shows it."""

from collections.abc import Mapping
from typing import Any

from ops.capacity.arrivals import History
from ops.capacity.plan import BUSY, Limit, Plan, Present


def document(found: Plan, history: History, present: Present, names: Mapping[int, str]) -> dict[str, Any]:
    """Rates are leads a second, times seconds, the instant UTC; `used` is 1 when all is used in the peak."""
    return {
        "wanted": {
            "leads_per_day": round(found.demand.leads_per_day),
            "peak_factor": round(found.demand.peak_factor, 2),
            "peak_leads_per_s": _short(found.demand.peak_per_s),
        },
        "history": {
            "leads": history.leads,
            "hours": history.hours,
            "leads_per_day": round(history.per_day, 1),
            "busiest_hour": history.busiest,
            "busiest_at": history.busiest_at,
            "tenants": {names[tenant_id]: leads for tenant_id, leads in sorted(history.by_tenant.items())},
        },
        "cost": {
            "source": found.cost.source,
            "tenant_leads_per_s": round(1 / found.cost.lane_s),
            "router_leads_per_s": round(1 / found.cost.router_s),
        },
        "needed": {
            "routers": found.routers,
            "routers_to_run": found.to_run,
            "tenants_side_by_side": found.lanes,
            "connections_each": found.connections,
            "connections_in_all": found.in_all,
            "planned_busy": BUSY,
        },
        "present": {
            "routers": present.routers,
            "connections_maximum": list(present.maxima) or [present.maximum],
            "drain_concurrency": present.concurrency,
            "connections_allowed": present.allowed,
        },
        "limits": [_limit(one) for one in found.limits],
        "warnings": list(found.warnings),
    }


def _limit(one: Limit) -> dict[str, Any]:
    return {
        "name": one.name,
        "leads_per_day": round(one.leads_per_day),
        # Nothing there at all: infinity is no JSON.
        "used": None if one.used == float("inf") else _short(one.used),
        "too_small": one.too_small,
        "figure": one.figure,
        "remedy": one.remedy,
    }


def _short(number: float) -> float:
    return float(f"{number:.3g}")
