"""What is asked of a batch. Needs no NumPy, so that commands which only estimate do not import it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What a batch may take: up to `ready` ready leads after a place in line (rank, queued at, lead; None = from the
    top), and beside them, of waiting and of due ones, `waiting_share` thousandths of that; or `lead_ids` and nothing
    else. With `since` only ready ones of these `ranks` that came from then on.

    `parked_for` = why these are parked instead of decided; `clock_given` = the lane's time is the caller's, not the
    database's.
    """

    ready: int = 2000
    waiting_share: int = 250
    after: tuple[int, datetime, int] | None = None
    since: datetime | None = None
    ranks: tuple[int, ...] = ()
    lead_ids: Sequence[int] | None = None
    parked_for: str = ""
    clock_given: bool = False

    @property
    def first(self) -> int:
        """So many of the ready ones are claimed first; if as many are there, the rest is while these are decided."""
        return (self.ready + 1) // 2

    def waiting(self, ready_claimed: int) -> int:
        """Waiting leads never starve ready ones; without ready ones they may fill the batch."""
        return self.ready if not ready_claimed else max(1, self.ready * self.waiting_share // 1000)
