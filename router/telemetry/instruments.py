"""The instruments of the service: what is counted and timed, under which names, behind one verb per event.

Everything is recorded per batch or per request for a connection, never per lead. `docs/metrics.md` lists the
same names as Prometheus shows them; a test holds the two together. Export: `router.telemetry.exposition`.
"""

from collections import Counter as Counted
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from itertools import product
from time import perf_counter
from typing import Protocol

from opentelemetry.metrics import Counter, Histogram, Meter, NoOpMeter, UpDownCounter
from opentelemetry.metrics import _Gauge as Gauge

from router.domain.reason import Reason
from router.telemetry.counted_instruments import CountedInstruments
from router.telemetry.http_instruments import HttpInstruments
from router.telemetry.intake_instruments import IntakeInstruments
from router.telemetry.journal_instruments import JournalInstruments
from router.telemetry.labels import OTHER
from router.telemetry.lane_instruments import LaneInstruments
from router.telemetry.limits import MAX_TENANTS
from router.telemetry.notify_instruments import NotifyInstruments
from router.telemetry.settings_instruments import SettingsInstruments
from router.telemetry.standing_instruments import StandingInstruments
from router.telemetry.upkeep_instruments import UpkeepInstruments

NAMESPACE = "lead_router"

_FAST_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW_S = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    60.0,
    600.0,
    3600.0,
    28800.0,
    86400.0,
)
_LEADS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)


class BatchResult(StrEnum):
    """How a batch ended. `locked`: another router holds the lane, or all its rows. `failed`: rolled back."""

    OK = "ok"
    EMPTY = "empty"
    LOCKED = "locked"
    FAILED = "failed"


class Phase(StrEnum):
    """What a batch spends its time on: taking the lane and its state, claiming, deciding, writing, commit."""

    LANE = "lane"
    CLAIM = "claim"
    DECIDE = "decide"
    WRITE = "write"
    COMMIT = "commit"


class SyncResult(StrEnum):
    """What became of a look at the CRM's roster. `refused`: it cannot be believed; `failed`: it cannot be read."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"


class ReloadResult(StrEnum):
    """What became of a request to read the settings again. `failed`: they are wrong, nothing changed."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class DeliveryResult(StrEnum):
    """What became of an attempt to deliver an event to a webhook. `dead`: the event was given up after the last one."""

    DELIVERED = "delivered"
    FAILED = "failed"
    DEAD = "dead"


class BatchCounts(Protocol):
    """What a batch did, for the instruments; `waits_s` = seconds from queueing to assignment (median, longest)."""

    @property
    def leads(self) -> int: ...
    @property
    def assigned(self) -> int: ...
    @property
    def refused(self) -> Mapping[Reason, int]: ...
    @property
    def parked(self) -> Mapping[Reason, int]: ...
    @property
    def waits_s(self) -> tuple[float, float] | None: ...
    @property
    def phases_s(self) -> Mapping[Phase, float]: ...


