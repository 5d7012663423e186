"""The service that shows foreign maintenance as metrics."""

from datetime import timedelta

from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, Part
from router.store.leads import database_clock
from router.store.maintenance import totals
from router.telemetry.instruments import Instruments

INTERVAL_S = 15.0
_DAY = timedelta(days=1)


class MaintenanceWatchService(Periodic):
    """Only reads."""

    name = "maintenance watch"
    failing = "cannot look at foreign maintenance"

    def __init__(self, connections: Connections, instruments: Instruments, interval_s: float = INTERVAL_S) -> None:
        self.interval_s = interval_s
        self._connections = connections
        self._instruments = instruments

    async def once(self, life: Lifeline) -> None:
        """One look at all tenants."""
        async with self._connections.acquire(Part.DUTIES) as conn:
            found = await totals(conn, await database_clock(conn) - _DAY)
        self._instruments.upkeep.maintenance_seen(found.open, found.overrun, found.removed, found.refused)
