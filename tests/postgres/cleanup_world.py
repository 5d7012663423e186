"""A tenant that has worked for long: leads that were routed and closed, as if it had been years ago."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg
from opentelemetry.metrics import NoOpMeter

from ops.audit.audit import audit
from ops.cleanup.cleaner import Cleaner
from ops.cleanup.service import CleanupService
from router.runtime.lifeline import Lifeline, MonotonicClock
from router.settings.model import CleanupSettings
from router.store.assignments import Ending, end
from router.store.connections.connections import Connections, Part
from router.store.tenants import Tenant, all_tenants
from router.telemetry.instruments import Instruments
from tests.world import Tenancy, a_drain, lead, make_tenant, settle, simple_reps

AGES = {
    "flight": ("at",),
    "assignment": ("assigned_at",),
    "assignment_history": ("assigned_at", "ended_at"),
    "closed": ("closed_at",),
    "merged": ("merged_at",),
    "parked": ("parked_at",),
    "lead": ("created_at", "received_at"),
    "rep_load": ("day",),
    "change": ("at",),
    "event": ("at",),
    "tenant": ("created_at", "events_since"),
}


async def age(conn: asyncpg.Connection, days: int) -> None:
    """Everything that happened, happened so long before."""
    for table, columns in AGES.items():
        sets = ", ".join(
            f"{name} = {name} - {days}" if name == "day" else f"{name} = {name} - interval '{days} days'"
            for name in columns
        )
        await conn.execute(f"update {table} set {sets}")
    await conn.execute(
        f"update lane set last_at = last_at - interval '{days} days', latest_at = latest_at - interval '{days} days'"
    )


async def a_past(
    conn: asyncpg.Connection, connections: Connections, leads: int = 20, days: int = 800, name: str = "acme"
) -> Tenancy:
    """A tenant of which all but three of so many leads were closed so long ago, one of them with a duplicate."""
    tenant = await make_tenant(conn, simple_reps(3), name=name)
    taken = await tenant.accept([lead(n, declared_customer=f"c{n}") for n in range(leads)])
    await tenant.accept([lead(leads + 1, declared_customer="c0")])
    await settle(a_drain(connections), tenant.tenant_id)
    for number, lead_id in enumerate(taken.lead_ids[: leads - 3]):
        await end(conn, tenant.tenant_id, lead_id, Ending.WON if number % 2 else Ending.LOST)
    await settle(a_drain(connections), tenant.tenant_id)
    await age(conn, days)
    return tenant


def lent(connections: Connections) -> Callable[[], AbstractAsyncContextManager[Any]]:
    return lambda: connections.acquire(Part.DUTIES)


def just(conn: asyncpg.Connection) -> Callable[[], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def connect() -> AsyncIterator[asyncpg.Connection]:
        yield conn

    return connect


def a_cleaner(connections: Connections, holder: int = 1, **options: Any) -> Cleaner:
    settings = options.pop("settings", CleanupSettings(service="on", window="always"))
    return Cleaner(lent(connections), settings, holder, "test", Instruments(NoOpMeter("test")), **options)


async def tenants(conn: asyncpg.Connection) -> Sequence[Tenant]:
    return await all_tenants(conn)


async def clean(connections: Connections, conn: asyncpg.Connection, **options: Any) -> dict[str, int]:
    """Partitions, then all tenants; rows removed by table."""
    cleaner = a_cleaner(connections, **options)
    removed = dict(found.removed if (found := await cleaner.partitions()) else {})
    for tenant in await tenants(conn):
        for name, rows in (await cleaner.tenant(tenant)).removed.items():
            removed[name] = removed.get(name, 0) + rows
    return removed


async def sane(conn: asyncpg.Connection) -> dict[str, int]:
    """The audit finds nothing; returns the states."""
    found = await audit(conn)
    assert [(one.kind.name, one.examples) for one in found.violations] == []
    assert found.accepted == sum(found.states.values())
    return found.states


async def once(connections: Connections, settings: CleanupSettings) -> None:
    life = Lifeline(asyncio.Event(), MonotonicClock(), lambda _: None)
    await CleanupService(connections, settings, Instruments(NoOpMeter("test")), 5, "here").once(life)
