"""Which findings concern one lead: pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from ops.doctor.finding import Finding
from router.domain.reason import Reason

_CODES_OF = {
    Reason.NO_MATCHING_RULE: {"no_rule_matches", "rules_unreadable"},
    Reason.GROUP_EMPTY: {"groups_empty", "reps_without_group"},
    Reason.NOBODY_AVAILABLE: {"availability_unreadable", "presence_unknown"},
    Reason.DATABASE_BUSY: {"database_busy"},
}


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead to which findings are compared. `waits` = it waits for a rep; `reason` = for what, or why it is parked;
    `names` = the groups, rules and reps that it waits for or was given by.
    """

    lead_id: int
    tenant: str
    waits: bool
    reason: Reason | None = None
    names: frozenset[str] = frozenset()


def concerning(findings: Iterable[Finding], lead: Lead) -> list[Finding]:
    """Those that may keep the lead from a rep, first those that name it, its groups, rules, reps or reason.

    A lead that waits is kept by whatever is wrong with its tenant or with the service, also by what is not known to be
    connected: a rep in no group may be the one who was to take it. Any other lead is concerned by what names it.
    """
    possible = [finding for finding in findings if finding.subject.kind != "tenant" or _is_its_tenants(finding, lead)]
    direct = [finding for finding in possible if _names(finding, lead)]
    return direct + [finding for finding in possible if finding not in direct] if lead.waits else direct


def _is_its_tenants(finding: Finding, lead: Lead) -> bool:
    return finding.subject.name == lead.tenant


def _names(finding: Finding, lead: Lead) -> bool:
    if lead.reason is not None and finding.code in {str(lead.reason), *_CODES_OF.get(lead.reason, ())}:
        return True
    if finding.subject.name in lead.names:
        return True
    return any(_tells(key, value, lead) for row in finding.evidence for key, value in row.items())


def _tells(key: str, value: object, lead: Lead) -> bool:
    if key in ("lead", "lead_id"):
        return value == lead.lead_id
    words = str(value).split()
    return str(value) in lead.names or any(word.strip(",;") in lead.names for word in words)
