"""Where the time of a piece of work goes."""

from dataclasses import dataclass, field
from time import perf_counter

from router.telemetry.instruments import Phase


@dataclass(slots=True)
class Stopwatch:
    """Laps in seconds; a phase that comes twice adds up."""

    laps_s: dict[Phase, float] = field(default_factory=dict)
    _since: float = field(default_factory=perf_counter)

    def lap(self, phase: Phase) -> None:
        """The time since the last lap went into `phase`."""
        now = perf_counter()
        self.laps_s[phase] = self.laps_s.get(phase, 0.0) + now - self._since
        self._since = now
