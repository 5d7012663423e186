"""Stalls that a running service has noticed, as findings; and what they say of the other findings."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ops.doctor.finding import Confidence, Finding, Severity, of_tenant
from ops.doctor.scene import Scene
from router.domain.worded import Worded, worded
from router.domain.worded_phrases import worded_duration
from router.store.stalls import StoredStall

_FRESH = timedelta(minutes=5)
"""A service looks at least every minute or so; what it has not seen for longer, nobody watches."""


def open_findings(scene: Scene, code: str, topics: Collection[str], *, standing: bool = False) -> list[Finding]:
    """One for each open stall about one of `topics`; `standing` = leads are not routed."""
    names = {tenant.tenant_id: tenant.name for tenant in scene.tenants}
    wanted = [one for one in scene.stalls if one.topic in topics]
    return [_finding(scene, code, one, names[one.tenant_id], standing=standing) for one in wanted]


def _finding(scene: Scene, code: str, stall: StoredStall, tenant: str, *, standing: bool) -> Finding:
    unseen = scene.at - stall.seen_at
    sentence, severity = stall.sentence, Severity.CRITICAL if standing else Severity.WARNING
    if unseen > _FRESH:
        lasts = worded_duration(unseen.total_seconds())
        late = worded(" (seen {lasts} ago; no service has looked since)", lasts=lasts)
        # What another release wrote may not be worded.
        sentence = sentence + late if isinstance(sentence, Worded) else f"{sentence}{late}"
        severity = Severity.WARNING
    evidence: list[dict[str, Any]] = [{"kind": stall.kind, "about": stall.subject or None}]
    evidence += [{"reason": reason, "leads": leads} for reason, leads in stall.reasons.items()]
    since = stall.began_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Finding(
        code,
        severity,
        of_tenant(tenant),
        sentence,
        tuple(evidence[:10]),
        stall.began_at,
        f"lead-router changes --around {since} --tenant {tenant}",
        held_back=sum(stall.reasons.values()),
        oldest=stall.oldest,
        confidence=Confidence.LOW,
        symptom=True,
    )


def with_stalls(findings: Iterable[Finding]) -> list[Finding]:
    """Where leads stand still, whatever holds leads back in the same tenant is not only a warning."""
    found = list(findings)
    standing = {one.subject for one in found if one.symptom and one.severity is Severity.CRITICAL}
    return [replace(one, severity=Severity.CRITICAL) if _explains(one, standing) else one for one in found]


def _explains(finding: Finding, standing: Collection[object]) -> bool:
    return finding.severity is Severity.WARNING and finding.held_back > 0 and finding.subject in standing
