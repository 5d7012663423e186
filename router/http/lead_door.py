"""The way in for leads over HTTP: what reads them, what commits single ones, what stores batches."""

from router.http.lead_readers import LeadReaders
from router.intake.group_commit import GroupCommit
from router.intake.lead_intake import Journal, LeadIntake
from router.store.connections.connections import Connections
from router.telemetry.intake_instruments import IntakeInstruments


class LeadDoor:
    """One per process. `journal` keeps leads while PostgreSQL is away (None = they are not taken in)."""

    def __init__(
        self, connections: Connections, instruments: IntakeInstruments, journal: Journal | None = None
    ) -> None:
        self.intake = LeadIntake(connections, instruments, journal)
        self.singles = GroupCommit(self.intake)
        self.readers = LeadReaders(connections)
        instruments.begins()

    async def close(self, deadline_s: float) -> None:
        """Waits for the commits under way."""
        await self.singles.close(deadline_s)
