"""Panels and units that several dashboards have."""

from ops.dashboards.board import Kind, Panel, Query

PER_MINUTE = "suffix:/min"
PER_SECOND = "suffix:/s"

FINDINGS = Panel(
    "Findings of the doctor",
    "What lead-router doctor finds now, without what is muted. Empty is good. lead-router runbook CODE says what to "
    "do, lead-router doctor --only CODE who is concerned.",
    "none",
    (Query("max by (code, severity) (lead_router_findings_open) > 0", "open"),),
    Kind.TABLE,
)


def waiting_by_reason(width: int) -> Panel:
    """Why leads wait."""
    return Panel(
        "Leads that wait, by reason",
        "ready and database_busy should be moving: if they stay, routing stands still. The other reasons wait for a "
        "rep, a working hour or a rule. lead-router runbook REASON says what each means and what to do.",
        "short",
        (
            Query(
                'sum by (reason) (max by (tenant, reason) (lead_router_leads_waiting{tenant=~"$tenant"}))', "{{reason}}"
            ),
        ),
        Kind.STACK,
        width=width,
    )


def stalls(topics: str, about: str, width: int) -> Panel:
    """Stalls by topic; `topics` is a pattern."""
    return Panel(
        "Stalls",
        about,
        "none",
        (
            Query(
                'max by (tenant, topic) (lead_router_stalls_open{tenant=~"$tenant|[(]all[)]", topic=~"'
                + topics
                + '"})',
                "{{tenant}}: {{topic}}",
            ),
        ),
        width=width,
        bad=1,
    )
