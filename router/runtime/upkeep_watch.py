"""The duty that measures how the database itself fares: dead rows, sizes, and what keeps vacuum back."""

from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, Part
from router.store.upkeep import HELD_KINDS, held_now, table_rows
from router.telemetry.upkeep_instruments import UpkeepInstruments

INTERVAL_S = 15.0


class UpkeepService(Periodic):
    """Each instance measures for itself: what one shows must not depend on another."""

    name = "upkeep watch"
    failing = "cannot look at the tables"

    def __init__(
        self, connections: Connections, instruments: UpkeepInstruments, interval_s: float = INTERVAL_S
    ) -> None:
        self.interval_s = interval_s
        self._connections = connections
        self._instruments = instruments

    async def once(self, life: Lifeline) -> None:
        """One look."""
        async with self._connections.acquire(Part.DUTIES) as conn:
            held, tables = await held_now(conn), await table_rows(conn)
        found = {one.kind: one for one in held}
        for kind in HELD_KINDS:
            one = found.get(kind)
            self._instruments.held(kind, (one.seconds or 0.0) if one else 0.0, one.transactions if one else 0)
        self._instruments.slot_wal(max((one.wal_bytes for one in held), default=0))
        for table in tables:
            self._instruments.table(
                table.table,
                live=table.live,
                dead=table.dead,
                table_bytes=table.table_bytes,
                index_bytes=table.index_bytes,
            )
