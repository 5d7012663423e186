"""What reps sold lately, as of a moment: the history that raises or lowers a rep's weight for one lead."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from router.domain.roster import MILLI

# A rep's factor stays within a tenth and ten times of the average, so that nobody is starved by history.
SMALLEST_FACTOR = MILLI // 10
LARGEST_FACTOR = MILLI * 10


@dataclass(frozen=True, slots=True)
class Tally:
    """Leads that a rep (or everybody) got, and those of them that were won."""

    leads: int = 0
    wins: int = 0


@dataclass(frozen=True)
class Rates:
    """A snapshot. Keys are rep numbers and folded segment values; `sold` are folded products."""

    version: int = 0
    as_of: datetime | None = None
    by_segment: Mapping[str, Mapping[int, Tally]] = field(default_factory=dict)
    sold: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def close_rate_factors(self, segment: str | None, prior_leads: int) -> dict[int, int]:
        """Factor in thousandths per rep that has a tally on the segment; whoever is not in it counts as average.

        The rep's smoothed rate, `(wins + prior * p) / (leads + prior)`, over everybody's rate `p`, in whole numbers.
        """
        tallies = self.by_segment.get(segment, {}) if segment is not None else {}
        leads = sum(t.leads for t in tallies.values())
        wins = sum(t.wins for t in tallies.values())
        if wins == 0:
            return {}
        factors = {}
        for rep, tally in tallies.items():
            rate = MILLI * (tally.wins * leads + prior_leads * wins) // max(1, (tally.leads + prior_leads) * wins)
            factors[rep] = min(max(rate, SMALLEST_FACTOR), LARGEST_FACTOR)
        return factors
