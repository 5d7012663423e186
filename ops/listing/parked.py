"""Parked leads: why, since when, and the commands that send them back once the cause is fixed."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ops.listing.lead_filter import LeadFilter, State
from ops.listing.lead_row import LeadRow
from ops.listing.leads import list_leads
from router.drain.presence import Presence
from router.store import status as store
from router.store.leads import database_clock
from router.store.statements import Connection
from router.store.status import ParkedDetail, ParkedLeads
from router.store.tenants import Tenant

DETAILS = 3
"""So many sentences of a reason are shown."""


@dataclass(frozen=True, slots=True)
class ParkedForReason:
    """The parked leads of one reason, and what most of them say of it."""

    counted: ParkedLeads
    details: tuple[ParkedDetail, ...]


@dataclass(frozen=True, slots=True)
class ParkedOfTenant:
    """By reason, the most leads first; `newest` are the newest of these leads, as a list shows them."""

    tenant: Tenant
    reasons: tuple[ParkedForReason, ...]
    newest: tuple[LeadRow, ...]

    @property
    def leads(self) -> int:
        """Of all these reasons."""
        return sum(one.counted.leads for one in self.reasons)


@dataclass(frozen=True, slots=True)
class Parked:
    """Of tenants, as of a moment (UTC); those without parked leads are left out."""

    as_of: datetime
    tenants: tuple[ParkedOfTenant, ...]


async def parked(
    conn: Connection, presence: Presence, tenants: Sequence[Tenant], reason: str | None, newest: int
) -> Parked:
    """Parked leads of these tenants, for one `reason` (None = all), and of each the `newest`."""
    at = await database_clock(conn)
    ids = [tenant.tenant_id for tenant in tenants]
    counts = await store.parked_leads(conn, ids, at)
    details = await store.parked_details(conn, ids, reason, DETAILS)
    found = []
    for tenant in tenants:
        key = tenant.tenant_id
        parts = [part for part in counts.get(key, ()) if reason in (None, part.reason)]
        if not parts:
            continue
        asked = LeadFilter(state=State.PARKED, reason=reason)
        page = await list_leads(conn, presence, key, asked, limit=newest) if newest else None
        reasons = tuple(ParkedForReason(part, details.get((key, part.reason), ())) for part in parts)
        found.append(ParkedOfTenant(tenant, reasons, page.leads if page else ()))
    return Parked(at, tuple(found))


def commands(tenant: str, reason: str) -> dict[str, str]:
    """What to type: the page about the reason, what would be sent back, and sending it back."""
    retry = f"lead-router retry --reason {reason} --tenant {shlex.quote(tenant)}"
    return {"runbook": f"lead-router runbook {reason}", "try": f"{retry} --dry-run", "send_back": retry}


def document(found: Parked, meanings: Mapping[str, str]) -> dict[str, Any]:
    """For `--json`; `meanings` are the words of reasons."""
    return {
        "as_of": found.as_of.isoformat(),
        "tenants": [
            {
                "tenant": of.tenant.name,
                "parked": of.leads,
                "reasons": [_reason(of.tenant.name, one, meanings) for one in of.reasons],
                "newest": msgspec.to_builtins(of.newest),
            }
            for of in found.tenants
        ],
    }


def _reason(tenant: str, one: ParkedForReason, meanings: Mapping[str, str]) -> dict[str, Any]:
    part = one.counted
    return {
        "reason": part.reason,
        "meaning": meanings.get(part.reason, ""),
        "leads": part.leads,
        "oldest_parked_at": part.oldest.isoformat(),
        "newest_parked_at": part.newest.isoformat(),
        "last_hour": part.last_hour,
        "last_day": part.last_day,
        "details": [{"detail": it.detail, "leads": it.leads, "example": it.example} for it in one.details],
        "commands": commands(tenant, part.reason),
    }
