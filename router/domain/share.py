"""Fair shares by credit: an exact, integer form of earliest-eligible-deadline-first (EEVDF).

Source: Stoica and Abdel-Wahab, "Earliest Eligible Virtual Deadline First", 1995. Each rep has in each group a
credit in 2^-32 leads: what the rep deserves minus what the rep received. A lead adds `w / sum(w)` to every
candidate and takes what was added from the winner, so the sum over a group never changes. Eligible are those who
have at least their share of the candidates' summed credit; among them the one who would deserve the next whole
lead first, `(1 - credit) / w`, wins, then the lowest number. Who is absent keeps the credit unchanged: no debt,
no flood, no rule for joining.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

ONE_LEAD = 1 << 32
# Deadlines are compared in 2^-20 parts of a credit unit per thousandth of weight.
_DEADLINE_SHIFT = 20
NEVER = np.iinfo(np.int64).max
_SAFE_PRODUCT = 1 << 62

Int64 = NDArray[np.int64]


@dataclass(slots=True)
class Claim:
    """What one kind of lead is worth to each candidate: weights and what a lead adds to each credit."""

    weights: Int64
    added: Int64
    added_sum: int
    threshold: Int64


@dataclass(slots=True)
class Contest:
    """The candidates of one group in one batch. `positions` (roster indices) ascend; `credits` is changed in place."""

    positions: Int64
    credits: Int64
    _claims: dict[object, Claim] = field(default_factory=dict)

    def claim(self, kind: object, weights: Int64) -> Claim:
        """The claim for a kind of lead; `weights` (thousandths, all > 0) are those of the candidates, in order."""
        known = self._claims.get(kind)
        if known is None:
            known = self._claims[kind] = _claim(weights, self.credits)
        return known

    def known_claim(self, kind: object) -> Claim | None:
        return self._claims.get(kind)

    def choose(self, claim: Claim) -> int:
        """Gives one lead to a candidate, moves the credits and answers the winner's index into `positions`."""
        winner = int(self.deadlines(claim).argmin())
        self.credits += claim.added
        self.credits[winner] -= claim.added_sum
        return winner

    def deadlines(self, claim: Claim) -> Int64:
        """When each candidate would deserve a whole lead, as numbers to compare; NEVER for whoever is ahead."""
        deadline = ((ONE_LEAD - self.credits) << _DEADLINE_SHIFT) // claim.weights
        deadline[self.credits < claim.threshold] = NEVER
        return deadline


def _claim(weights: Int64, credits: Int64) -> Claim:
    total = int(weights.sum())
    # The candidates' summed credit is invariant under `choose`, so the threshold holds for the whole contest.
    summed = int(credits.sum())
    if abs(summed) * int(weights.max()) < _SAFE_PRODUCT:
        threshold = -((-weights * summed) // total)
    else:
        threshold = np.array([-((-int(w) * summed) // total) for w in weights], dtype=np.int64)
    added = (weights << 32) // total
    return Claim(weights, added, int(added.sum()), threshold)
