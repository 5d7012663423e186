"""Which findings are muted, and which mutes are over: pure.

A mute holds for one finding (its code and what it is about) as bad as it was then: up to a severity, a number of leads
held back and a number of findings, as one code may have several about the same tenant. Whether it holds is judged
whenever findings are read, by `status` and the doctor, which both only read. That a finding got worse or cleared must
be remembered, though, or the mute would hold again for the next trouble of the same name: so endings are recorded, by
the `doctor` command after its look (a small write, left out where nothing can be written) and by a periodic service of
the daemon (`ops/doctor/mute_watch.py`), which looks while there are mutes.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from ops.doctor.finding import Finding, Muted, Severity
from ops.doctor.look import COULD_NOT_CHECK, Checked, all_checks, findings_of
from router.domain.phrases import count
from router.store.changes import SERVICE
from router.store.mutes import Ending, Mute, Muting
from router.store.tenants import Tenant

# The kinds of subjects that are of a tenant; any other is about no single one.
OF_TENANTS = frozenset({"tenant", "rep", "rule", "lead"})

Key = tuple[str, str, str]


class _Bad(NamedTuple):
    """How bad it is: the worst severity, leads held back, and how many findings there are."""

    severity: Severity = Severity.INFO
    held_back: int = 0
    findings: int = 0


def mutable_codes() -> list[str]:
    """The codes that can be muted. That the database cannot be used is none: a mute could not be read then."""
    return sorted([*all_checks(), COULD_NOT_CHECK])


def with_mutes(findings: Sequence[Finding], mutes: Iterable[Mute], at: datetime) -> list[Finding]:
    """The findings, those in front that nobody has muted; `at` = now (UTC)."""
    present = _bad(findings)
    holding = {_key_of(one): _muted(one) for one in mutes if at < one.until and _worse(one, present) is None}
    judged = [replace(finding, muted=holding.get(_key(finding))) for finding in findings]
    return sorted(judged, key=lambda finding: finding.muted is not None)


def endings(results: Sequence[Checked], mutes: Iterable[Mute], at: datetime, *, whole: bool) -> list[Ending]:
    """The mutes that are over, and why. `whole` = the checks looked at all tenants.

    What was not checked, could not be or was not to be, has not cleared.
    """
    present = _bad(findings_of(results))
    well = [one for one in results if one.failure is None]
    # That a check could not look has cleared also when there is nothing to look at.
    looked = {(COULD_NOT_CHECK, one.code) for one in well}
    looked |= {(one.code, "") for one in well if one.not_applicable is None}
    found = ((one, _over(one, present, looked, at, whole=whole)) for one in mutes)
    return [Ending(one, why) for one, why in found if why is not None]


def mutings(findings: Iterable[Finding], tenants: Sequence[Tenant], up_to: int | None = None) -> list[Muting]:
    """What muting these findings stores, one for each subject; `up_to` = so many leads may be held back before it
    ends (None = as many as now).
    """
    numbers = {tenant.name: tenant.tenant_id for tenant in tenants}
    made = []
    for (code, kind, name), bad in _bad(findings).items():
        # In a look at one tenant, whatever is of a tenant is of that one.
        alone = tenants[0].tenant_id if len(tenants) == 1 and kind in OF_TENANTS else SERVICE
        tenant_id = numbers.get(name, SERVICE) if kind == "tenant" else alone
        made.append(Muting(tenant_id, code, kind, name, bad.severity, max(bad.held_back, up_to or 0), bad.findings))
    return made


def _bad(findings: Iterable[Finding]) -> Mapping[Key, _Bad]:
    """How bad it is, by what it is: several findings may be the same one, as told from outside."""
    parts: defaultdict[Key, list[Finding]] = defaultdict(list)
    for finding in findings:
        parts[_key(finding)].append(finding)
    return {
        key: _Bad(min((one.severity for one in found), key=_rank), sum(one.held_back for one in found), len(found))
        for key, found in parts.items()
    }


def _over(
    mute: Mute,
    present: Mapping[Key, _Bad],
    checked: Collection[tuple[str, str]],
    at: datetime,
    *,
    whole: bool,
) -> str | None:
    if at >= mute.until:
        return "its time is over"
    if _key_of(mute) in present:
        return _worse(mute, present)
    judged = whole or mute.of.tenant_id != SERVICE
    looked = mute.of.code, mute.of.subject if mute.of.code == COULD_NOT_CHECK else ""
    return "the finding has cleared" if judged and looked in checked else None


def _worse(mute: Mute, present: Mapping[Key, _Bad]) -> str | None:
    bad = present.get(_key_of(mute), _Bad())
    if _rank(bad.severity) < _rank(Severity(mute.of.severity)):
        return f"it got worse: {mute.of.severity} before, {bad.severity} now"
    if bad.held_back > mute.of.held_back:
        return f"it got worse: {count(mute.of.held_back, 'lead')} held back before, {bad.held_back:,} now"
    if bad.findings > mute.of.findings:
        return f"it got worse: {count(bad.findings, 'finding')}, {mute.of.findings:,} before"
    return None


def _muted(mute: Mute) -> Muted:
    return Muted(mute.until, mute.actor, mute.why, mute.at)


def _rank(severity: Severity) -> int:
    return list(Severity).index(severity)


def _key(finding: Finding) -> Key:
    return finding.code, finding.subject.kind, finding.subject.name


def _key_of(mute: Mute) -> Key:
    return mute.of.code, mute.of.kind, mute.of.subject
