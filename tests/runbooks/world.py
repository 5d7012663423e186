"""What the incidents of runbooks are made of."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from router.domain.lead_in import LeadIn
from router.store.connections.connections import Connections
from tests.runbooks.incident import Incident
from tests.world import CATCH_ALL, Tenancy, a_drain, make_tenant, settle


@dataclass(frozen=True, slots=True)
class World:
    """A database of the incident `name`, and a folder in which commands are typed."""

    name: str
    url: str
    conn: asyncpg.Connection
    connections: Connections
    folder: Path

    async def acme(self, reps: bytes, rules: str = CATCH_ALL, leads: Iterable[LeadIn] = ()) -> Tenancy:
        """A tenant whose leads a router has seen."""
        tenant = await make_tenant(self.conn, reps, rules)
        await self.routed(tenant, leads)
        return tenant

    async def routed(self, tenant: Tenancy, leads: Iterable[LeadIn] = ()) -> None:
        """Accepts these leads; then a router works until nothing is ready."""
        await tenant.accept(leads)
        await settle(a_drain(self.connections), tenant.tenant_id)

    def incident(self, tenant: Tenancy, **more: Any) -> Incident:
        """The fault is there; after the fix a router works."""
        return Incident(self.name, self.url, self.conn, **{"by_itself": lambda: self.routed(tenant), **more})

    def has(self, file: str, text: str) -> None:
        """A file in the folder of the person who types."""
        (self.folder / file).write_text(text, encoding="utf-8")


Scene = Callable[[World], AbstractAsyncContextManager[Incident]]
__all__ = ["AsyncIterator", "Incident", "Scene", "World", "asynccontextmanager"]
