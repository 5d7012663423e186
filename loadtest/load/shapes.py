"""The shapes of a load: how many requests a second are due, over the time of a run. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor

_WEEK_S = timedelta(days=7).total_seconds()
_RAMP_STEPS, _RAMP_STEP_S, _RAMP_FACTOR = 6, 10.0, 1.25


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a run with one rate: `seconds` long, `rate` requests a second."""

    seconds: float
    rate: float


def steady(rate: float, seconds: float) -> tuple[Piece, ...]:
    """The same all the time."""
    return (Piece(seconds, rate),)


def double_day(rate: float, seconds: float) -> tuple[Piece, ...]:
    """The shopping day (11.11): `rate` is that of a usual day; five times as much when the doors open, then less."""
    return _pieces(rate, seconds, (0.25, 1.0), (0.05, 2.0), (0.10, 5.0), (0.15, 3.0), (0.15, 2.0), (0.30, 1.0))


def morning_rush(rate: float, seconds: float) -> tuple[Piece, ...]:
    """Beside the night's backlog three times the usual at first, then twice, then the usual."""
    return _pieces(rate, seconds, (0.4, 3.0), (0.2, 2.0), (0.4, 1.0))


def ramp(rate: float, seconds: float) -> tuple[Piece, ...]:
    """Steps of at most 10 s, each a quarter more than the one before."""
    steps = max(_RAMP_STEPS, ceil(seconds / _RAMP_STEP_S))
    return tuple(Piece(seconds / steps, rate * _RAMP_FACTOR**step) for step in range(steps))


def _pieces(rate: float, seconds: float, *parts: tuple[float, float]) -> tuple[Piece, ...]:
    """Parts of the run, each with its share of the time and how many times the usual rate."""
    return tuple(Piece(share * seconds, times * rate) for share, times in parts)


APPLICATIONS, MORNING_RUSH, RAMP = "applications", "morning-rush", "ramp"
SHAPES: Mapping[str, Callable[[float, float], tuple[Piece, ...]]] = {
    "steady": steady,
    "double-day": double_day,
    MORNING_RUSH: morning_rush,
    RAMP: ramp,
}
"""By name; beside these there is APPLICATIONS, whose times are those of real leads."""


def at_once(moments: Sequence[datetime], rate: float, seconds: float) -> list[float]:
    """Real arrivals speeded up: `rate * seconds` of them, squeezed into so many seconds; ascending, from 0.

    One real arrival is one request, with its gaps as they were. Where more are wanted than there are, further copies of
    all of them are laid over, each by some weeks later (and from the end back to the beginning), so that days and weeks
    keep their form. Raises ValueError without arrivals.
    """
    wanted = max(1, round(rate * seconds))
    first = min(moments)
    real = sorted((moment - first).total_seconds() for moment in moments)
    taken = real[:wanted] if wanted <= len(real) else sorted(_copies(real, wanted))
    span = taken[-1] or 1.0
    # The last one is due just before the end.
    return [moment / span * seconds * (1 - 1 / (2 * wanted)) for moment in taken]


def _copies(real: Sequence[float], wanted: int) -> list[float]:
    span = max(_WEEK_S, (floor(real[-1] / _WEEK_S) + 1) * _WEEK_S)
    copies = ceil(wanted / len(real))
    weeks = round(span / _WEEK_S)
    found = [(moment + (copy * weeks // copies) * _WEEK_S) % span for copy in range(copies) for moment in real]
    # Every copy gives its share, so that none of the weeks is thinner than the others.
    return [found[place * len(found) // wanted] for place in range(wanted)]
