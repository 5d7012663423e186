"""Tokens and keys that nothing has: each costs a look-up, so a client address gets only so many a minute."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import monotonic

from router.domain.worded import worded
from router.http.problems import Kind, Refused

PER_MINUTE = 60
_MINUTE_S = 60.0
_ADDRESSES = 20_000
_NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has all of its network."""


class FailedAttempts:
    """One per process. Counts look-ups that found nothing, by client address and minute; bounded in size."""

    def __init__(self, per_minute: int = PER_MINUTE, clock: Callable[[], float] = monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._window = -1
        self._counts: OrderedDict[str, int] = OrderedDict()

    @contextmanager
    def attempt(self, address: str | None) -> Iterator[Callable[[], None]]:
        """Around a look-up; call what it gives when something was found, or it could not be known. An attempt counts
        from its beginning, so that many at once are not all let in. Raises Refused (429) when the address has used up
        its minute.
        """
        network, now = _network(address), self._clock()
        self._begin(int(now // _MINUTE_S))
        if self._counts.get(network, 0) >= self._per_minute:
            raise _refusal(_MINUTE_S - now % _MINUTE_S)
        self._count(network, 1)
        forgiven = False

        def forgive() -> None:
            nonlocal forgiven
            forgiven = True

        try:
            yield forgive
        except BaseException:
            forgiven = True
            raise
        finally:
            if forgiven:
                self._count(network, -1)

    def _begin(self, window: int) -> None:
        if window != self._window:
            self._window, self._counts = window, OrderedDict()

    def _count(self, network: str, change: int) -> None:
        self._counts[network] = max(0, self._counts.get(network, 0) + change)
        self._counts.move_to_end(network)
        if not self._counts[network]:
            del self._counts[network]
        if len(self._counts) > _ADDRESSES:
            self._counts.popitem(last=False)


def _refusal(left_s: float) -> Refused:
    return Refused(
        Kind.TOO_MANY,
        worded("too many requests from this address showed tokens or keys that do not hold"),
        headers={"Retry-After": str(max(1, ceil(left_s)))},
    )


def _network(address: str | None) -> str:
    try:
        known = ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if isinstance(known, IPv6Address):
        mapped = known.ipv4_mapped
        return str(mapped) if mapped else str(int(known) >> (128 - _NETWORK_BITS))
    return str(known)
