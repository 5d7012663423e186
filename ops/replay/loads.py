"""How many leads each rep has, by rep number: as recorded, and in the replay."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


class Loads:
    """Open leads, and leads of the business day. Arrays are indexed by rep number and grow."""

    def __init__(self) -> None:
        self.open_counts: Int64 = np.zeros(64, dtype=np.int64)
        self.today_counts: Int64 = np.zeros(64, dtype=np.int64)

    def fit(self, rep_no: int) -> None:
        """Makes room for a rep number."""
        missing = rep_no + 1 - len(self.open_counts)
        if missing > 0:
            more = np.zeros(max(missing, len(self.open_counts)), dtype=np.int64)
            self.open_counts = np.concatenate([self.open_counts, more])
            self.today_counts = np.concatenate([self.today_counts, more])

    def new_day(self) -> None:
        """Nobody has had a lead today."""
        self.today_counts[:] = 0

    def give(self, opened: Sequence[int], today: Sequence[int] | None = None) -> None:
        """An open lead each, and a lead of the day each (None = the same); a rep as often as the number is there."""
        for reps, kind in ((opened, "open_counts"), (opened if today is None else today, "today_counts")):
            numbers = np.fromiter(reps, dtype=np.int64)
            if len(numbers):
                self.fit(int(numbers.max()))
                np.add.at(getattr(self, kind), numbers, 1)

    def end(self, rep_no: int) -> None:
        """One open lead less."""
        self.fit(rep_no)
        self.open_counts[rep_no] = max(0, self.open_counts[rep_no] - 1)


def follow_record(recorded: Loads, replayed: Loads, reps: Int64, open_counts: Int64, today_counts: Int64) -> bool:
    """Takes over the loads that a record tells of some reps; the replay is moved by as much as what was expected.

    So what the tables do not tell (an ending that was counted a batch later) is the same in both. Returns whether
    anything was moved.
    """
    if not len(reps):
        return False
    for loads in (recorded, replayed):
        loads.fit(int(reps.max()))
    open_moved = open_counts - recorded.open_counts[reps]
    today_moved = today_counts - recorded.today_counts[reps]
    if not open_moved.any() and not today_moved.any():
        return False
    recorded.open_counts[reps] = open_counts
    recorded.today_counts[reps] = today_counts
    replayed.open_counts[reps] = np.maximum(0, replayed.open_counts[reps] + open_moved)
    replayed.today_counts[reps] = np.maximum(0, replayed.today_counts[reps] + today_moved)
    return True
