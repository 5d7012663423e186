"""How long a body may take to arrive: a line that is slow but steady gets through, one that trickles ends. No clock."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.http.body import FIRST_S, SILENT_S, SLOWEST_RATE, Arrival
from router.http.problems import Refused


class _Line:
    """Sends pieces after pauses in seconds, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    async def piece(self, after_s: float, size: int) -> int:
        self.now += after_s
        return size


async def _receive(arrival: Arrival, line: _Line, pieces: list[tuple[float, int]]) -> float:
    """How long it took until the end, or until it was given up."""
    for after_s, size in pieces:
        arrival.count(await arrival.wait(line.piece(after_s, size)))
        # What is done with a piece here is not the sender's time.
        line.now += 1_000
    return line.now


@settings(deadline=None)
@given(st.lists(st.floats(0.0, SILENT_S), min_size=1, max_size=300))
async def test_whoever_keeps_the_rate_is_never_given_up(pauses: list[float]) -> None:
    line = _Line()
    await _receive(Arrival("body", line.clock), line, [(pause, int(pause * SLOWEST_RATE) + 1) for pause in pauses])


@settings(deadline=None)
@given(st.integers(1, 100), st.floats(1.0, 29.0))
async def test_whoever_sends_a_byte_from_time_to_time_ends_soon_after_the_first_minute(size: int, pause: float) -> None:
    line = _Line()
    waited = 0.0
    arrival = Arrival("form", line.clock)
    with pytest.raises(Refused, match=r"the form arrived too slowly: [\d,]+ bytes in \d+ s; after the first 60 s"):
        for _ in range(1_000):
            # Nothing is waited for after the time is over.
            arrival.count(await arrival.wait(_late(line, pause, size)))
            waited += pause
    assert waited <= FIRST_S + 1_000 * size / SLOWEST_RATE + pause


async def _late(line: _Line, pause: float, size: int) -> int:
    line.now += pause
    await asyncio.sleep(0)
    return size
