"""Inside the drain: what batches do, what they spend their time on, what stops them."""

from ops.dashboards.board import Board, Choice, Kind, Panel, Query, Row, quantile, rate
from ops.dashboards.shared import PER_SECOND

_OF = 'tenant=~"$tenant", instance=~"$instance"'
_INSTANCE = 'instance=~"$instance"'


_BATCHES = Row(
    "Batches",
    (
        Panel(
            "Leads assigned",
            "Leads that got a rep per second, for the ten busiest tenants. 0 is normal where none arrive.",
            PER_SECOND,
            (Query(f"topk(10, {rate('lead_router_leads_assigned_total', 'tenant', _OF)})", "{{tenant}}"),),
            width=8,
        ),
        Panel(
            "Batches by how they ended",
            "ok = took leads, empty = found none, locked = another router has the tenant or its rows, failed = rolled "
            "back. Many locked ones beside ok are normal with several routers; only locked ones: lead-router blockers.",
            PER_SECOND,
            (Query(rate("lead_router_batches_total", "result", _OF), "{{result}}"),),
            Kind.STACK,
            width=8,
        ),
        Panel(
            "Batches that failed",
            "Batches of five minutes that were rolled back; their leads are tried again. Beyond 20 for a tenant: "
            "lead-router runbook LeadRouterRetryStorm.",
            "short",
            (
                Query(
                    f'topk(10, sum by (tenant) (increase(lead_router_batches_total{{result="failed", {_OF}}}[5m])))',
                    "{{tenant}}",
                ),
            ),
            width=8,
            warn=5,
            bad=20,
        ),
    ),
)

_TIME = Row(
    "Where the time goes",
    (
        Panel(
            "Duration of batches that took leads",
            "From the beginning of a batch to its end. Longer ones with large batches are normal; long ones with small "
            "batches mean a slow database or locks: the dashboard of the database.",
            "s",
            tuple(
                Query(
                    quantile(q, "lead_router_batch_duration_seconds", where=f'result="ok", {_INSTANCE}'),
                    f"p{q * 100:.0f}",
                )
                for q in (0.5, 0.95, 0.99)
            ),
            width=8,
        ),
        Panel(
            "Time by phase",
            "Seconds per second that batches spend in each phase. lane that grows = waits for locks or reads the "
            "roster again; claim = a bloated pool; write and commit = the database's disk; decide = this processor.",
            "s",
            (Query(rate("lead_router_batch_phase_duration_seconds_sum", "phase", _INSTANCE), "{{phase}}"),),
            Kind.STACK,
            width=8,
        ),
        Panel(
            "Size of batches",
            "How many batches had how many leads. Small ones when leads come one by one, large ones when many wait. "
            "Only ones of 1 while thousands wait: a quarantine, lead-router runbook routers_crashing.",
            "short",
            (
                Query(
                    f"sum by (le) (increase(lead_router_batch_size_bucket{{{_INSTANCE}}}[$__rate_interval]))",
                    "{{le}}",
                ),
            ),
            Kind.HEATMAP,
            width=8,
        ),
    ),
)

_STOPS = Row(
    "What stops leads",
    (
        Panel(
            "Decisions that left a lead waiting, by reason",
            "One lead can be refused several times. A reason that suddenly leads means that a cause changed: "
            "lead-router changes --since 24h, lead-router runbook REASON.",
            PER_SECOND,
            (Query(rate("lead_router_leads_refused_total", "reason", _OF), "{{reason}}"),),
            Kind.STACK,
            width=8,
        ),
        Panel(
            "Lanes held",
            "Tenants in which an instance runs a batch now. One instance with all of them for hours, while others "
            "idle: these have trouble; their log says which.",
            "none",
            (Query(f"max by (instance) (lead_router_lanes_held{{{_INSTANCE}}})", "{{instance}}"),),
            width=8,
        ),
        Panel(
            "Host clock ahead of the database's",
            "Negative = behind. Beyond a minute nothing is routed until it is known which clock is right: lead-router "
            "runbook clocks_differ.",
            "s",
            (Query(f"max by (instance) (lead_router_clock_ahead_seconds{{{_INSTANCE}}})", "{{instance}}"),),
            width=8,
            bad=60,
        ),
    ),
)

BOARD = Board(
    "lead-router-drain",
    "lead-router: drain",
    "What batches do, what they spend their time on, and what stops them.",
    (Choice.TENANT, Choice.INSTANCE),
    (_BATCHES, _TIME, _STOPS),
)
