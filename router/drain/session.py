"""What a router remembers of one tenant between batches. Losing it costs time, nothing else."""

from dataclasses import dataclass, field
from datetime import datetime

from router.domain.engine import Engine
from router.drain.gate import Gate
from router.drain.lane_state import LaneState
from router.drain.presence import Presence
from router.drain.quarantine import Bisection
from router.store.engines import Engines, Versions
from router.store.lane import OrderKey
from router.store.processes import OwnProcess


@dataclass(slots=True)
class TenantSession:
    """Of one tenant; `engines`, `presence`, `process` (this one) and its `gate` are shared by all.

    `cursor` = where the next claim goes on; `look_from_top_at` = when it begins at the top again (monotonic seconds);
    `looked_at` = when no ready lead was left that could be taken, by the database's clock (None = there may be some),
    `ranks` = those that ready leads had; `rest_until_s` = no batch before then (monotonic seconds);
    `failed` = the last transaction ended with an error here; `judged_at_s` = when it was last asked whether a process
    had crashed; `failures` in a row, `problem` = the first of them, `blocker` = who has locked what is needed, and
    until when (monotonic seconds) the tenant is left alone for them.
    """

    tenant_id: int
    engines: Engines = field(default_factory=Engines)
    presence: Presence = field(default_factory=Presence)
    process: OwnProcess = field(default_factory=OwnProcess)
    gate: Gate = field(default_factory=Gate)
    name: str | None = None
    state: LaneState | None = None
    cursor: OrderKey | None = None
    look_from_top_at: float = 0.0
    looked_at: datetime | None = None
    ranks: set[int] = field(default_factory=set)
    rest_until_s: float = 0.0
    bisection: Bisection = field(default_factory=Bisection)
    failed: bool = False
    judged_at_s: float | None = None
    failures: int = 0
    problem: str = ""
    blocker: str = ""
    retry_at_s: float = 0.0

    def __str__(self) -> str:
        """For metrics and logs; the number until a lane transaction has read the name."""
        return self.name or str(self.tenant_id)

    def trouble_is_over(self) -> None:
        self.failures, self.retry_at_s, self.problem, self.blocker = 0, 0.0, "", ""

    def forget_state(self) -> None:
        """It may be wrong: read it again."""
        self.state = self.cursor = self.looked_at = None

    def engine(self, versions: Versions) -> Engine | None:
        """The engine of these versions, when it is here: also one that the shared cache has dropped."""
        if self.state is not None and self.state.engine.versions == versions:
            return self.state.engine
        return self.engines.known(self.tenant_id, versions)
