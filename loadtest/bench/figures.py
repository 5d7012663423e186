"""What is measured, what it must reach, and what was seen."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that `make bench` prints. `least`: the value must be at least the target, else at most."""

    id: str
    what: str
    unit: str
    target: float
    least: bool = True


TARGETS = (
    Target("drain_1_tenant_vs_floor", "1 tenant / floor on 1 connection", "ratio", 0.6),
    Target("drain_8_tenants_vs_floor", "8 tenants, 2 routers / floor on 2 connections", "ratio", 0.65),
    Target("drain_vs_pgqueuer", "1 tenant / PgQueuer, no-op handler", "ratio", 4),
    Target("burst_after_empty", "burst after 3,000 empty visits / warm drain", "ratio", 0.9),
    Target("backlog_1m_vs_1k", "cost per lead, backlog of 1 M / 1 k", "ratio", 1.25, least=False),
    Target("reps_5000_vs_10", "cost per lead, 5,000 reps / 10", "ratio", 2.0, least=False),
    Target("rules_1000_vs_5", "cost per lead, 1,000 rules / 5", "ratio", 1.3, least=False),
    Target("tenants_1000_vs_8", "cost per lead, 1,000 tenants / 8", "ratio", 1.5, least=False),
    Target("history_10m_vs_0", "cost per lead, 10 M ended assignments / none", "ratio", 1.1, least=False),
    Target("waiting_1m_vs_0", "drain with 1 M waiting / with none", "ratio", 0.95),
    Target("wake_rows_touched", "pool rows touched when ten places become free", "rows", 10, least=False),
    Target("half_locked_vs_free", "drain with half of the rows locked / free", "ratio", 0.8),
    Target("held_snapshot_10min", "drain at the end of a snapshot held for 10 min / at its start", "ratio", 0.7),
    Target("single_lead_batches_5000_reps", "one lead a batch, 5,000 reps", "leads/s", 800),
    Target("single_leads_vs_floor", "one lead a batch, 5,000 reps / floor, one lead at a time", "ratio", 0.8),
    Target("idle_latency_p99", "lead committed to assignment committed, 200 leads/s", "ms", 40, least=False),
    Target("wal_bytes_per_lead", "write-ahead log per lead", "bytes", 2_500, least=False),
    Target("router_rss", "memory of a router, 1 M backlog, 5,000 reps", "MB", 200, least=False),
    Target("import_csv", "import of a CSV file", "leads/s", 20_000),
    Target("import_vs_copy", "import / COPY of the same rows, customers made beforehand", "ratio", 0.5),
    Target("import_vs_before", "import / import before customer keys were cheaper", "ratio", 1.6),
    Target("why_p99", "why of any lead", "ms", 200, least=False),
    Target("audit_1m", "audit of 1 M leads", "s", 30, least=False),
    Target("doctor_1m", "doctor at 1 M leads and 5,000 reps, its start included", "s", 3, least=False),
    Target("console_pages_p99", "slowest page of the console, 1 M leads and 5,000 reps", "ms", 150, least=False),
    Target("doctor_vs_audit", "doctor / audit, 1 M leads", "ratio", 0.25, least=False),
    Target("replay_1m", "replay of 1 M leads with a changed rep", "s", 120, least=False),
    Target("replay_1m_vs_drain", "replay of 1 M leads / their drain", "ratio", 5, least=False),
    Target("cleanup_running_vs_not", "drain beside cleanup of 1 M closed leads / without", "ratio", 0.9),
    Target("events_on_vs_off", "drain with events / without", "ratio", 0.9),
    Target("telemetry_on_vs_off", "drain with metrics, traces and logs / without", "ratio", 0.95),
    Target("webhooks_vs_client", "deliveries to a webhook / bare posts of the same client", "ratio", 0.4),
    Target("http_single_vs_noop", "durable single posts / a handler that answers 202", "ratio", 0.35),
    Target("http_single_p99_vs_noop", "p99 of them at half their rate / of the handler", "ratio", 6, least=False),
    Target("http_batch_vs_import", "leads in batches over HTTP / file import", "ratio", 0.7),
    Target("posted_to_assigned_p99_vs_idle", "post to assignment / lead committed to assignment", "ratio", 2.5, False),
    Target("cli_help_vs_click", "processor time of --help / of importing click", "ratio", 4, least=False),
    Target("cli_status_vs_click", "processor time of status / of importing click", "ratio", 7, least=False),
    Target("locked_rows_return", "locked rows routed after the lock is released", "s", 2, least=False),
    Target("recovery_after_restart", "first lead routed after PostgreSQL is ready again", "s", 2, least=False),
    Target("lane_takeover", "lane taken over after SIGSTOP of its holder", "s", 10, least=False),
    Target("foreign_cleanup_with_gate", "drain while a gated script deletes 1 M rows / without", "ratio", 0.9),
    Target("connections_30_vs_150", "30 connections / 150, 4 routers, 20 tenants", "ratio", 0.9),
    Target("pgbouncer_vs_direct", "drain through PgBouncer / direct", "ratio", 0.8),
    Target("soak_slopes", "series that drift at 60% of the highest rate", "series", 0, least=False),
    Target("connections_2", "what a service on 2 connections refuses", "errors", 0, least=False),
    Target("scaling_routers", "4 routers / 1, eight tenants", "ratio", 1.0),
    Target("scaling_tenants", "cost per lead, 1,000 tenants / 1", "ratio", 2.0, least=False),
    Target("scaling_connections", "150 connections / 2, one router, 20 tenants", "ratio", 1.0),
    Target("scaling_history", "cost per lead, 10 M ended assignments / none", "ratio", 1.1, least=False),
)
BY_ID = {target.id: target for target in TARGETS}


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve: how much there was of what grows, and the leads a second of each run there."""

    place: int
    runs: tuple[float, ...]

    @property
    def document(self) -> dict[str, object]:
        return {
            "place": self.place,
            "leads_per_s": rounded(statistics.median(self.runs)),
            "spread": [rounded(min(self.runs)), rounded(max(self.runs))],
        }


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as it was seen: the median of the runs, and all of them. `note` says what exactly was measured; `points`
    are those of the curve that it sums up, where there is one.
    """

    target: Target
    runs: tuple[float, ...]
    note: str
    points: tuple[Point, ...] = ()

    @property
    def value(self) -> float:
        return statistics.median(self.runs)

    @property
    def holds(self) -> bool:
        return self.value >= self.target.target if self.target.least else self.value <= self.target.target

    @property
    def document(self) -> dict[str, object]:
        """Its entry in `build/bench.json`."""
        return {
            "id": self.target.id,
            "value": rounded(self.value),
            "unit": self.target.unit,
            "target": self.target.target,
            "holds": self.holds,
            "note": self.note,
            "spread": [rounded(min(self.runs)), rounded(max(self.runs))],
            "runs": len(self.runs),
            **({"points": [point.document for point in self.points]} if self.points else {}),
        }


def figure(id_: str, runs: Sequence[float], note: str, points: Sequence[Point] = ()) -> Figure:
    """A figure of one of TARGETS. Raises KeyError for another id."""
    return Figure(BY_ID[id_], tuple(runs), note, tuple(points))


def rounded(value: float) -> float:
    """To three digits or more."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.3g}")


def per_second(leads: int, runs: Sequence[float]) -> str:
    """Leads a second in words: median, and the spread of the runs (seconds)."""
    rates = sorted(leads / seconds for seconds in runs)
    spread = f" ({rates[0]:,.0f} to {rates[-1]:,.0f})" if len(rates) > 1 else ""
    return f"{statistics.median(rates):,.0f} leads/s{spread}"


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Run by run, since interleaved runs met the same noise."""
    return [a / b for a, b in zip(above, below, strict=True)]
