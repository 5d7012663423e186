"""Tenants: whose leads wait and why, which rules and groups they fall to, what the roster says."""

from ops.dashboards.board import Board, Choice, Kind, Panel, Query, Row, or_none
from ops.dashboards.shared import FINDINGS, stalls, waiting_by_reason

_OF = '{tenant=~"$tenant"}'
_PARKED = f"sum by (tenant) (max by (tenant, reason) (lead_router_leads_parked_now{_OF}))"


def _hour(metric: str, by: str, where: str = 'tenant=~"$tenant"') -> str:
    return f"sum by ({by}) (increase({metric}{{{where}}}[1h]))"


_STAND = Row(
    "How tenants stand",
    (
        Panel(
            "Tenants",
            "One row for each. could be taken = age of the oldest lead that somebody has room for: beyond two minutes "
            "is bad. paused = for how long: lead-router runbook LeadRouterPausedTooLong.",
            "short",
            (
                Query(f"sum by (tenant) (max by (tenant, reason) (lead_router_leads_waiting{_OF}))", "waiting"),
                Query(f"max by (tenant) (lead_router_leads_placeable_oldest_seconds{_OF})", "could be taken", "s"),
                Query(f"max by (tenant) (lead_router_leads_waiting_oldest_seconds{_OF})", "oldest", "s"),
                Query(f"{_PARKED} or 0 * max by (tenant) (lead_router_leads_waiting_oldest_seconds{_OF})", "parked"),
                Query(_hour("lead_router_leads_arrived_total", "tenant"), "arrived in 1 h"),
                Query(_hour("lead_router_leads_assigned_total", "tenant"), "assigned in 1 h"),
                Query(f"max by (tenant) (lead_router_tenant_paused_seconds{_OF})", "paused", "s"),
            ),
            Kind.TABLE,
            width=24,
        ),
        waiting_by_reason(width=8),
        stalls(
            ".+",
            "What does not move, or differs from what is usual, by topic. rule = a rule gets far fewer or far more "
            "leads: lead-router runbook LeadRouterRuleStoppedMatching; all others: lead-router runbook stalled.",
            8,
        ),
        Panel(
            "Leads by state",
            "All leads that were ever accepted. Their sum only grows. parked ones want a person: lead-router leads "
            "list --state parked.",
            "short",
            (Query(f"sum by (state) (max by (tenant, state) (lead_router_leads_in_state{_OF}))", "{{state}}"),),
            Kind.STACK,
            width=8,
        ),
    ),
)

_RULES = Row(
    "Rules",
    (
        Panel(
            "Leads by rule",
            "Leads of an hour that each rule assigned, for the fifteen busiest. A line that drops to 0 at a usual "
            "time: lead-router changes --since 24h, lead-router runbook misrouted.",
            "short",
            (Query(f"topk(15, {_hour('lead_router_rule_leads_total', 'tenant, rule')})", "{{tenant}}: {{rule}}"),),
            Kind.STACK,
            width=8,
        ),
        Panel(
            "Leads that fell through",
            "Leads of an hour that only a rule without a condition took. A rise means that a rule with one stopped "
            "matching: lead-router runbook misrouted.",
            "short",
            (Query(f"topk(10, {_hour('lead_router_leads_fell_through_total', 'tenant')})", "{{tenant}}"),),
            width=8,
        ),
        Panel(
            "Parked leads, by reason",
            "Leads that retrying does not help. internal_error is a fault of ours: lead-router runbook internal_error. "
            "Once the cause is gone: lead-router retry --reason REASON.",
            "short",
            (
                Query(
                    or_none(f"sum by (reason) (max by (tenant, reason) (lead_router_leads_parked_now{_OF}))", "reason"),
                    "{{reason}}",
                ),
            ),
            Kind.STACK,
            width=8,
        ),
    ),
)

_REPS = Row(
    "Reps and rosters",
    (
        Panel(
            "Reps by group",
            "Active members, and those of them whom the roster has as available, without regard to hours and caps. A "
            "group with 0 members gets no leads: lead-router runbook LeadRouterGroupEmpty; with 0 available: "
            "LeadRouterNobodyAvailable.",
            "none",
            (
                Query('max by (tenant, group) (lead_router_group_reps{state="member", tenant=~"$tenant"})', "members"),
                Query(
                    'max by (tenant, group) (lead_router_group_reps{state="available", tenant=~"$tenant"})', "available"
                ),
            ),
            Kind.TABLE,
            width=8,
        ),
        Panel(
            "Looks at the CRM's roster",
            "In an hour, where the roster comes from the CRM. Only refused or failed ones: leads are routed by the "
            "last roster, lead-router runbook LeadRouterRosterSyncFailing. not understood = values without a meaning "
            "for us.",
            "short",
            (
                Query(or_none(_hour("lead_router_roster_syncs_total", "result"), "result"), "{{result}}"),
                Query(
                    'sum(increase(lead_router_roster_not_understood_total{tenant=~"$tenant"}[1h])) or vector(0)',
                    "not understood",
                ),
            ),
            width=8,
        ),
        FINDINGS,
    ),
)

BOARD = Board(
    "lead-router-tenants",
    "lead-router: tenants",
    "Whose leads wait and why, which rules and groups they fall to, and what the roster says.",
    (Choice.TENANT,),
    (_STAND, _RULES, _REPS),
)
