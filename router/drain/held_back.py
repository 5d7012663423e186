"""What the drain does while somebody's old snapshot keeps vacuum back: fewer, larger batches that look at less. Pure.

Each batch leaves a dead version of the lane's row, of each load and of each credit that it changes, and each lead that
is taken a dead entry in the pool's index. Vacuum and pruning remove them at once, unless a snapshot might still see
them: then every batch walks over all that came before it. So the fewer batches, the less each one costs.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from router.drain.request import BatchRequest

LARGER = 4
"""So many times as many leads are taken at once."""
BATCH_EVERY_S = 0.1
"""Between two batches of a tenant that has no backlog."""
_LOOK_S = (0.5, 15.0)
_SEARCH_S = (2.0, 8.0)
_SHARE = 0.1
_LARGEST = 20_000
_MOST_RANKS = 64
# A lead is stamped before it is committed: one that came at this time may be seen only now.
_LATE = timedelta(seconds=2)
# A snapshot this old, or so many dead versions of lanes beside a share of the live ones, which are pruned else.
_OLD_S = 10.0
_DEAD, _DEAD_PER_LANE = 500, 20


@dataclass(frozen=True, slots=True)
class LaneRows:
    """Live and dead rows of the lanes, and for how long the oldest transaction has been open (seconds), that we see."""

    live: int
    dead: int
    oldest_s: float


def is_held_back(rows: LaneRows) -> bool:
    """Whether dead rows stay. Snapshots of other roles may be hidden from us; what they leave behind is not."""
    allowed = _DEAD + _DEAD_PER_LANE * rows.live
    return rows.dead > allowed or (rows.oldest_s > _OLD_S and rows.dead > allowed / 5)


def until_next_look_s(look_s: float) -> float:
    """Seconds from one look from the top, which took so long, to the next: it walks over all that was taken, and a
    tenth of the time is enough for that.
    """
    return _bounded(look_s / _SHARE, _LOOK_S)


def until_next_search_s(search_s: float) -> float:
    """The same for the search for tenants with work. Hints name who has some meanwhile."""
    return _bounded(search_s / _SHARE, _SEARCH_S)


def _bounded(seconds: float, bounds: tuple[float, float]) -> float:
    return min(max(seconds, bounds[0]), bounds[1])


def request_while_held_back(
    request: BatchRequest, looked_at: datetime | None, ranks: set[int], *, from_top: bool
) -> BatchRequest:
    """A larger batch, and only of what came since no lead was left, as far as the ranks of leads are known."""
    larger = replace(request, ready=max(request.ready, min(_LARGEST, request.ready * LARGER)))
    goes_on = from_top or request.after is not None or request.lead_ids is not None
    if goes_on or looked_at is None or not 0 < len(ranks) <= _MOST_RANKS:
        return larger
    return replace(larger, since=looked_at - _LATE, ranks=tuple(sorted(ranks)))
