"""Whether stamps are shifted by what zones differ in: whole or half hours. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from router.domain.worded import Worded, worded
from router.store.stamps import SourceStamps, Stamp

STEP = timedelta(minutes=30)
LEAST = 20
"""Fewer leads say nothing of their source."""
OF_SOURCE = 40

# A lead needs a while to arrive; a clock may be a little fast.
_LATE, _EARLY = timedelta(minutes=5), timedelta(minutes=1)
_SPREAD = timedelta(minutes=10)
_FARTHEST = timedelta(hours=26)
_ARRIVALS = 5


def shift_of(stamps: SourceStamps) -> timedelta | None:
    """By what the stamps of a source are shifted; None = they are not, or it cannot be told.

    Leads that all arrived at once, as in a file, or whose stamps are all the same, as days without a time, tell
    nothing.
    """
    middle, low, high = (timedelta(seconds=s) for s in (stamps.middle_s, stamps.low_s, stamps.high_s))
    shift = nearest(middle)
    tells = stamps.leads >= LEAST and 2 * stamps.stamps >= stamps.leads and stamps.arrivals >= _ARRIVALS
    if not tells or not shift or abs(shift) > _FARTHEST or high - low > _SPREAD:
        return None
    return shift if fits(middle, shift) else None


def nearest(ahead: timedelta) -> timedelta:
    """The nearest whole or half hours."""
    return STEP * round(ahead / STEP)


def fits(ahead: timedelta, shift: timedelta) -> bool:
    """Whether a lead that is so far ahead is one with this shift, but for the time that it took to arrive."""
    return -_LATE <= ahead - shift <= _EARLY


def began(stamps: Sequence[Stamp], shift: timedelta) -> datetime | None:
    """When the first of the leads arrived that are shifted without a gap until now; None = none is.

    `stamps` has the youngest first. A single lead that does not fit is no gap.
    """
    first: datetime | None = None
    misses = 0
    for stamp in stamps:
        if abs(stamp.ahead - shift) <= _SPREAD:
            first, misses = stamp.received_at, 0
        elif (misses := misses + 1) > 1:
            break
    return first


def words(shift: timedelta) -> Worded:
    """`8 h ahead of`, `5.5 h behind`: to be followed by what it is compared with."""
    hours = f"{abs(shift) / timedelta(hours=1):g}"
    return (
        worded("{hours} h ahead of", hours=hours) if shift > timedelta(0) else worded("{hours} h behind", hours=hours)
    )
