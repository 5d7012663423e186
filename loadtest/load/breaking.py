"""When a ramp has broken the service. Pure."""

from collections import deque
from dataclasses import dataclass, field

from loadtest.load.plan import Abort

_LEAST = 20


@dataclass
class Watch:
    """Looks at what was answered during the last seconds."""

    limits: Abort
    _seen: deque[tuple[float, bool]] = field(default_factory=deque)
    _bad: int = 0

    def note(self, at_s: float, waited_s: float, *, failed: bool) -> None:
        """One more answer, or a request that was dropped."""
        bad = failed or waited_s > self.limits.slower_than_s
        self._seen.append((at_s, bad))
        self._bad += bad
        while self._seen and self._seen[0][0] < at_s - self.limits.within_s:
            self._bad -= self._seen.popleft()[1]

    @property
    def broken(self) -> bool:
        """Whether too many of them failed or were slow."""
        return len(self._seen) >= _LEAST and self._bad * 100 > len(self._seen) * self.limits.percent
