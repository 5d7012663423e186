"""Are leads flowing, how old is the oldest, why do leads wait, who is saturated?"""

from ops.dashboards.board import Board, Choice, Kind, Panel, Query, Row, quantile
from ops.dashboards.shared import FINDINGS, PER_MINUTE, waiting_by_reason

_NOW = Row(
    "Now",
    (
        Panel(
            "Stalls",
            "What does not move although it should, by the stall watch. More than 0: lead-router doctor, "
            "then lead-router runbook LeadRouterLeadsWaitDespiteRoom.",
            "none",
            (
                # Also of (all): that the database could not be asked concerns every tenant.
                Query(
                    'sum(max by (tenant, topic) (lead_router_stalls_open{tenant=~"$tenant|[(]all[)]"})) or vector(0)',
                    "stalls",
                ),
            ),
            Kind.NUMBER,
            width=4,
            bad=1,
        ),
        Panel(
            "Oldest lead that somebody could take",
            "How long a lead has waited although a rep has room for it. Normally below a second; above two minutes "
            "routing stands still: lead-router runbook LeadRouterNothingAssigned.",
            "s",
            (Query('max(lead_router_leads_placeable_oldest_seconds{tenant=~"$tenant"})', "age"),),
            Kind.NUMBER,
            width=4,
            warn=30,
            bad=120,
        ),
        Panel(
            "Leads that wait",
            "All leads without a rep, for any reason; many wait as planned, at night for example. The reasons are "
            "below.",
            "short",
            (Query('sum(max by (tenant, reason) (lead_router_leads_waiting{tenant=~"$tenant"}))', "leads"),),
            Kind.NUMBER,
            width=4,
        ),
        Panel(
            "Leads that do not add up",
            "Leads by which the states differ from what was accepted. Always 0; anything else may be a lost lead: "
            "lead-router audit, then lead-router runbook LeadRouterConservationError.",
            "none",
            (Query('sum(max by (tenant) (lead_router_conservation_errors{tenant=~"$tenant"}))', "leads"),),
            Kind.NUMBER,
            width=4,
            bad=1,
        ),
        Panel(
            "Instances that answer",
            "Routers that Prometheus reaches under the job lead-router. With 0 no lead is assigned: lead-router "
            "runbook LeadRouterAbsent.",
            "none",
            (Query('sum(up{job="lead-router"}) or vector(0)', "instances"),),
            Kind.NUMBER,
            width=4,
            least=1,
        ),
        Panel(
            "Age of this picture",
            "Time since the last complete look at how leads stand. Beyond five minutes this page and most alerts are "
            "blind: lead-router runbook LeadRouterFindingsStale.",
            "s",
            (Query("time() - max(lead_router_findings_looked_at_seconds)", "age"),),
            Kind.NUMBER,
            width=4,
            warn=120,
            bad=300,
        ),
    ),
)

_FLOW = Row(
    "Are leads flowing?",
    (
        Panel(
            "Leads in and out",
            "Arrivals, assignments and parked leads per minute. Assigned far below arrived for minutes is bad, unless "
            "leads wait as planned: look at the reasons below.",
            PER_MINUTE,
            (
                Query(
                    '60 * sum(rate(lead_router_leads_arrived_total{tenant=~"$tenant"}[$__rate_interval]))', "arrived"
                ),
                Query(
                    '60 * sum(rate(lead_router_leads_assigned_total{tenant=~"$tenant"}[$__rate_interval]))', "assigned"
                ),
                Query('60 * sum(rate(lead_router_leads_parked_total{tenant=~"$tenant"}[$__rate_interval]))', "parked"),
            ),
            width=8,
        ),
        Panel(
            "From arrival to assignment",
            "Half of the batches assigned their middle lead within the first time, and 95% of them their slowest "
            "within the second. Leads that waited for a rep count with all of their wait, so a jump in the morning is "
            "normal.",
            "s",
            (
                Query(quantile(0.5, "lead_router_assignment_latency_seconds", where='statistic="median"'), "median"),
                Query(
                    quantile(0.95, "lead_router_assignment_latency_seconds", where='statistic="max"'), "slowest, p95"
                ),
            ),
            width=8,
        ),
        Panel(
            "Oldest waiting leads, by tenant",
            "The ten tenants whose oldest lead has waited longest, for any reason. A line that rises through "
            "working hours is bad: choose the tenant above, and look at its reasons.",
            "s",
            (
                Query(
                    'topk(10, max by (tenant) (lead_router_leads_waiting_oldest_seconds{tenant=~"$tenant"}))',
                    "{{tenant}}",
                ),
            ),
            width=8,
        ),
    ),
)

