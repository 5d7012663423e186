"""Repeating a part of a long list that lost to others: without the locks that it would hold while it waits."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from time import monotonic
from typing import TypeVar

from router.store.backoff import wait_s
from router.store.errors import LockNotAvailable
from router.store.lane import LaneLimits
from router.store.leads import OvertakenError

T = TypeVar("T")

BRIEFLY = LaneLimits(lock_ms=300)
"""A part holds the keys of customers while it waits for the lane, and posts of their leads wait for these keys: so it
waits briefly, is rolled back, and begins again.
"""
_LOCKED_FOR_S = 30.0
_OVERTAKEN = 20


async def until_stored(part: Callable[[], Awaitable[T]]) -> T:
    """Does a part's transaction again while others are faster, or hold what it needs; so long, or so many times.

    Raises OvertakenError and LockNotAvailable of the last attempt.
    """
    until, overtaken = monotonic() + _LOCKED_FOR_S, 0
    for attempt in count(1):
        try:
            return await part()
        except OvertakenError:
            overtaken += 1
            if overtaken == _OVERTAKEN:
                raise
        except LockNotAvailable:
            if monotonic() > until:
                raise
        await asyncio.sleep(wait_s(attempt, first_s=0.05, longest_s=1.0))
    raise AssertionError("the last attempt raises")
