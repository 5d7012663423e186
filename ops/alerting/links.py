"""The links of alerts: to the runbook and the dashboard, from the alert's name. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

OVERVIEW = "lead-router-overview"
DASHBOARDS: Mapping[str, str] = {
    "LeadRouterIntakeRefuses": "lead-router-intake",
    "LeadRouterIntakeErrorBudget": "lead-router-intake",
    "LeadRouterNoLeadsComeIn": "lead-router-intake",
    "LeadRouterJournalInUse": "lead-router-intake",
    "LeadRouterGroupEmpty": "lead-router-tenants",
    "LeadRouterNobodyAvailable": "lead-router-tenants",
    "LeadRouterRepsWithoutLeads": "lead-router-tenants",
    "LeadRouterRosterSyncFailing": "lead-router-tenants",
    "LeadRouterRuleStoppedMatching": "lead-router-tenants",
    "LeadRouterStampsShifted": "lead-router-tenants",
    "LeadRouterLeadsParked": "lead-router-tenants",
    "LeadRouterPausedTooLong": "lead-router-tenants",
    "LeadRouterTableLocked": "lead-router-database",
    "LeadRouterBlockerSeen": "lead-router-database",
    "LeadRouterCleanupOverdue": "lead-router-database",
    "LeadRouterConnectionsSaturated": "lead-router-connections",
    "LeadRouterRetryStorm": "lead-router-drain",
}
"""The dashboard (its uid) on which an alert shows best; all others are on OVERVIEW."""

_ALERT = re.compile(r"\s+- alert: (\w+)\s*$")
_ANNOTATIONS = re.compile(r"(\s+)annotations:\s*$")
_WRITTEN = re.compile(r"\s+(runbook_url|dashboard_url):")
# Of the tenant that the alert is about, if it is about one.
_TENANT = "{{ with $labels.tenant }}?var-tenant={{ . | urlquery }}{{ end }}"


class Bases(NamedTuple):
    """Where the pages of `runbooks/` and the dashboards are, as people reach them; without a slash at the end."""

    runbooks: str = "https://runbooks.example"
    dashboards: str = "https://grafana.example"


EXAMPLES = Bases()


def with_links(rules: str, bases: Bases = EXAMPLES) -> str:
    """A file of rules (YAML) with `runbook_url` and `dashboard_url` of each alert; those that it had are replaced."""
    return "".join(f"{line}\n" for line in _lines(rules, bases))


def _lines(rules: str, bases: Bases) -> Iterator[str]:
    name = ""
    for line in rules.splitlines():
        if found := _ALERT.match(line):
            name = found[1]
        if not _WRITTEN.match(line):
            yield line
        if found := _ANNOTATIONS.match(line):
            yield f"{found[1]}  runbook_url: {bases.runbooks}/alerts/{name}.md"
            yield f"{found[1]}  dashboard_url: '{bases.dashboards}/d/{DASHBOARDS.get(name, OVERVIEW)}{_TENANT}'"
