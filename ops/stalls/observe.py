"""Reads what the stall watch judges: a tenant's waiting leads with their reasons, and where the last arrivals are."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from ops.stalls.tenant_look import Arrival, Fate, TenantLook
from ops.waiting.judge import judge_pool
from ops.waiting.waiting import Waiting, WaitingLeads, WaitsFor
from router.drain.presence import Presence
from router.store.blocking.blocked import Blocked
from router.store.engines import Engines
from router.store.stalls import WatchedTenant, last_arrivals
from router.store.statements import Connection, Row
from router.store.status import pool_size

ARRIVALS = 1000
PARKED_WINDOW = timedelta(hours=1)
UNREADABLE = "rules_unreadable"
"""In place of a reason, where the rules or the roster in force cannot be read: then nothing is routed."""


async def observe(
    conn: Connection,
    presence: Presence,
    tenant: WatchedTenant,
    blocked: Blocked,
    parked: Mapping[str, int],
    assigned_at: datetime | None,
    engines: Engines,
) -> TenantLook:
    """One tenant now, read in one snapshot. `parked` = leads parked in PARKED_WINDOW, by reason."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        try:
            waiting, judged = await judge_pool(conn, presence, tenant.tenant_id, None, blocked, engines, outlook=False)
        except (LookupError, ValueError):
            # Rules or a roster that are gone, or that this version cannot read.
            waiting, judged = await _unreadable(conn, tenant), {}
        rows = await last_arrivals(conn, tenant.tenant_id, ARRIVALS)
    known = (_arrival(row, judged) for row in rows)
    arrivals = tuple(one for one in known if one is not None)
    since = tenant.now - PARKED_WINDOW
    if len(rows) == ARRIVALS:
        since = max(since, rows[-1]["received_at"])
    return TenantLook(
        tenant.now,
        waiting,
        tenant.paused,
        tenant.last_batch_at,
        assigned_at,
        arrivals,
        parked,
        since if parked else None,
    )


def _arrival(row: Row, judged: Mapping[int, WaitsFor | None]) -> Arrival | None:
    at, wake_key, parked, merged = row
    if merged:
        return None
    if parked is not None:
        return Arrival(at, Fate.PARKED, parked)
    if wake_key is None:
        return Arrival(at, Fate.PLACED)
    why = judged.get(wake_key)
    return None if why is None or why.planned else Arrival(at, Fate.STUCK, str(why.reason))


async def _unreadable(conn: Connection, tenant: WatchedTenant) -> Waiting:
    leads, oldest = await pool_size(conn, tenant.tenant_id)
    if oldest is None:
        return Waiting(tenant.tenant_id, tenant.now, ())
    part = WaitingLeads(UNREADABLE, leads, oldest, None, (), leads, oldest)
    return Waiting(tenant.tenant_id, tenant.now, (part,))
