"""Exact percentiles of recorded values: no buckets, nothing rounded. Pure."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The smallest recorded value that at least `percent` of all do not exceed (nearest rank); 100 = the largest.

    Raises ValueError without values, or for a percent outside of 0 to 100.
    """
    if not ascending:
        raise ValueError("there is no percentile of nothing")
    if not 0 <= percent <= 100:
        raise ValueError(f"{percent} is not a percentage")
    # 99.9 is not exactly a binary fraction: 99.9 / 100 * 1000 would be rounded up to the 1000th value.
    rank = ceil(Fraction(str(percent)) * len(ascending) / 100)
    return ascending[max(0, rank - 1)]
