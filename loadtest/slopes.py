"""Whether a series of samples is flat: its slope per hour by a robust estimate, and the noise of that estimate. Pure.

The slope is Theil and Sen's: the median of the slopes between all pairs of samples, which a fifth of wild samples does
not move (H. Theil, "A rank-invariant method of linear and polynomial regression analysis", 1950; P. K. Sen, "Estimates
of the regression coefficient based on Kendall's tau", J. Am. Stat. Assoc. 63, 1968). The noise is Sen's confidence
interval, without a correction for ties, so that it is rather too wide. Samples that follow each other are alike, which
would make it too narrow: its variance is multiplied by (1 + r) / (1 - r), with r the correlation of neighbouring
residuals (G. V. Bayley and J. M. Hammersley, "The 'effective' number of independent observations in an autocorrelated
time series", 1946).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

MINIMUM_POINTS = 8
_HOUR_S = 3600.0
_HIGHEST_CORRELATION = 0.95

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one quantity: `at_s` ascending seconds from any beginning, `values` in `unit`.

    `free_to` = up to this value nothing is done about it, as vacuum does nothing about a few dead rows; None = there is
    no such value.
    """

    name: str
    unit: str
    at_s: Sequence[float]
    values: Sequence[float]
    free_to: float | None = None

    @property
    def bounded(self) -> bool:
        """Whether no sample is above the value up to which nothing is done: such a series rises and falls like a saw,
        whose teeth may be longer than a run, and its slope says nothing.
        """
        return self.free_to is not None and max(self.values, default=0.0) <= self.free_to


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope of a series, in its unit per hour, and the interval `low` to `high` that holds it with `confidence`.

    `level` = the median value, `at_first` = the fitted line's value at the first sample, `correlation` = that of
    neighbouring residuals, by which the interval was widened.
    """

    per_hour: float
    low: float
    high: float
    level: float
    at_first: float
    points: int
    confidence: float
    correlation: float

    @property
    def within_noise(self) -> bool:
        """Whether a flat line would explain the samples, too."""
        return self.low <= 0.0 <= self.high


def confidence_of_each(series: int, of_all: float = 0.95) -> float:
    """The confidence for each of so many series at which one false alarm among all of them is as rare as asked
    (Bonferroni).
    """
    return 1.0 - (1.0 - of_all) / max(1, series)


def slope(series: Series, confidence: float = 0.95) -> Slope:
    """The slope of a series. Raises ValueError for fewer than MINIMUM_POINTS samples, or times that do not ascend."""
    hours, values = np.asarray(series.at_s, dtype=float) / _HOUR_S, np.asarray(series.values, dtype=float)
    if len(values) < MINIMUM_POINTS or len(hours) != len(values):
        raise ValueError(f"{series.name}: {len(values)} samples, at least {MINIMUM_POINTS} are needed")
    if np.any(np.diff(hours) <= 0):
        raise ValueError(f"{series.name}: the times of the samples do not ascend")
    slopes = _pairwise(hours, values)
    per_hour = float(np.median(slopes))
    residuals = values - per_hour * hours
    correlation = _correlation(residuals)
    low, high = _interval(slopes, len(values), confidence, correlation)
    at_first = float(np.median(residuals) + per_hour * hours[0])
    level = float(np.median(values))
    return Slope(per_hour, low, high, level, at_first, len(values), confidence, correlation)


def _pairwise(hours: Values, values: Values) -> Values:
    """The slopes between all pairs, ascending."""
    first, second = np.triu_indices(len(values), 1)
    return np.sort((values[second] - values[first]) / (hours[second] - hours[first]))


def _correlation(residuals: Values) -> float:
    """Of neighbouring residuals; 0 when they are no more alike than by chance would be expected of opposites."""
    centred = residuals - np.mean(residuals)
    total = float(np.dot(centred, centred))
    # What is left of a straight line by rounding is no noise.
    if total <= len(residuals) * (1e-9 * max(1.0, float(np.max(np.abs(residuals))))) ** 2:
        return 0.0
    return min(_HIGHEST_CORRELATION, max(0.0, float(np.dot(centred[:-1], centred[1:])) / total))


def _interval(slopes: Values, n: int, confidence: float, correlation: float) -> tuple[float, float]:
    """Sen's interval: as many slopes from the middle as Kendall's S may be off by chance."""
    variance = n * (n - 1) * (2 * n + 5) / 18
    deviation = sqrt(variance * (1 + correlation) / (1 - correlation))
    off = NormalDist().inv_cdf((1 + confidence) / 2) * deviation
    lowest = round((len(slopes) - off) / 2) - 1
    highest = round((len(slopes) + off) / 2)
    return float(slopes[max(0, lowest)]), float(slopes[min(len(slopes) - 1, highest)])
