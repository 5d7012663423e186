"""Up to when rows are old: the setting, and not younger than what still looks back at them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from router.store.partitions import Partition

_DAY = timedelta(days=1)


def horizon(
    now: datetime, kept_days: float, lookbacks: Iterable[timedelta] = (), *, needed_from: datetime | None = None
) -> datetime:
    """Rows before it are old. `lookbacks` = how far back rules look, `needed_from` = what is younger is still needed by
    flight records (None = by none).
    """
    # A snapshot of close rates is as of the beginning of its day, and may be taken for two days.
    longest = max((timedelta(days=kept_days), *(lookback + 2 * _DAY for lookback in lookbacks)))
    at = now - longest if longest < now - datetime.min.replace(tzinfo=UTC) else datetime.min.replace(tzinfo=UTC)
    return at if needed_from is None else min(at, needed_from)


def cut_at(now: datetime, last: Partition, newest: datetime | None, period: timedelta) -> datetime | None:
    """Where the partition that is open to the end is to be closed: a midnight (UTC) after all its rows, one period
    ahead or more; None while what comes in the next third of a period has a partition with an end.
    """
    if last.lower is not None and last.lower - now > period / 3:
        return None
    after = max(at for at in (now + period, last.lower and last.lower + _DAY, newest and newest + _DAY) if at)
    return after.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY


def old_partitions(found: Iterable[Partition], before: datetime) -> list[Partition]:
    """Those that were let go but not to the end, which keep all others from being let go; then those of which every row
    is old.
    """
    old = [one for one in found if one.pending or (one.upper is not None and one.upper <= before)]
    return sorted(old, key=lambda one: not one.pending)
