"""How hard cleanup may work: it rests while leads wait or others clean, and stops where the drain gets slower."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

LONGEST_REST_S = 5.0
SHORTEST_REST_S = 0.005
SPAN_S = 3.0
"""For so long the drain is watched before it is judged."""


def rest_s(worked_s: float, busy_share: float, *, gives_way: bool) -> float:
    """How long to rest after a batch (seconds): where cleanup gives way, so that work is `busy_share` of the time."""
    if not gives_way:
        return SHORTEST_REST_S
    return min(LONGEST_REST_S, max(SHORTEST_REST_S, worked_s * (1 / busy_share - 1)))


@dataclass(slots=True)
class Brake:
    """Compares the drain beside cleanup with the drain before it. `share` = by how much it may get slower.

    Only times all through which leads were ready count: a drain with nothing to do is not slow. It brakes when two
    spans in a row were too slow.
    """

    share: float
    usual: float | None = None
    slow: int = 0
    _began: datetime | None = None
    _leads: int = 0
    seen: deque[float] = field(default_factory=lambda: deque(maxlen=20))

    def watch(self, at: datetime, leads: int, *, ready: bool, cleaning: bool) -> bool:
        """One look: `leads` routed since the look before, whether some are `ready`; returns whether to stop."""
        if not ready or self._began is None:
            self._began, self._leads = (at, 0) if ready else (None, 0)
            return False
        self._leads += leads
        lasted = (at - self._began).total_seconds()
        if lasted < SPAN_S:
            return False
        rate = self._leads / lasted
        self._began, self._leads = at, 0
        self.seen.append(rate)
        if not cleaning:
            self.usual = rate
            return False
        if self.usual is None:
            return False
        self.slow = self.slow + 1 if rate < self.usual * (1 - self.share) else 0
        return self.slow >= 2

    @property
    def words(self) -> str:
        """What was seen."""
        now = self.seen[-1] if self.seen else 0.0
        return f"the drain routed {now:,.0f} leads/s, {self.usual or 0:,.0f} before cleanup"
