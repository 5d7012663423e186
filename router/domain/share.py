"""Fair shares by credit: an exact, integer form of earliest-eligible-deadline-first (EEVDF).

Source: Stoica and Abdel-Wahab, "Earliest Eligible Virtual Deadline First", 1995. Each rep has in each group a
credit in 2^-32 leads: what the rep deserves minus what the rep received. A lead adds `w / sum(w)` to every
candidate and takes what was added from the winner, so the sum over a group never changes. Eligible are those who
have at least their share of the candidates' summed credit; among them the one who would deserve the next whole
lead first, `(1 - credit) / w`, wins, then the lowest number. Who is absent keeps the credit unchanged: no debt,
no flood, no rule for joining.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

ONE_LEAD = 1 << 32
# Deadlines are compared in 2^-20 parts of a credit unit per thousandth of weight.
_DEADLINE_SHIFT = 20
NEVER = np.iinfo(np.int64).max
_SAFE_PRODUCT = 1 << 62

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stake:
    """What one kind of lead is worth to each of some candidates: weights, and what it adds to each credit."""

    weights: Int64
    total: int
    largest: int
    added: Int64
    added_sum: int

    @classmethod
    def of(cls, weights: Int64) -> "Stake":
        """`weights` in thousandths, all > 0, in the order of the candidates."""
        total = int(weights.sum())
        added = (weights << 32) // total
        return cls(weights, total, int(weights.max()), added << _DEADLINE_SHIFT, int(added.sum()) << _DEADLINE_SHIFT)


class Stakes(Protocol):
    """The stakes of a contest's candidates by kind of lead."""

    def __getitem__(self, kind: Any, /) -> Stake: ...


class Contest:
    """The candidates of one group in one batch. `positions` (roster indices) ascend.

    Inside, not credits are kept but what lacks to one whole lead, `1 - credit`, in the unit of deadlines (2^-52 leads):
    choosing then takes a division and a comparison.
    """

    __slots__ = ("_ahead", "_claims", "_deadline", "_lacks", "_stakes", "_summed", "positions")

    def __init__(self, positions: Int64, credits: Int64, stakes: Stakes) -> None:
        self.positions = positions
        self._stakes = stakes
        self._lacks = (ONE_LEAD - credits) << _DEADLINE_SHIFT
        # The candidates' summed credit is invariant under `choose`, so the limits hold for the whole contest.
        self._summed = int(credits.sum())
        self._claims: dict[object, tuple[Stake, Int64 | int]] = {}
        self._deadline = np.empty_like(self._lacks)
        self._ahead = np.empty(len(self._lacks), dtype=np.bool_)

    @property
    def credits(self) -> Int64:
        """What each candidate deserves minus what was received, in 2^-32 leads."""
        credits: Int64 = ONE_LEAD - (self._lacks >> _DEADLINE_SHIFT)
        return credits

    def choose(self, kind: object) -> int:
        """Gives one lead of a kind to a candidate, moves the credits, returns the winner's index into `positions`."""
        winner = int(self.deadlines(kind).argmin())
        stake = self._claims[kind][0]
        np.subtract(self._lacks, stake.added, out=self._lacks)
        self._lacks[winner] += stake.added_sum
        return winner

    def deadlines(self, kind: object) -> Int64:
        """When each candidate would deserve a whole lead, as numbers to compare; NEVER for whoever is ahead.

        The array is used again by the next call.
        """
        stake, limit = self._claims.get(kind) or self._claim(kind)
        deadline: Int64 = np.floor_divide(self._lacks, stake.weights, out=self._deadline)
        np.greater(self._lacks, limit, out=self._ahead)
        np.copyto(deadline, NEVER, where=self._ahead)
        return deadline

    def stake(self, kind: object) -> Stake:
        """What a kind of lead is worth to the candidates."""
        return self._stakes[kind]

    def _claim(self, kind: object) -> tuple[Stake, Int64 | int]:
        stake = self._stakes[kind]
        threshold = _threshold(stake, self._summed)
        claim = self._claims[kind] = (stake, (ONE_LEAD - threshold) << _DEADLINE_SHIFT)
        return claim


def _threshold(stake: Stake, summed: int) -> Int64 | int:
    """The least credit with which a candidate is eligible: the weight's share of the summed credit, rounded up."""
    if summed == 0:
        return 0
    if abs(summed) * stake.largest < _SAFE_PRODUCT:
        return -((-stake.weights * summed) // stake.total)
    return np.array([-((-int(w) * summed) // stake.total) for w in stake.weights], dtype=np.int64)
