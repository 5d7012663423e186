"""What was looked up in the database a moment ago: asked for once in a few seconds, and known while it is away."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

from router.store.errors import TRANSIENT_ERRORS

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_WHILE_AWAY_S = 86_400.0
_ASK_AGAIN_S = 1.0
_FAILURE_HOLDS_S = 5.0
_LOOK_EVERY_S = 0.25
_AHEAD = 0.7
"""After so much of its time a value that is asked for is looked up again while it still holds, so that nobody waits."""
_REMEMBERED = 10_000
_ABSENT = 10_000


@dataclass(frozen=True, slots=True)
class _Seen(Generic[V]):
    value: V
    at: float


class Recent(Generic[K, V]):
    """Values by key, None = there is none. `find` asks the database; a found value holds for `holds_s` seconds, and
    for a day while the database cannot be asked, which is tried once a second. A value that is in use
    is looked up again before it holds no more, beside the work. Who asks for a known value does not wait
    for that within 5 s of a failure, nor once `away` says that there is no connection; later the answer may be another
    one, such as that a token was revoked, and is waited for. So many are `remembered`,
    those that were looked up last. That there is none holds for `absent_s` (default: `holds_s`), and never displaces a
    value.
    """

    def __init__(
        self,
        find: Callable[[K], Awaitable[V | None]],
        holds_s: float,
        remembered: int = _REMEMBERED,
        absent_s: float | None = None,
        away: Callable[[], bool] = lambda: False,
    ) -> None:
        self._remembered = remembered
        self._find = find
        self._holds_s = holds_s
        self._absent_s = holds_s if absent_s is None else absent_s
        self._away = away
        self._seen: OrderedDict[K, _Seen[V]] = OrderedDict()
        self._absent: OrderedDict[K, float] = OrderedDict()
        self._failed_at: float | None = None
        self._asked: dict[K, asyncio.Task[V | None]] = {}

    def fresh(self, key: K) -> V | None:
        """The value, if it was looked up a moment ago. Only in an event loop."""
        seen = self._seen.get(key)
        if seen is None or (age_s := monotonic() - seen.at) >= self._holds_s:
            return None
        if age_s > _AHEAD * self._holds_s and key not in self._asked and not self._failed_lately():
            self._look_up(key)
        return seen.value

    def _failed_lately(self) -> bool:
        return self._failed_at is not None and monotonic() - self._failed_at <= _ASK_AGAIN_S

    async def get(self, key: K) -> V | None:
        """Raises what `find` raises, when the key is not known."""
        if (fresh := self.fresh(key)) is not None:
            return fresh
        now, seen = monotonic(), self._seen.get(key)
        if seen is None and self.absent(key):
            return None
        if seen is None or now - seen.at >= _WHILE_AWAY_S:
            return await asyncio.shield(self._look_up(key))
        if self._failed_at is not None and now - self._failed_at < _FAILURE_HOLDS_S:
            if now - self._failed_at > _ASK_AGAIN_S:
                self._look_up(key)
            return seen.value
        return await self._known_or_new(self._look_up(key), seen.value)

    async def _known_or_new(self, task: "asyncio.Task[V | None]", known: V) -> V | None:
        while not (await asyncio.wait([task], timeout=_LOOK_EVERY_S))[0]:
            if self._away():
                return known
        try:
            return task.result()
        except (*TRANSIENT_ERRORS, TimeoutError):
            return known

    def knows(self, key: K) -> bool:
        """Whether there was a value when it was looked up last."""
        return key in self._seen

    def absent(self, key: K) -> bool:
        """Whether it was looked up a moment ago, and there was none."""
        return monotonic() - self._absent.get(key, -self._absent_s) < self._absent_s

    def answers(self, key: K) -> bool:
        """Whether asking for it now costs no look-up of its own, or the key is one that had a value."""
        return self.knows(key) or self.absent(key) or key in self._asked

    def known(self) -> list[tuple[K, V, float]]:
        """What would be believed while the database is away: key, value and age in seconds, the last one last."""
        now = monotonic()
        return [(key, seen.value, now - seen.at) for key, seen in self._seen.items() if now - seen.at < _WHILE_AWAY_S]

    def remember(self, key: K, value: V, age_s: float) -> None:
        """Believes a value that was looked up so many seconds ago, by an earlier process."""
        self._keep(key, _Seen(value, monotonic() - age_s))

    def _look_up(self, key: K) -> "asyncio.Task[V | None]":
        """Who asks for what is being looked up waits for the same answer."""
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._looked_up(key), name="look-up")
            task.add_done_callback(lambda done: self._is_answered(key, done))
        return task

    def _is_answered(self, key: K, task: "asyncio.Task[V | None]") -> None:
        self._asked.pop(key, None)
        # Nobody may wait for it any more.
        error = None if task.cancelled() else task.exception()
        if isinstance(error, (*TRANSIENT_ERRORS, TimeoutError)):
            self._failed_at = monotonic()
        elif not task.cancelled():
            self._failed_at = None

    async def _looked_up(self, key: K) -> V | None:
        value = await self._find(key)
        if value is None:
            self._seen.pop(key, None)
            self._absent[key] = monotonic()
            if len(self._absent) > _ABSENT:
                self._absent.popitem(last=False)
        else:
            self._absent.pop(key, None)
            self._keep(key, _Seen(value, monotonic()))
        return value

    def _keep(self, key: K, seen: _Seen[V]) -> None:
        self._seen[key] = seen
        self._seen.move_to_end(key)
        if len(self._seen) > self._remembered:
            self._seen.popitem(last=False)
