"""Pausing a tenant and ending the pause: under the lane, so that no batch runs past it; recorded with who and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from router.domain.written_time import written
from router.store.assignments import LOCK_TIMEOUT_MS
from router.store.changes import Change, record_change
from router.store.hints import call_routers
from router.store.statements import Connection, load
from router.store.tenants import Tenant
from router.store.transactions import limit_transaction, retried

_SQL = load("pauses")


@dataclass(frozen=True, slots=True)
class Pause:
    """Until when (UTC) nothing of a tenant is routed, and why."""

    until: datetime
    why: str

    def __str__(self) -> str:
        return f"until {written(self.until, seconds=True)}: {self.why}"


@retried
async def pause(conn: Connection, tenant: Tenant, span: timedelta, actor: str, why: str) -> tuple[Pause, Pause | None]:
    """Pauses the tenant for a span from now; returns the pause and the one that it replaces, if it was paused.

    A batch that runs is waited for. Raises asyncpg.LockNotAvailableError when somebody keeps the lane.
    """
    async with conn.transaction():
        before, now = await _hold(conn, tenant)
        made = Pause(now + span, why.replace("\x00", ""))
        await _SQL.set_pause.execute(conn, tenant_id=tenant.tenant_id, until=made.until, why=made.why)
        await call_routers(conn, tenant.tenant_id)
        change = Change(actor, "pause", tenant.name, str(before or ""), f"until {made.until.isoformat()}", why)
        await record_change(conn, tenant.tenant_id, change)
    return made, before


@retried
async def resume(conn: Connection, tenant: Tenant, actor: str, why: str) -> Pause | None:
    """Ends the tenant's pause; returns it, None when the tenant was not paused and nothing was changed.

    Raises asyncpg.LockNotAvailableError when somebody keeps the lane.
    """
    async with conn.transaction():
        before, _ = await _hold(conn, tenant)
        if before is None:
            return None
        await _SQL.set_pause.execute(conn, tenant_id=tenant.tenant_id, until=None, why=None)
        await call_routers(conn, tenant.tenant_id)
        await record_change(conn, tenant.tenant_id, Change(actor, "resume", tenant.name, str(before), "", why))
    return before


async def _hold(conn: Connection, tenant: Tenant) -> tuple[Pause | None, datetime]:
    """The pause that is in force, and the database's clock."""
    await limit_transaction(conn, LOCK_TIMEOUT_MS)
    row: asyncpg.Record | None = await _SQL.hold_pause.row(conn, tenant_id=tenant.tenant_id)
    if row is None:
        raise LookupError(f"tenant {tenant.name} has no lane")
    until = row["paused_until"]
    paused = until is not None and until > row["now"]
    return (Pause(until, row["paused_why"] or "") if paused else None), row["now"]