class Instruments:
    """Records on one OpenTelemetry meter. The first `tenants_most` tenants get a label of their own."""

    def __init__(self, meter: Meter, tenants_most: int = MAX_TENANTS) -> None:
        self._meter = meter
        self._tenants_most = tenants_most
        self._tenants: set[str] = set()
        self.intake = IntakeInstruments(meter, NAMESPACE)
        self.upkeep = UpkeepInstruments(meter, NAMESPACE)
        self.journal = JournalInstruments(meter, NAMESPACE)
        self.notify = NotifyInstruments(meter, NAMESPACE)
        self.standing = StandingInstruments(meter, NAMESPACE, self._tenant)
        self.counted = CountedInstruments(meter, NAMESPACE, self._tenant)
        self.lanes = LaneInstruments(meter, NAMESPACE, self._tenant)
        self.http = HttpInstruments(meter, NAMESPACE)
        self.settings = SettingsInstruments(meter, NAMESPACE)
        self._assigned = self._count("leads.assigned", "{lead}", "Leads that got a rep")
        self._refused = self._count("leads.refused", "{lead}", "Decisions that left a lead waiting, by reason")
        self._parked = self._count("leads.parked", "{lead}", "Leads parked for a person to look at, by reason")
        self._batches = self._count("batches", "{batch}", "Batches by how they ended")
        self._batch_s = self._time("batch.duration", "A batch from its beginning to its end, by how it ended")
        self._phase_s = self._time("batch.phase.duration", "The parts of a batch that took leads")
        self._batch_leads = self._histogram("batch.size", "{lead}", "Leads in a batch that took any", _LEADS)
        self._latency_s = self._histogram(
            "assignment.latency",
            "s",
            "Queued until assigned: the median and the slowest lead of each batch",
            _SLOW_S,
        )
        self._syncs = self._count("roster.syncs", "{sync}", "Looks at the CRM's roster, by what became of them")
        self._not_understood = self._count(
            "roster.not_understood", "{value}", "What was not understood in the CRM's roster, at each look again"
        )
        self._presence_unknown = self._count("presence.unknown", "{look}", "Looks for heartbeats without an answer")
        self._fallback = self._gauge("redis.fallback", "{use}", "Whether work goes on without Redis, by use")
        self._in_use = self._level("connections.in_use", "{connection}", "Database connections lent out")
        self._waiting = self._level("connections.waiting", "{request}", "Requests that wait for a connection")
        self._maximum = self._level("connections.maximum", "{connection}", "Connections this process may open")
        self._acquire_s = self._time("connections.acquire.duration", "Wait until a connection was lent")
        self._use_s = self._time("connections.use.duration", "Time for which a connection was lent")
        self._timeouts = self._count("connections.timeouts", "{request}", "Requests that got none in time")
        self._blockers = self._level("locks.blockers", "{session}", "Sessions that keep leads from being routed")
        self._ended = self._count("locks.sessions_ended", "{session}", "Sessions that were cancelled or ended")
        self._in_the_way: Counted[str] = Counted()
        self._open = self._level("connections.open", "{connection}", "Database connections that are open")
        self._clock_ahead = self._gauge("clock.ahead", "s", "Host clock minus database clock")
        self._limit = self._gauge("connections.limit", "{connection}", "Connections that may be open now")
        self._short_s = self._count("connections.short", "s", "Time during which somebody waited for a connection")
        self._not_opened = self._count("connections.not_opened", "{attempt}", "Connections that could not be opened")
        self._held = self._count("connections.held_too_long", "{connection}", "Connections that were held too long")
        self._wanted = self._gauge("connections.wanted", "{connection}", "Connections all instances may open")
        self._allowed = self._gauge("connections.allowed", "{connection}", "Connections the server has for them")
        self._deliveries = self._count("webhook.deliveries", "{attempt}", "Attempts to deliver an event, by result")
        self._events_lag = self._gauge("events.lag", "s", "Age of the oldest event that a webhook has not got")
        self._webhooks_failing = self._gauge("webhooks.failing", "{webhook}", "Webhooks that fail or are gone")
        self._cleanup_rows = self._count("cleanup.rows", "{row}", "Old rows removed, by table")
        self._cleanup_runs = self._count("cleanup.runs", "{run}", "Cleanups of a tenant, by how they ended")
        self._failures = self._count("service.failures", "{failure}", "Pieces of work that a service has to try again")
        self._deaths = self._count("service.deaths", "{death}", "Services that died and were restarted or gave up")
        self._restarts = self._count("service.restarts", "{restart}", "Services that were started again")
        self._reloads = self._count("settings.reloads", "{reload}", "Times the settings were read again, by result")

    @classmethod
    def silent(cls) -> "Instruments":
        """Records nothing, at next to no cost: for commands that nobody scrapes."""
        return cls(NoOpMeter(NAMESPACE))

    # -- drain

    def batch_done(self, tenant: str, result: BatchResult, seconds: float, counts: BatchCounts | None = None) -> None:
        """Once per batch, also for one that found nothing or rolled back."""
        label = self._tenant(tenant)
        self._batches.add(1, {"tenant": label, "result": result.value})
        self._batch_s.record(seconds, {"result": result.value})
        if counts is None or counts.leads == 0:
            return
        self._batch_leads.record(counts.leads)
        for phase, phase_s in counts.phases_s.items():
            self._phase_s.record(phase_s, {"phase": phase.value})
        if counts.assigned:
            self._assigned.add(counts.assigned, {"tenant": label})
        _add_by_reason(self._refused, label, counts.refused)
        _add_by_reason(self._parked, label, counts.parked)
        if counts.waits_s is not None:
            for statistic, wait_s in zip(("median", "max"), counts.waits_s, strict=True):
                self._latency_s.record(wait_s, {"statistic": statistic})

    # -- roster

    def roster_synced(self, tenant: str, result: SyncResult, warnings: int) -> None:
        """Once per look at the tenant's view; `warnings` = what in it was not understood."""
        label = self._tenant(tenant)
        for one in SyncResult:
            self._syncs.add(int(one is result), {"tenant": label, "result": one.value})
        self._not_understood.add(warnings, {"tenant": label})

    def presence_unknown(self) -> None:
        """Once per look for heartbeats that Redis did not answer."""
        self._presence_unknown.add(1)

    def redis_fallback(self, use: str, *, in_use: bool) -> None:
        """Whether this process goes on without Redis; `use` is presence, rate_limits, hints_sent or hints_heard."""
        self._fallback.set(int(in_use), {"use": use})

    # -- connections

    def connections_opened(self, maximum: int, parts: Iterable[str]) -> None:
        """Shows every part at zero from the start, so that its first timeout is seen as a rise."""
        self._maximum.add(maximum)
        for part in parts:
            self._timeouts.add(0, {"part": part})
            self._in_use.add(0, {"part": part})
            self._waiting.add(0, {"part": part})
            self._held.add(0, {"part": part})
        for cause in ("refused", "away"):
            self._not_opened.add(0, {"cause": cause})
        self._short_s.add(0)

    def connections_resized(self, difference: int) -> None:
        """The maximum is another one."""
        self._maximum.add(difference)

    def connections_open(self, difference: int, limit: int) -> None:
        """More or fewer are open; `limit` may be open now."""
        if difference:
            self._open.add(difference)
        self._limit.set(limit)

    def connections_short(self, seconds: float) -> None:
        """Somebody waited for a connection during this time."""
        self._short_s.add(seconds)

    def connection_not_opened(self, cause: str) -> None:
        """`refused`: the server has no more; `away`: it cannot be reached."""
        self._not_opened.add(1, {"cause": cause})

    def connection_held_too_long(self, part: str) -> None:
        self._held.add(1, {"part": part})

    def connections_of_all(self, wanted: int, allowed: int) -> None:
        """What all instances may open, and what the server has for them."""
        self._wanted.set(wanted)
        self._allowed.set(allowed)

    @contextmanager
    def connection_wait(self, part: str) -> Iterator[None]:
        """Around the wait for a connection; only a wait that ends with one is timed."""
        labels = {"part": part}
        self._waiting.add(1, labels)
        begin = perf_counter()
        try:
            yield
            self._acquire_s.record(perf_counter() - begin, labels)
        finally:
            self._waiting.add(-1, labels)

    @contextmanager
    def connection_use(self, part: str) -> Iterator[None]:
        """Around the use of a connection."""
        labels = {"part": part}
        self._in_use.add(1, labels)
        begin = perf_counter()
        try:
            yield
        finally:
            self._in_use.add(-1, labels)
            self._use_s.record(perf_counter() - begin, labels)

    def connection_timed_out(self, part: str) -> None:
        self._timeouts.add(1, {"part": part})

    # -- locks

    def blockers_seen(self, kinds: Iterable[str], counts: Mapping[str, int]) -> None:
        """Once per look: how many sessions keep leads from being routed, by how; `kinds` are all that there are."""
        for kind in kinds:
            self._blockers.add(counts.get(kind, 0) - self._in_the_way[kind], {"kind": kind})
        self._in_the_way = Counted(counts)

    def session_ended(self, whose: str, deed: str, sessions: int = 1) -> None:
        """`whose` is own or foreign, `deed` cancel or terminate."""
        self._ended.add(sessions, {"whose": whose, "deed": deed})

    # -- events out

    def webhook_deliveries(self, result: DeliveryResult, attempts: int = 1) -> None:
        """Once per failed attempt, and once per batch of those that succeeded."""
        for one in DeliveryResult:
            self._deliveries.add(attempts if one is result else 0, {"result": one.value})

    def events_behind(self, tenant: str, lag_s: float, failing: int) -> None:
        """Once per look: how far the tenant's slowest webhook is behind, and how many fail."""
        label = {"tenant": self._tenant(tenant)}
        self._events_lag.set(lag_s, label)
        self._webhooks_failing.set(failing, label)

    # -- cleanup

    def cleanup_removed(self, table: str, rows: int) -> None:
        """Once per batch of old rows."""
        self._cleanup_rows.add(rows, {"table": table})

    def cleanup_ended(self, outcome: str) -> None:
        """Once per cleanup of a tenant."""
        self._cleanup_runs.add(1, {"outcome": outcome})

    # -- maintenance

    # -- services

    def services_started(self, names: Iterable[str]) -> None:
        for name in names:
            self._deaths.add(0, {"service": name})
            self._failures.add(0, {"service": name})
            self._restarts.add(0, {"service": name})

    def service_failed(self, name: str) -> None:
        """A piece of work of a service failed, and is tried again."""
        self._failures.add(1, {"service": name})

    def service_died(self, name: str) -> None:
        self._deaths.add(1, {"service": name})

    def service_restarted(self, name: str) -> None:
        self._restarts.add(1, {"service": name})

    # -- settings

    def settings_reloaded(self, result: ReloadResult) -> None:
        """Once per request to read the settings again."""
        for one in ReloadResult:
            self._reloads.add(int(one is result), {"result": one.value})

    # -- how they are made

    def _tenant(self, tenant: str) -> str:
        if tenant in self._tenants:
            return tenant
        if len(self._tenants) >= self._tenants_most:
            return OTHER
        self._tenants.add(tenant)
        self._show_at_zero(tenant)
        return tenant

    def _show_at_zero(self, tenant: str) -> None:
        # A series that begins at 1 hides its first rise from `increase()`: alerts would miss the first lead.
        self._assigned.add(0, {"tenant": tenant})
        for counter, reason in product((self._refused, self._parked), Reason):
            counter.add(0, {"tenant": tenant, "reason": reason.value})
        for result in BatchResult:
            self._batches.add(0, {"tenant": tenant, "result": result.value})
        self.counted.begins(tenant)
        self.lanes.batch(tenant)

    def _count(self, name: str, unit: str, description: str) -> Counter:
        return self._meter.create_counter(f"{NAMESPACE}.{name}", unit, description)

    def _level(self, name: str, unit: str, description: str) -> UpDownCounter:
        return self._meter.create_up_down_counter(f"{NAMESPACE}.{name}", unit, description)

    def clock_ahead(self, seconds: float | None) -> None:
        """By how many seconds this host's clock is ahead of the database's; None = not known."""
        if seconds is not None:
            self._clock_ahead.set(seconds)

    def _gauge(self, name: str, unit: str, description: str) -> Gauge:
        return self._meter.create_gauge(f"{NAMESPACE}.{name}", unit, description)

    def _time(self, name: str, description: str) -> Histogram:
        return self._histogram(name, "s", description, _FAST_S)

    def _histogram(self, name: str, unit: str, description: str, bounds: tuple[float, ...]) -> Histogram:
        return self._meter.create_histogram(
            f"{NAMESPACE}.{name}", unit, description, explicit_bucket_boundaries_advisory=bounds
        )


def _add_by_reason(counter: Counter, tenant: str, leads_by_reason: Mapping[Reason, int]) -> None:
    for reason, leads in leads_by_reason.items():
        counter.add(leads, {"tenant": tenant, "reason": reason.value})
