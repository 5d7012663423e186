"""The service that notices that vacuum is held back, and says so to the drain."""

from router.drain.drain import Drain
from router.drain.held_back import LaneRows, is_held_back
from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Part
from router.store.upkeep import lane_rows
from router.telemetry.logs import get_logger

INTERVAL_S = 5.0

log = get_logger(__name__)


class HeldBackService(Periodic):
    """Of each process that drains, for its own drain."""

    name = "held back"
    failing = "cannot look whether vacuum is held back"

    def __init__(self, drain: Drain, interval_s: float = INTERVAL_S) -> None:
        self.interval_s = interval_s
        self._drain = drain

    async def once(self, life: Lifeline) -> None:
        """One look."""
        async with self._drain.connections.acquire(Part.DUTIES) as conn:
            rows = LaneRows(*await lane_rows(conn))
        held_back = is_held_back(rows)
        if held_back != self._drain.held_back:
            says = "vacuum is held back: batches are larger and rarer" if held_back else "vacuum is not held back now"
            log.info(says, dead_lane_rows=rows.dead, oldest_transaction_s=round(rows.oldest_s))
        self._drain.held_back = held_back
