"""How many leads wait for groups, of those that rules refused."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from router.domain.targets import read_targets
from router.store.statements import Row


@dataclass(frozen=True, slots=True)
class WaitForGroups:
    """So many leads wait for one of some groups, whatever else may help them, the oldest since `oldest` (UTC)."""

    leads: int = 0
    oldest: datetime | None = None


def waits_for_groups(rows: Sequence[Row], groups: Collection[int]) -> WaitForGroups:
    """Of the rows of `pool_by_key`."""
    found = [row for row in rows if row["targets"] and not set(groups).isdisjoint(read_targets(row["targets"]).groups)]
    return WaitForGroups(sum(row["leads"] for row in found), min((row["oldest"] for row in found), default=None))
