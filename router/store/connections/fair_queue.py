"""Whose turn it is: a share of the connections for each part of the service, so that none starves another."""

import asyncio
from collections import Counter, deque
from enum import StrEnum
from typing import Generic, TypeVar

Lent = TypeVar("Lent")

# With fewer connections than this none is kept for listening: polling finds the same work.
LISTEN_FROM = 4


class Part(StrEnum):
    """Who asks for a connection. `hints` keeps one for listening, where there are enough; `jobs` keep theirs for
    minutes.
    """

    DRAIN = "drain"
    INTAKE = "intake"
    CONSOLE = "console"
    DUTIES = "duties"
    HINTS = "hints"
    JOBS = "jobs"


def share(part: Part, limit: int) -> int:
    """Connections that a part may use at once when there may be `limit` (from 1).

    All but one, so that there is always one for another part; of a single one they take turns. Jobs may use a quarter,
    and never a single one.
    """
    if part is Part.JOBS:
        return max(limit // 4, int(limit > 1))
    kept = 1 if limit >= LISTEN_FROM else 0
    return kept if part is Part.HINTS else max(1, limit - kept - 1)


class FairQueue(Generic[Lent]):
    """Who has how many and who waits. Within a part the first come is served first; of several parts that one which
    has the fewest, and of these the one that was served the longest time ago.
    """

    def __init__(self) -> None:
        self.in_use: Counter[Part] = Counter()
        self._waiting: dict[Part, deque[asyncio.Future[Lent]]] = {part: deque() for part in Part}
        self._last_served: dict[Part, int] = dict.fromkeys(Part, 0)
        self._served = 0

    @property
    def waiting(self) -> int:
        return sum(len(line) for line in self._waiting.values())

    def has_waiting(self, part: Part) -> bool:
        """Whether somebody of the part waits."""
        return any(not waiter.done() for waiter in self._waiting[part])

    def join(self, part: Part, waiter: "asyncio.Future[Lent]", *, first: bool = False) -> None:
        """Stands in line; `first` for somebody who was served with something that is of no use."""
        if first:
            self._waiting[part].appendleft(waiter)
        else:
            self._waiting[part].append(waiter)

    def leave(self, part: Part, waiter: "asyncio.Future[Lent]") -> None:
        """Waits no longer; may be called again."""
        if waiter in self._waiting[part]:
            self._waiting[part].remove(waiter)

    def servable(self, limit: int) -> int:
        """How many of those who wait may have a connection within their shares."""
        self._forget_cancelled()
        return sum(min(len(line), self._left(part, limit)) for part, line in self._waiting.items() if line)

    def serve(self, lent: Lent, limit: int) -> bool:
        """Gives it to whose turn it is; False = to nobody."""
        self._forget_cancelled()
        able = [part for part, line in self._waiting.items() if line and self._left(part, limit)]
        if not able:
            return False
        part = min(able, key=lambda one: (self.in_use[one], self._last_served[one]))
        self._served += 1
        self._last_served[part] = self._served
        self.in_use[part] += 1
        self._waiting[part].popleft().set_result(lent)
        return True

    def back(self, part: Part) -> None:
        """A part has one fewer."""
        self.in_use[part] -= 1

    def contended(self, part: Part, limit: int) -> bool:
        """Whether another part that has fewer waits."""
        return any(
            other is not part and self.in_use[other] < self.in_use[part] and self._left(other, limit) > 0
            for other, line in self._waiting.items()
            if line
        )

    def _forget_cancelled(self) -> None:
        """Whoever was cancelled leaves only when its task runs again; until then nothing may be given to it."""
        for line in self._waiting.values():
            for waiter in [one for one in line if one.done()]:
                line.remove(waiter)

    def _left(self, part: Part, limit: int) -> int:
        return max(0, share(part, limit) - self.in_use[part])
