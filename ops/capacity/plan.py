"""How many routers and connections a number of leads a day needs, and what is full first. Pure.

Leads that come while a batch runs are taken together by the next one, and larger batches cost less by the lead. So what
counts is the cost of a lead under load, and a part is full when leads come faster than it takes them then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from router.domain.phrases import count
from router.store.connections.fair_queue import Part, share

DAY_S = 86_400
BUSY = 0.6
"""The share of its time for which anything is planned to be busy in the peak.

At more, waits grow fast, and nothing is left for a router that restarts, a checkpoint or a busier minute."""
BESIDE_LANES = 4
"""Connections of a router besides its lanes': listening, one always left for another part, intake, and duties."""


@dataclass(frozen=True, slots=True)
class Demand:
    """`peak_factor` = the rate in the busiest hour by the mean rate; `shares` = each tenant's part, by name."""

    leads_per_day: float
    peak_factor: float
    shares: Mapping[str, float]

    @property
    def peak_per_s(self) -> float:
        return self.leads_per_day / DAY_S * self.peak_factor

    @property
    def largest(self) -> tuple[str, float]:
        """The tenant with the most leads, and its part of them; by name where several have as many."""
        return max(sorted(self.shares.items()), key=lambda pair: pair[1])


@dataclass(frozen=True, slots=True)
class Cost:
    """Measured seconds a lead, under load: of a tenant's lane, and of a whole router, which several lanes share.

    `ceiling_per_s` = the most leads a second that any number of routers made on the measured machine and database; None
    = not measured. `source` says where it was measured, for people.
    """

    lane_s: float
    router_s: float
    source: str
    ceiling_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """What there is now. `maxima` = `connections.maximum` of each router that runs; `maximum` is what a new one would
    have. `allowed` = connections that the server has for all instances together.

    `places` = leads that the reps of a tenant may get in a day, by name; None = without a limit.
    """

    routers: int
    maxima: Sequence[int]
    maximum: int
    concurrency: int
    allowed: int
    places: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Limit:
    """One part that leads go through: how many leads a day it takes at this peak factor when it is busy all the time in
    the peak. `figure` = by what that was worked out; `remedy` = what raises it.
    """

    name: str
    leads_per_day: float
    used: float
    figure: str
    remedy: str

    @property
    def too_small(self) -> bool:
        return self.used > (1.0 if self.name == "reps" else BUSY)


@dataclass(frozen=True, slots=True)
class Plan:
    """`routers` carry the peak; one more lets one of them fail. `connections` are of each router, `in_all` of all that
    should run. `limits` stand with the fullest first: the next bottleneck.
    """

    demand: Demand
    cost: Cost
    routers: int
    lanes: int
    connections: int
    limits: Sequence[Limit]
    warnings: Sequence[str]

    @property
    def to_run(self) -> int:
        return self.routers + 1

    @property
    def in_all(self) -> int:
        return self.to_run * self.connections


def plan(demand: Demand, cost: Cost, present: Present) -> Plan:
    """The need of the peak, and what of the present is too small for it."""
    peak = demand.peak_per_s
    routers = max(1, ceil(peak * cost.router_s / BUSY))
    lanes = max(1, min(len(demand.shares), ceil(peak * cost.lane_s / BUSY)))
    # A router drains no more tenants at once than there are; a few more than needed cost nothing.
    connections = max(1, min(present.concurrency, len(demand.shares), ceil(lanes / routers))) + BESIDE_LANES
    limits = sorted(_limits(demand, cost, present), key=lambda one: -one.used)
    found = Plan(demand, cost, routers, lanes, connections, limits, ())
    return Plan(demand, cost, routers, lanes, connections, limits, _warnings(found, present))


def _limits(demand: Demand, cost: Cost, present: Present) -> list[Limit]:
    name, part = demand.largest
    found = [
        _by_rate(
            "lane",
            1 / cost.lane_s / part,
            demand,
            f"one batch at a time of tenant {name}, with {part:.0%} of the leads: {1 / cost.lane_s:,.0f} leads/s",
            "faster processors and disks, or fewer and simpler rules; more routers do not help one tenant",
        ),
        _by_rate(
            "routers",
            present.routers / cost.router_s,
            demand,
            f"{present.routers} running, each {1 / cost.router_s:,.0f} leads/s",
            "start another router, best on another machine" if present.routers else "start lead-router serve",
        ),
    ]
    if present.routers:
        lanes = _lanes_now(present, len(demand.shares))
        found.append(
            _by_rate(
                "connections",
                lanes / cost.lane_s,
                demand,
                f"at most {count(lanes, 'tenant')} drained side by side",
                "raise connections.maximum and drain.concurrency",
            )
        )
    if cost.ceiling_per_s is not None:
        found.append(
            _by_rate(
                "database",
                cost.ceiling_per_s,
                demand,
                f"{cost.ceiling_per_s:,.0f} leads/s, the most of all routers together on the measured machine",
                "more processors and faster disks for PostgreSQL, or routers on machines of their own",
            )
        )
    return found + _reps(demand, present)


def _by_rate(name: str, per_s: float, demand: Demand, figure: str, remedy: str) -> Limit:
    used = demand.peak_per_s / per_s if per_s else float("inf")
    return Limit(name, per_s * DAY_S / demand.peak_factor, used, figure, remedy)


def _lanes_now(present: Present, tenants: int) -> int:
    return min(tenants, sum(min(present.concurrency, share(Part.DRAIN, one)) for one in present.maxima))


def _reps(demand: Demand, present: Present) -> list[Limit]:
    """The tenant whose reps have the fewest places for its part; none where caps do not limit."""
    known = [
        (demand.leads_per_day * demand.shares[name], places, name)
        for name, places in sorted(present.places.items())
        if places is not None and demand.shares.get(name)
    ]
    if not known:
        return []
    leads, places, name = max(known, key=lambda one: one[0] / one[1] if one[1] else float("inf"))
    used = leads / places if places else float("inf")
    figure = f"reps of tenant {name} may get {places:,} leads a day (max_per_day), it would have {leads:,.0f}"
    return [Limit("reps", demand.leads_per_day / used if used else 0.0, used, figure, "more reps, or higher caps")]


def _warnings(found: Plan, present: Present) -> list[str]:
    said = [
        f"{one.name}: too small for {found.demand.leads_per_day:,.0f} leads a day: {one.figure}; do: {one.remedy}"
        for one in found.limits
        if one.too_small
    ]
    smallest = min(present.maxima, default=present.maximum)
    if smallest < found.connections:
        said.append(
            f"connections.maximum is {smallest}, and {found.connections} are needed: with fewer a router drains fewer "
            "tenants side by side, and intake and duties wait for their turn"
        )
    if present.allowed < found.in_all:
        said.append(
            f"the server has {count(present.allowed, 'connection')} for routers, and {found.in_all} are needed "
            f"({count(found.to_run, 'router')} with {found.connections} each): raise max_connections"
        )
    return said
