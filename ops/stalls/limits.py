"""When something counts as a stall. What an operator may want otherwise is a setting; the rest is here."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """`after` = so long a condition must last. `oldest_after` = so long one lead may wait that should be taken.

    `assigned_share` of what came in the last hour must be assigned; below `minimum_leads` no ratio is judged.
    """

    after: timedelta = timedelta(seconds=30)
    oldest_after: timedelta = timedelta(minutes=15)
    assigned_share: float = 0.5
    minimum_leads: int = 20

    settled: timedelta = timedelta(seconds=5)
    """A lead that came in less than so long ago may still be assigned."""
    share_window: timedelta = timedelta(hours=1)
    """The share assigned is judged of what came in so long."""
    fresh_leads: int = 3
    """So many leads that no rep can take, and that came after the last assignment, are more than an odd one."""
    reason_windows: tuple[timedelta, ...] = (timedelta(minutes=1), timedelta(minutes=15))
    """A reason is judged in what came in so long, against what came before: soon, and where few leads come."""
    reason_leads: int = 5
    reason_share: float = 0.2
    reason_growth: float = 4.0
    """So many times its share of before a reason must have to dominate suddenly."""
    reason_share_alone: float = 0.5
    """Its share where there is too little from before to compare with."""
    reason_share_over: float = 0.1
    """Under this share it is over."""
    parked_leads: int = 5
    parked_share: float = 0.2
