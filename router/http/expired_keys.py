"""Deletes idempotency keys that have expired, in small batches."""

from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, Part
from router.store.idempotency import delete_expired
from router.store.tenants import all_tenants

_BATCH = 1_000
_ROUNDS = 20
"""Batches of one tenant before it is the next one's turn; the rest is deleted next time."""


class ExpiredKeysService(Periodic):
    """A service. Several instances at once pass over each other's rows."""

    name = "expired keys"
    failing = "expired idempotency keys not deleted"
    interval_s = 60.0
    deadline_s = None

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def once(self, life: Lifeline) -> None:
        """Each batch is a transaction of its own, and gives its connection back."""
        async with self._connections.acquire(Part.DUTIES) as conn:
            tenants = await all_tenants(conn)
        for tenant in tenants:
            for _ in range(_ROUNDS):
                if life.stopping or await self._delete(tenant.tenant_id) < _BATCH:
                    break
                self.works(life)

    async def _delete(self, tenant_id: int) -> int:
        async with self._connections.acquire(Part.DUTIES) as conn:
            return await delete_expired(conn, tenant_id, _BATCH)
