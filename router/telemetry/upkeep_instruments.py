"""What is measured of the database's own upkeep. `docs/metrics.md` lists the same names."""

from opentelemetry.metrics import Meter


class UpkeepInstruments:
    """Records on a meter, under `namespace`."""

    def __init__(self, meter: Meter, namespace: str) -> None:
        self._held_s = meter.create_gauge(f"{namespace}.vacuum.held", "s", "Age of what keeps vacuum back, by kind")
        self._held = meter.create_gauge(
            f"{namespace}.vacuum.held_transactions", "{transaction}", "Transactions since then, by kind"
        )
        self._slot_wal = meter.create_gauge(f"{namespace}.vacuum.slot_wal", "By", "Log kept for a replication slot")
        self._dead = meter.create_gauge(f"{namespace}.table.dead_rows", "{row}", "Dead rows of a table")
        self._live = meter.create_gauge(f"{namespace}.table.live_rows", "{row}", "Live rows of a table")
        self._size = meter.create_gauge(f"{namespace}.table.size", "By", "Size of a table and of its indexes")

        self._turns = meter.create_gauge(
            f"{namespace}.maintenance.turns", "{turn}", "Turns of foreign maintenance, by state"
        )
        self._cleaned = meter.create_gauge(
            f"{namespace}.maintenance.removed_in_day", "{row}", "Rows that foreign maintenance removed in a day"
        )
        self._not_now = meter.create_gauge(
            f"{namespace}.maintenance.refused_in_day", "{question}", "Times in a day that it got no turn"
        )

    def held(self, kind: str, seconds: float, transactions: int) -> None:
        """What keeps vacuum back most, of a kind; 0 = nothing of it."""
        self._held_s.set(seconds, {"kind": kind})
        self._held.set(transactions, {"kind": kind})

    def slot_wal(self, size: int) -> None:
        """Bytes of log that are kept for the slot that is furthest behind."""
        self._slot_wal.set(size)

    def table(self, table: str, *, live: int, dead: int, table_bytes: int, index_bytes: int) -> None:
        """One look at a table."""
        self._dead.set(dead, {"table": table})
        self._live.set(live, {"table": table})
        self._size.set(table_bytes, {"table": table, "part": "table"})
        self._size.set(index_bytes, {"table": table, "part": "indexes"})

    def maintenance_seen(self, open_: int, overrun: int, removed: int, refused: int) -> None:
        """Once per look: turns that scripts of others have, and that are past their end; rows and refusals of a day."""
        self._turns.set(open_, {"state": "open"})
        self._turns.set(overrun, {"state": "overrun"})
        self._cleaned.set(removed)
        self._not_now.set(refused)
