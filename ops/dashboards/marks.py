"""What happened, over all panels of all dashboards: alerts, stalls, new versions, settings, rosters."""

from ops.dashboards.board import Mark

MARKS = (
    Mark(
        "Alerts",
        'max by (alertname, severity) (ALERTS{alertname=~"LeadRouter.+", alertname!="LeadRouterWatchdog", '
        'alertstate="firing"})',
        "{{alertname}}",
        "{{severity}}: lead-router runbook {{alertname}}",
        "red",
    ),
    Mark(
        "Stalls",
        "max by (tenant, topic) (lead_router_stalls_open) > 0",
        "Stall: {{topic}}",
        "Tenant {{tenant}}: lead-router doctor",
        "orange",
    ),
    Mark(
        "Starts and settings",
        "max by (instance) (lead_router_settings_read_at_seconds) * 1000",
        "Settings read",
        "{{instance}} started, or read its settings again: lead-router changes --since 24h",
        "blue",
        at_value=True,
    ),
    Mark(
        "Refused settings",
        "max by (instance) (lead_router_settings_reload_failed) > 0",
        "Settings refused",
        "{{instance}} works by its old settings: lead-router runbook LeadRouterReloadFailed",
        "purple",
    ),
    Mark(
        "Versions",
        "max by (version) (lead_router_build_info) unless max by (version) (lead_router_build_info offset 2m)",
        "Version {{version}}",
        "The first instance of this version started",
        "green",
    ),
    Mark(
        "Rosters",
        'sum by (tenant) (increase(lead_router_roster_syncs_total{result="changed"}[1m])) > 0',
        "Roster changed",
        "Tenant {{tenant}}: a new roster was taken from the CRM",
        "light-blue",
    ),
)
