"""Removing a tenant with all that is its own, in one transaction: it is there as a whole, or gone as a whole."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from ops.cleanup.catalogue import TABLES
from router.domain.phrases import count
from router.store import tenant_removal as store
from router.store.changes import SERVICE, Change, record_change
from router.store.lane import LaneLimits, hold_waiting
from router.store.statements import Connection
from router.store.tenants import Tenant

_FIRST = ("tenant", "lane")
"""What nobody must find any more while the rest goes."""
STRAGGLERS_S = 30.0
_LOOK_S = 0.2
_LIMITS = LaneLimits(statement_ms=3_600_000, idle_ms=60_000)
"""A table of millions of rows takes minutes."""


@dataclass(slots=True)
class Removal:
    """The tenant's rows by table, those that there are; `journalled` = leads that instances still keep in journals."""

    rows: Counter[str] = field(default_factory=Counter)
    journalled: int = 0

    @property
    def leads(self) -> int:
        """Leads that are stored."""
        return self.rows["lead"]


class CannotRemove(Exception):
    """The tenant cannot be removed now; nothing was changed. The message says why."""


async def what_is_of(conn: Connection, tenant: Tenant) -> Removal:
    """What would be removed."""
    found = Removal()
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        for name in _names():
            if rows := await store.count_rows(conn, name, tenant.tenant_id):
                found.rows[name] = rows
        found.journalled = await store.in_journals(conn, tenant.tenant_id)
    return found


async def remove_tenant(conn: Connection, tenant: Tenant, *, actor: str, why: str = "") -> Removal:
    """Removes the tenant, recorded among the changes of the service; returns what was removed.

    What was being stored at that moment is removed as soon as it is committed. Raises CannotRemove, and
    errors.LockNotAvailable when somebody keeps the lane or one of the rows.
    """
    removed = Removal()
    async with conn.transaction():
        if not await store.hold_tenant(conn, tenant.tenant_id):
            raise CannotRemove(f"tenant {tenant.name} is gone already")
        # A batch that is under way ends first; none begins after it.
        with suppress(LookupError):
            await hold_waiting(conn, tenant.tenant_id, None, _LIMITS)
        if kept := await store.in_journals(conn, tenant.tenant_id):
            raise CannotRemove(
                f"journals hold {count(kept, 'lead')} of tenant {tenant.name}; nothing was removed "
                "(lead-router journal list shows them; they are drained while the database is there)"
            )
        for name in _names():
            if rows := await store.remove_rows(conn, name, tenant.tenant_id):
                removed.rows[name] = rows
        number = await store.own_transaction(conn)
        rows = sum(removed.rows.values())
        counted = f"{count(removed.leads, 'lead')} and {count(removed.rows['rep'], 'rep')}, {rows} rows in all"
        change = Change(actor, "tenants remove", tenant.name, f"{counted}; time zone {tenant.time_zone}", "", why)
        await record_change(conn, SERVICE, change)
    await _remove_stragglers(conn, tenant, number)
    return removed


async def _remove_stragglers(conn: Connection, tenant: Tenant, number: int) -> None:
    """Intakes that had begun before may have stored leads since: once all of those have ended, nothing more comes."""
    deadline = monotonic() + STRAGGLERS_S
    while not await store.is_oldest(conn, number) and monotonic() < deadline:
        await asyncio.sleep(_LOOK_S)
    async with conn.transaction():
        for name in _names():
            await store.remove_rows(conn, name, tenant.tenant_id)


def _names() -> Sequence[str]:
    """All tables, those first that nobody must find any more."""
    return [*_FIRST, *(table.name for table in TABLES if table.name not in _FIRST)]
