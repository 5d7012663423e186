"""What the metrics show of a scene: how each tenant's leads stand, and what was found. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from ops.doctor.finding import Finding
from ops.doctor.scene import Scene
from ops.waiting.waiting import READY, Waiting
from router.domain.reason import Reason
from router.telemetry.standing_instruments import TenantStanding

# Whoever has a lead locked keeps it from a rep who could take it.
_PLACEABLE = frozenset({READY, Reason.DATABASE_BUSY.value})


def standings_of(scene: Scene) -> dict[str, TenantStanding]:
    """By the name of the tenant."""
    return {tenant.name: _standing(scene, tenant.tenant_id) for tenant in scene.tenants}


def _standing(scene: Scene, tenant_id: int) -> TenantStanding:
    waiting, states, lane = scene.waiting[tenant_id], scene.states[tenant_id], scene.lanes.get(tenant_id)
    paused = None if lane is None else lane.paused
    return TenantStanding(
        waiting=waiting.counts,
        parked={part.reason: part.leads for part in scene.parked.get(tenant_id, ())},
        states=states,
        oldest_s=_oldest_s(scene.at, waiting, None),
        placeable_s=_oldest_s(scene.at, waiting, _PLACEABLE),
        unaccounted=sum(states.values()) - scene.accepted[tenant_id],
        paused_s=0.0 if paused is None else _age_s(scene.at, paused.since or scene.at) or 1.0,
    )


def _oldest_s(at: datetime, waiting: Waiting, reasons: frozenset[str] | None) -> float:
    parts = (part for part in waiting.reasons if reasons is None or part.reason in reasons)
    return max((_age_s(at, part.oldest_queued_at) for part in parts), default=0.0)


def _age_s(at: datetime, since: datetime) -> float:
    return max(0.0, (at - since).total_seconds())


def counts_of(findings: Iterable[Finding]) -> Mapping[tuple[str, str], int]:
    """By code and severity, without what is muted."""
    return Counter((one.code, one.severity.value) for one in findings if one.muted is None)