_WHY = Row(
    "Why do leads wait, and what is wrong?",
    (
        waiting_by_reason(width=12),
        FINDINGS,
    ),
)

_SATURATED = Row(
    "Who is saturated?",
    (
        Panel(
            "Saturation by instance",
            "1 = no room is left: of its processor, of its database connections, and the share of time in which "
            "somebody waited for a connection. Beyond 0.5 for minutes: lead-router runbook "
            "LeadRouterConnectionsSaturated; a processor at 1 wants another router.",
            "percentunit",
            (
                Query(
                    "max by (instance) (rate(lead_router_connections_short_seconds_total[$__rate_interval]))",
                    "{{instance}} waits for connections",
                ),
                Query(
                    "sum by (instance) (lead_router_connections_in_use) / max by (instance) "
                    "(lead_router_connections_limit)",
                    "{{instance}} connections in use",
                ),
                Query(
                    'max by (instance) (rate(process_cpu_seconds_total{job="lead-router"}[$__rate_interval]))',
                    "{{instance}} processor",
                ),
            ),
            warn=0.5,
            bad=0.9,
        ),
        Panel(
            "Events that the CRM has not got",
            "Age of the oldest event that a webhook has not got. Beyond five minutes the CRM does not know who got "
            "which lead: lead-router runbook LeadRouterOutboxLagging.",
            "s",
            (Query('topk(10, max by (tenant) (lead_router_events_lag_seconds{tenant=~"$tenant"}))', "{{tenant}}"),),
            warn=60,
            bad=300,
        ),
    ),
)

_SERVICE = Row(
    "The service itself",
    (
        Panel(
            "Services that fail",
            "Pieces of work in five minutes that failed and are tried again, and services that crashed. Single ones "
            "are normal; a line that stays up: lead-router runbook LeadRouterServiceFailing.",
            "short",
            (
                Query("sum by (service) (increase(lead_router_service_failures_total[5m]))", "{{service}} failed"),
                Query("sum by (service) (increase(lead_router_service_deaths_total[5m]))", "{{service}} crashed"),
            ),
            width=8,
            warn=5,
        ),
        Panel(
            "Without Redis",
            "1 = an instance goes on without Redis, by use: slower hints, presence by working hours, rate limits for "
            "each instance alone. lead-router runbook LeadRouterRedisLost.",
            "none",
            (Query("max by (use) (lead_router_redis_fallback)", "{{use}}"),),
            width=8,
            bad=1,
        ),
        Panel(
            "Versions and settings",
            "How many instances work by which version, and by which settings (their hash). Two rows with the same "
            "roles are an upgrade or a change that goes on, or one that was forgotten: lead-router runbook "
            "LeadRouterConfigDrift, lead-router runbook LeadRouterVersionsMixed.",
            "none",
            (
                Query("count by (version) (lead_router_build_info)", "by version"),
                Query("count by (roles, hash) (lead_router_settings_info)", "by settings"),
                Query(
                    "sum by (roles, hash) (lead_router_settings_info * on (instance) "
                    "lead_router_settings_reload_failed)",
                    "refuse newer ones",
                ),
            ),
            Kind.TABLE,
            width=8,
        ),
    ),
)

BOARD = Board(
    "lead-router-overview",
    "lead-router: overview",
    "Are leads flowing, how old is the oldest, why do leads wait, and who is saturated? Begin here.",
    (Choice.TENANT,),
    (_NOW, _FLOW, _WHY, _SATURATED, _SERVICE),
)
