"""What draining did: of one batch, of a turn, or of a whole run; it can be added up."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from router.domain.reason import Reason
from router.store.lane import OrderKey
from router.telemetry.instruments import Phase


class LaneOutcome(StrEnum):
    """How a lane transaction ended: a batch was done (perhaps with nothing in it), or the lane was not ours to use."""

    DONE = "done"
    LOCKED = "locked"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Drained:
    """What one batch or several did.

    `tenant` is the name, None where the lane was locked. `more` = another batch would find work at once; `stuck` =
    leads that should be taken are locked by another session; `waits_s` = seconds from queueing to assignment (median,
    longest); `cursor` = the last ready lead, when there may be more after it; `look_s` = seconds of the first claim;
    `phases_s` = seconds that went into each phase; `ranks` = those of its ready leads; `looked_at` = when it saw that
    no ready lead was left that could be taken (None = there may be some).
    """

    outcome: LaneOutcome = LaneOutcome.DONE
    tenant: str | None = None
    batches: int = 0
    assigned: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    parked: Counter[Reason] = field(default_factory=Counter)
    more: bool = False
    stuck: bool = False
    waits_s: tuple[float, float] | None = None
    cursor: OrderKey | None = None
    look_s: float = 0.0
    phases_s: dict[Phase, float] = field(default_factory=dict)
    ranks: frozenset[int] = frozenset()
    looked_at: datetime | None = None

    @property
    def leads(self) -> int:
        """All about which something was decided."""
        return self.assigned + self.refused.total() + self.parked.total()

    def __add__(self, later: "Drained") -> "Drained":
        """Both together; how it ended is as the later one says."""
        return replace(
            later,
            batches=self.batches + later.batches,
            assigned=self.assigned + later.assigned,
            refused=self.refused + later.refused,
            parked=self.parked + later.parked,
        )
