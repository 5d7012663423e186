"""The way in for leads over HTTP: what reads them, what commits single ones, what stores batches;
the sources of forms and webhooks.
"""

from router.http.failed_attempts import FailedAttempts
from router.http.lead_readers import LeadReaders
from router.http.source_book import SourceBook
from router.http.source_doors import SourceDoors
from router.intake.group_commit import GroupCommit
from router.intake.lead_intake import Journal, LeadIntake
from router.store.connections.connections import Connections
from router.telemetry.intake_instruments import IntakeInstruments


class LeadDoor:
    """One per process. `journal` keeps leads while PostgreSQL is away (None = they are not taken in); `failed` counts
    keys that open nothing.
    """

    def __init__(
        self,
        connections: Connections,
        instruments: IntakeInstruments,
        journal: Journal | None = None,
        failed: FailedAttempts | None = None,
    ) -> None:
        self.journal = journal
        self.intake = LeadIntake(connections, instruments, journal)
        self.singles = GroupCommit(self.intake)
        self.readers = LeadReaders(connections)
        self.sources = SourceDoors(connections, failed)
        self.book = SourceBook()
        instruments.begins()

    async def close(self, deadline_s: float) -> None:
        """Waits for the commits under way."""
        await self.singles.close(deadline_s)
