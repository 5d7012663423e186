"""No looking for cyclic garbage while a long text is read: it would find all of its nodes alive, again and again.

A text of ten thousand rules has some million nodes at a time. The collector goes through them in one go, in whichever
thread makes the next object, and no other thread of the process runs until it is through.
"""

import gc
from collections.abc import Callable
from threading import Lock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _Paused:
    """How many are reading. The collector belongs to the process, so the first one stops it, and the last one starts it
    again, unless it was off before.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._readers = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._readers:
                self._was_on = gc.isenabled()
                gc.disable()
            self._readers += 1

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._readers -= 1
            if not self._readers and self._was_on:
                gc.enable()


_PAUSED = _Paused()


def uncollected(work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What `work` returns or raises. For what ends within seconds and leaves little of what it made."""
    with _PAUSED:
        return work(*arguments, **options)
