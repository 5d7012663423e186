"""When requests are due. The schedule is made before the run and never looks at answers: an open loop. Pure."""

import random
from collections.abc import Iterator, Sequence

from loadtest.load.shapes import Piece


def due_times(pieces: Sequence[Piece], rng: random.Random) -> Iterator[float]:
    """Arrivals of independent people: seconds from the beginning, ascending, with exponential gaps (a Poisson process).

    A gap is drawn in requests, not in seconds, and spent at the rate of each piece that it reaches over, so that the
    rate may change within a gap.
    """
    begin_s, owed = 0.0, rng.expovariate(1.0)
    for piece in pieces:
        left = piece.rate * piece.seconds
        spent = 0.0
        while owed <= left - spent:
            spent += owed
            yield begin_s + spent / piece.rate
            owed = rng.expovariate(1.0)
        owed -= left - spent
        begin_s += piece.seconds


def of_worker(pieces: Sequence[Piece], workers: int) -> list[Piece]:
    """The share of one of so many workers: independent arrivals at a part of the rate, which add up to the whole."""
    return [Piece(piece.seconds, piece.rate / workers) for piece in pieces]


def length_s(pieces: Sequence[Piece]) -> float:
    """How long all of it takes."""
    return sum(piece.seconds for piece in pieces)


def rate_at(pieces: Sequence[Piece], at_s: float) -> float:
    """Requests a second that are due at a moment; 0 after the end."""
    for piece in pieces:
        if at_s < piece.seconds:
            return piece.rate
        at_s -= piece.seconds
    return 0.0
