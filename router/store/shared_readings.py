"""Readings of texts that never change: one at a time for all who ask for it, kept for who asks next."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Reading(Generic[T]):
    found: "Future[T]"
    characters: int

    @property
    def failed(self) -> bool:
        return self.found.done() and (self.found.cancelled() or self.found.exception() is not None)


class SharedReadings(Generic[T]):
    """Futures of a thread, and of no event loop: there may be several loops.

    Kept are the last ones that were asked for, up to `entries` of them and `characters` of their texts together: what
    was read of a text is many times larger. The last one is kept however long it is.
    """

    def __init__(self, thread: ThreadPoolExecutor, *, entries: int, characters: int) -> None:
        self._thread = thread
        self._entries = entries
        self._characters = characters
        self._known: OrderedDict[bytes, _Reading[T]] = OrderedDict()
        # The thread forgets, too, whenever it has read one.
        self._lock = Lock()

    def of(self, parts: tuple[str, ...], read: Callable[[], T]) -> "Future[T]":
        """The one under way or done, else a new one. One that failed is forgotten: its error belongs to who asked.

        `parts` are all that `read` depends on.
        """
        key = _identity(parts)
        with self._lock:
            known = self._known.get(key)
            is_new = known is None or known.failed
            if known is None or is_new:
                known = self._known[key] = _Reading(self._thread.submit(read), sum(map(len, parts)))
            self._known.move_to_end(key)
            self._forget()
        if is_new:
            # Many may be under way at once, as when a process starts, and nobody asks again for long.
            known.found.add_done_callback(self._one_is_read)
        return known.found

    def clear(self) -> None:
        """Forgets all."""
        with self._lock:
            self._known.clear()

    def _one_is_read(self, _found: "Future[T]") -> None:
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        # One that is under way is not forgotten: who asks for it meanwhile would have it read twice.
        finished = [key for key, one in self._known.items() if one.found.done()][::-1]
        entries, characters = len(self._known), sum(one.characters for one in self._known.values())
        newest = next(reversed(self._known), None)
        while finished and (entries > self._entries or characters > self._characters):
            if (key := finished.pop()) != newest:
                entries, characters = entries - 1, characters - self._known.pop(key).characters


def _identity(parts: tuple[str, ...]) -> bytes:
    made = blake2b(digest_size=16)
    for part in parts:
        text = part.encode(errors="surrogatepass")
        made.update(f"{len(text)} ".encode() + text)
    return made.digest()
