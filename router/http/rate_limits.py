"""How often a token may ask: counted in windows of time, here at once and over all instances a moment later."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from time import time

from router.http.problems import Kind, Refused

WINDOW_S = 10
"""A token that was silent may ask all of a window's requests at once."""

Key = tuple[int, str]
"""A token: its tenant's number and its id."""


@dataclass(slots=True)
class _Count:
    """Requests of one token in one window; `shared` of those here are known to the other instances."""

    window: int
    here: int = 0
    shared: int = 0
    elsewhere: int = 0


class RateLimits:
    """`per_s` requests a second for each token, None = any number. `clock` gives seconds, the same on all instances.

    Other instances' requests count as of the last `learn`: while they cannot be known, each instance limits alone.
    """

    def __init__(self, per_s: float | None, clock: Callable[[], float] = time) -> None:
        self._quota = None if per_s is None else max(1, round(per_s * WINDOW_S))
        self._clock = clock
        self._counts: dict[Key, _Count] = {}

    def take(self, key: Key) -> None:
        """One request more. Raises Refused when the window's are used up."""
        if self._quota is None:
            return
        now = self._clock()
        count = self._count(key, int(now // WINDOW_S))
        if count.here + count.elsewhere >= self._quota:
            raise self._refusal(WINDOW_S - now % WINDOW_S)
        count.here += 1

    def _count(self, key: Key, window: int) -> _Count:
        count = self._counts.get(key)
        if count is None or count.window != window:
            count = self._counts[key] = _Count(window)
        return count

    def _refusal(self, left_s: float) -> Refused:
        wait_s = max(1, ceil(left_s))
        return Refused(
            Kind.TOO_MANY,
            f"this token may ask {self._quota:,} times in {WINDOW_S} s; api.requests_per_s sets it",
            headers={
                "Retry-After": str(wait_s),
                "RateLimit-Policy": f'"token";q={self._quota};w={WINDOW_S}',
                "RateLimit": f'"token";r=0;t={wait_s}',
            },
        )

    def unshared(self) -> dict[tuple[Key, int], int]:
        """Requests that the other instances do not know of, by token and window. Old windows are forgotten."""
        window = int(self._clock() // WINDOW_S)
        self._counts = {key: count for key, count in self._counts.items() if count.window == window}
        return {(key, window): count.here - count.shared for key, count in self._counts.items() if count.here}

    def learn(self, told: Mapping[tuple[Key, int], int], totals: Mapping[tuple[Key, int], int]) -> None:
        """`told` of ours are known to all now; `totals` are the requests of all instances with them."""
        for (key, window), number in told.items():
            count = self._counts.get(key)
            if count is not None and count.window == window:
                count.shared += number
                count.elsewhere = max(0, totals[key, window] - count.shared)
