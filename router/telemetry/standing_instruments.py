"""How leads stand: what waits, is parked, stalls or does not add up. `docs/metrics.md` lists the same names."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from opentelemetry.metrics import Meter
from opentelemetry.metrics import _Gauge as Gauge

from router.domain.reason import Reason
from router.telemetry.labels import ALL_TENANTS, TenantLabel

READY, UNKNOWN = "ready", "unknown"
_NEVER_WAIT = (Reason.LEAD_INVALID, Reason.INTERNAL_ERROR, Reason.SCREENING)
WAITING = frozenset({READY, UNKNOWN, *(reason.value for reason in Reason if reason not in _NEVER_WAIT)})
"""Why leads wait. With more of these, or 150 tenants and more, an instrument would have too many series."""


@dataclass(frozen=True, slots=True)
class TenantStanding:
    """One tenant at one moment. `waiting` and `parked` are leads by reason, `states` leads by state; of the oldest lead
    that waits, and the oldest that somebody could take, the age in seconds (0 = there is none); `unaccounted` = by how
    many the states miss what was accepted; `paused_s` = since when the tenant is paused (0 = it is not).
    """

    waiting: Mapping[str, int] = field(default_factory=dict)
    parked: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, int] = field(default_factory=dict)
    oldest_s: float = 0.0
    placeable_s: float = 0.0
    unaccounted: int = 0
    paused_s: float = 0.0


class StandingInstruments:
    """Records on a meter, under `namespace`; `label` gives a tenant's label."""

    def __init__(self, meter: Meter, namespace: str, label: TenantLabel) -> None:
        def gauge(name: str, unit: str, description: str) -> Gauge:
            return meter.create_gauge(f"{namespace}.{name}", unit, description)

        self._label = label
        self._waiting = _ByKind(gauge("leads.waiting", "{lead}", "Leads that wait now, by reason"), "reason")
        self._parked = _ByKind(gauge("leads.parked_now", "{lead}", "Leads that are parked now, by reason"), "reason")
        self._states = _ByKind(gauge("leads.in_state", "{lead}", "Leads of all time, by state"), "state")
        self._oldest = gauge("leads.waiting_oldest", "s", "Age of the oldest lead that waits")
        self._placeable = gauge("leads.placeable_oldest", "s", "Age of the oldest lead that somebody could take now")
        self._unaccounted = gauge("conservation.errors", "{lead}", "Leads by which states and accepted leads differ")
        self._paused = gauge("tenant.paused", "s", "Since when a tenant is paused")
        self._stalls = _ByKind(gauge("stalls.open", "{stall}", "Stalls that go on, by what they are about"), "topic")
        self._stalled = _ByKind(gauge("stalls.leads", "{lead}", "Leads that stalls hold up"), "topic")
        self._findings = gauge("findings.open", "{finding}", "Findings of the doctor that are not muted")
        self._seen: set[tuple[str, str]] = set()
        self._looked_at = gauge("findings.looked_at", "s", "When the doctor's last look was complete (Unix time)")
        self._group_reps = gauge("group.reps", "{rep}", "Reps of a group, and those of them who are available")
        self._groups: set[tuple[str, str]] = set()

    def tenants(self, standings: Mapping[str, TenantStanding]) -> None:
        """Once per look at all tenants: each by name."""
        by_label: defaultdict[str, list[TenantStanding]] = defaultdict(list)
        for tenant, standing in standings.items():
            by_label[self._label(tenant)].append(standing)
        for label, those in by_label.items():
            self._waiting.show(label, _waiting_reasons(those), always=(READY,))
            self._parked.show(label, _added(one.parked for one in those))
            self._states.show(label, _added(one.states for one in those))
            tenant_only = {"tenant": label}
            self._oldest.set(max(one.oldest_s for one in those), tenant_only)
            self._placeable.set(max(one.placeable_s for one in those), tenant_only)
            self._unaccounted.set(sum(abs(one.unaccounted) for one in those), tenant_only)
            self._paused.set(max(one.paused_s for one in those), tenant_only)

    def stalls(self, topics: Iterable[str], found: Mapping[str, Mapping[str, tuple[int, int]]]) -> None:
        """Once per look: stalls, and leads that they hold up, by tenant ("" = of all) and topic; `topics` are all."""
        topics, by_label = tuple(topics), defaultdict[str, list[Mapping[str, tuple[int, int]]]](list)
        for tenant, by_topic in found.items():
            by_label[self._label(tenant) if tenant else ALL_TENANTS].append(by_topic)
        for label in {ALL_TENANTS, *by_label, *self._stalls.labels}:
            those, always = by_label.get(label, []), topics if label == ALL_TENANTS else ()
            self._stalls.show(label, _added({k: v[0] for k, v in one.items()} for one in those), always)
            self._stalled.show(label, _added({k: v[1] for k, v in one.items()} for one in those), always)

    def findings(self, found: Mapping[tuple[str, str], int], at: float | None) -> None:
        """Once per look of the doctor: findings that are not muted, by code and severity. `at` = the time of the look
        (Unix, seconds), None where not everything could be looked at: what was not found then may well be there still.
        """
        looked_for = {code for code, _ in found}
        for code, severity in self._seen | found.keys():
            if at is not None or code in looked_for:
                self._findings.set(found.get((code, severity), 0), {"code": code, "severity": severity})
        self._seen |= found.keys()
        if at is not None:
            self._looked_at.set(at)

    def groups(self, found: Mapping[tuple[str, str], tuple[int, int]]) -> None:
        """Once per look: members and available ones by tenant and group; the caller keeps them few."""
        for tenant, group in self._groups | found.keys():
            members, available = found.get((tenant, group), (0, 0))
            for state, reps in (("member", members), ("available", available)):
                self._group_reps.set(reps, {"tenant": tenant, "group": group, "state": state})
        self._groups |= found.keys()


class _ByKind:
    """A gauge by tenant and one more label. What it showed once and is gone is 0."""

    def __init__(self, gauge: Gauge, kind: str) -> None:
        self._gauge = gauge
        self._kind = kind
        self._shown: defaultdict[str, set[str]] = defaultdict(set)

    @property
    def labels(self) -> frozenset[str]:
        """Tenants that it shows."""
        return frozenset(self._shown)

    def show(self, tenant: str, values: Mapping[str, int], always: Iterable[str] = ()) -> None:
        """All values of a tenant's label; those of `always` also where there are none."""
        shown = self._shown[tenant]
        shown |= {*values, *always}
        for value in shown:
            self._gauge.set(values.get(value, 0), {"tenant": tenant, self._kind: value})


def _added(parts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total = Counter[str]()
    for part in parts:
        total.update(part)
    return total


def _waiting_reasons(standings: Iterable[TenantStanding]) -> Counter[str]:
    total = Counter[str]()
    for reason, leads in _added(one.waiting for one in standings).items():
        total[reason if reason in WAITING else UNKNOWN] += leads
    return total
