"""`status` for machines. The keys stay as they are: scripts read them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ops.maintenance.present import document as run_document
from ops.status.rates import Rates
from ops.status.status import Status, TenantStatus
from ops.status.verdict import verdict
from ops.waiting.chance_text import chance_document
from router.store.blocking.blocked import BlockedLeads
from router.store.cleanup import Run
from router.store.connections.server_capacity import ServerCapacity
from router.store.status import ParkedLeads, Paused


def document(found: Status) -> dict[str, Any]:
    """The JSON document."""
    return {
        "at": _time(found.at),
        "verdict": verdict(found).document(),
        "accepted": found.accepted,
        "states": found.states,
        "balanced": found.balanced,
        "waiting_by_reason": found.waiting,
        "parked_by_reason": found.parked,
        "oldest_waiting_at": _time(oldest(found.tenants)),
        "per_minute": _rounded(found.rates),
        "listeners": found.listeners,
        "connections": _connections(found.room),
        "partitions_cleaned": cleanup_document(found.partitions_cleaned),
        "findings": [finding.document() for finding in found.findings],
        "maintenance": [run_document(run, _names(found)) for run in found.maintenance],
        "tenants": [_tenant(tenant) for tenant in found.tenants],
        "tenants_away": list(found.away),
    }


def _names(found: Status) -> dict[int, str]:
    return {one.tenant.tenant_id: one.tenant.name for one in found.tenants}


def oldest(tenants: Iterable[TenantStatus]) -> datetime | None:
    """Since when the lead that has waited longest is queued."""
    return min((part.oldest_queued_at for tenant in tenants for part in tenant.waiting.reasons), default=None)


def _connections(room: ServerCapacity) -> dict[str, Any]:
    return {
        "wanted": room.wanted,
        "allowed": room.allowed,
        "in_use": room.sessions,
        "max_connections": room.max_connections,
        "reserved": room.reserved,
        "others": room.others,
        "instances": dict(room.instances),
        "problem": None if (excess := room.excess()) is None else str(excess),
    }


def _tenant(found: TenantStatus) -> dict[str, Any]:
    tenant, lane = found.tenant, found.lane
    return {
        "tenant": tenant.name,
        "time_zone": tenant.time_zone,
        "accepted": found.accepted,
        "states": found.states,
        "balanced": found.balanced,
        "waiting_by_reason": found.waiting.counts,
        "waiting": [
            {
                "reason": part.reason,
                "leads": part.leads,
                "oldest_queued_at": _time(part.oldest_queued_at),
                "next_recheck_at": _time(part.next_recheck_at),
                "next_chance": chance_document(part.next_chance),
                "parks_at": _time(part.parks_at),
                "waits_for": list(part.waits_for),
            }
            for part in found.waiting.reasons
        ],
        "looked_at_again": found.again.document(),
        "blocked_by": [_blocked(one) for one in found.waiting.blocked_by],
        "parked_by_reason": found.parked,
        "parked": [_parked(part) for part in found.parked_leads],
        "per_minute": _rounded(found.rates),
        "versions": {"ruleset": tenant.ruleset, "roster": tenant.roster, "rates": tenant.rates},
        "last_batch": {
            "number": lane.batch_no,
            "at": _time(lane.last_batch_at),
            "kind": lane.kind,
            "leads": lane.leads,
        },
        "next_visit_at": _time(lane.next_visit_at),
        "paused": None if lane.paused is None else _paused(lane.paused),
        "warnings": [finding.sentence for finding in found.findings if finding.muted is None],
        "cleaned": cleanup_document(found.cleaned),
        "lane_held_by": None if lane.holder is None else {**asdict(lane.holder), "since": _time(lane.holder.since)},
    }


def cleanup_document(run: Run | None) -> dict[str, Any] | None:
    """A run of cleanup; None = there was none yet."""
    if run is None:
        return None
    times = {"began_at": _time(run.began_at), "ended_at": _time(run.ended_at), "done_at": _time(run.done_at)}
    return {**times, "outcome": run.outcome, "by": run.actor, "removed": run.removed, "note": run.note}


def _parked(part: ParkedLeads) -> dict[str, Any]:
    return {
        "reason": part.reason,
        "leads": part.leads,
        "oldest_parked_at": _time(part.oldest),
        "newest_parked_at": _time(part.newest),
        "last_hour": part.last_hour,
        "last_day": part.last_day,
    }


def _paused(paused: Paused) -> dict[str, Any]:
    return {"until": _time(paused.until), "why": paused.why, "by": paused.by, "since": _time(paused.since)}


def _blocked(blocked: BlockedLeads) -> dict[str, Any]:
    session = blocked.session
    return {
        "pid": session.pid,
        "application": session.application,
        "user": session.role,
        "client": session.client or None,
        "since": _time(session.since),
        "holds": blocked.holds,
        "leads": blocked.leads,
        "query": session.query,
    }


def _rounded(rates: Rates) -> dict[str, float]:
    values: Mapping[str, float] = asdict(rates)
    return {what: round(value, 1) for what, value in values.items()}


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()
