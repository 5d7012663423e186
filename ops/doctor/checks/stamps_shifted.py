"""Sources whose stamps of creation are shifted by whole or half hours against arrival, or lie in the future."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops.doctor.finding import Confidence, Finding, NotApplicable, Severity, of_tenant
from ops.doctor.scene import Scene
from ops.doctor.shift import LEAST, OF_SOURCE, STEP, began, shift_of, words
from ops.waiting.restamp_ask import Ask
from router.domain.calendar import business_day
from router.domain.clocks import JUMP
from router.domain.worded import Worded, worded, worded_count
from router.store.rulesets import load_ruleset
from router.store.stamps import SourceStamps, Stamp, noticeable_stamps, stamps_of, unmatched_leads
from router.store.tenants import Tenant

CODE = "stamps_shifted"
LOOKED_BACK = timedelta(days=7)
_FUTURE_LEADS = 3


@dataclass(frozen=True, slots=True)
class _Impact:
    """`rules` = a rule asks when the lead was created; so many leads that no rule matches wait, the oldest since."""

    rules: bool
    unmatched: int
    oldest: datetime | None


async def look(scene: Scene) -> Sequence[Finding]:
    if not any(scene.accepted.values()):
        raise NotApplicable(worded("there are no leads"))
    ids, since = scene.tenant_ids, scene.at - LOOKED_BACK
    noticed = await noticeable_stamps(scene.conn, ids, since, OF_SOURCE, LEAST, JUMP)
    tenants = {tenant.tenant_id: tenant for tenant in scene.tenants}
    found = []
    for stamps in noticed:
        shift = shift_of(stamps)
        if shift is not None or stamps.future >= _FUTURE_LEADS:
            found.append(await _finding(scene, tenants[stamps.tenant_id], stamps, shift))
    return found


async def _finding(scene: Scene, tenant: Tenant, stamps: SourceStamps, shift: timedelta | None) -> Finding:
    leads = await stamps_of(scene.conn, tenant.tenant_id, stamps.source, scene.at - LOOKED_BACK)
    impact = await _impact(scene, tenant, stamps.source)
    shown = leads if shift is not None else [lead for lead in leads if lead.ahead > JUMP]
    stands = shift is not None and impact.unmatched > 0
    return Finding(
        CODE,
        Severity.CRITICAL if stands else Severity.WARNING if impact.rules or shift is None else Severity.INFO,
        of_tenant(tenant.name),
        _sentence(tenant, stamps, shift, leads[: stamps.leads], impact),
        tuple(_row(lead) for lead in shown[:10]),
        began(leads, shift) if shift is not None else min((lead.received_at for lead in shown), default=None),
        _command(tenant, stamps, shift if stands else None, shown),
        held_back=impact.unmatched if stands else 0,
        oldest=impact.oldest if stands else None,
        confidence=_confidence(shift),
    )


def _command(tenant: Tenant, stamps: SourceStamps, shift: timedelta | None, shown: Sequence[Stamp]) -> str | None:
    """What corrects the leads that wait, by that shift; else what shows one of them."""
    if shift is not None:
        return Ask(tenant, stamps.source, -shift).command("its times were of another zone", dry_run=True)
    return f"lead-router why {shown[0].lead_id} --tenant {tenant.name}" if shown else None


async def _impact(scene: Scene, tenant: Tenant, source: str) -> _Impact:
    if not tenant.ruleset or tenant.tenant_id in scene.unreadable:
        return _Impact(rules=False, unmatched=0, oldest=None)
    rules = await load_ruleset(scene.conn, tenant.tenant_id, tenant.ruleset)
    if not any(rule.match.created is not None for rule in rules.rules):
        return _Impact(rules=False, unmatched=0, oldest=None)
    return _Impact(True, *await unmatched_leads(scene.conn, tenant.tenant_id, source))


def _confidence(shift: timedelta | None) -> Confidence:
    """No lead comes before it is created; but a source may hold leads back for so long."""
    if shift is None or shift > timedelta(0):
        return Confidence.HIGH
    return Confidence.LOW if shift == -STEP else Confidence.MEDIUM


def _sentence(
    tenant: Tenant, stamps: SourceStamps, shift: timedelta | None, leads: Sequence[Stamp], impact: _Impact
) -> Worded:
    source = stamps.source or worded("(none)")
    if shift is None:
        return worded_count(
            "source {source}: {future} of the last {count:,} lead were created after they arrived",
            "source {source}: {future} of the last {count:,} leads were created after they arrived",
            stamps.leads,
            source=source,
            future=stamps.future,
        )
    other = sum(_day(lead.created_at, tenant) != _day(lead.created_at - shift, tenant) for lead in leads)
    sentence = worded_count(
        "source {source}: the creation times of its last {count:,} lead are {shift} their arrival, as in another time "
        "zone",
        "source {source}: the creation times of its last {count:,} leads are {shift} their arrival, as in another time "
        "zone",
        stamps.leads,
        source=source,
        shift=words(shift),
    ) + worded_count("; {count:,} lead is of another day for it", "; {count:,} leads are of another day for it", other)
    if impact.unmatched:
        sentence += worded_count(
            ", and {count:,} lead waits that no rule matches (rules ask when leads were created); correct its mapping "
            "for those to come, then those that wait",
            ", and {count:,} leads wait that no rule matches (rules ask when leads were created); correct its mapping "
            "for those to come, then those that wait",
            impact.unmatched,
        )
    elif impact.rules:
        sentence += worded(", and rules ask when leads were created")
    return sentence


def _day(moment: datetime, tenant: Tenant) -> object:
    return business_day(moment, tenant.time_zone).date


def _row(lead: Stamp) -> dict[str, object]:
    return {
        "lead": lead.lead_id,
        "external_id": lead.external_id,
        "created_at": lead.created_at.isoformat(timespec="seconds"),
        "received_at": lead.received_at.isoformat(timespec="seconds"),
    }
