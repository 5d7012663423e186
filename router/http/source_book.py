"""What sources took and refused: gathered here and written a moment later, so that a flood costs few transactions."""

import asyncio
import re
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from router.runtime.lifeline import Lifeline
from router.runtime.periodic import Periodic
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS
from router.store.sources import REJECTS_KEPT, Counts, Reject, note_sources

_MAX_REASON = 500
_MAX_ID = 200
_UNBELIEVED = 401
_QUOTED = re.compile(r"'[^']*'")


@dataclass(slots=True)
class _Notes:
    taken: int = 0
    refused: int = 0
    trapped: int = 0
    rejects: deque[Reject] = field(default_factory=lambda: deque(maxlen=REJECTS_KEPT))
    unbelieved: deque[Reject] = field(default_factory=lambda: deque(maxlen=REJECTS_KEPT))

    @property
    def all_rejects(self) -> tuple[Reject, ...]:
        """What anybody can send (401) pushes out nothing else."""
        return (*self.unbelieved, *self.rejects)


class SourceBook:
    """One per process. What could not be written yet is kept, at most the last rejects of each source."""

    def __init__(self) -> None:
        self._notes: dict[tuple[int, str], _Notes] = {}
        self._writing = asyncio.Lock()

    def took(self, source: tuple[int, str], leads: int = 1) -> None:
        """Leads that are stored, also those that were before."""
        self._of(source).taken += leads

    def trapped(self, source: tuple[int, str]) -> None:
        """A form that a machine filled in."""
        self._of(source).trapped += 1

    def refused(
        self, source: tuple[int, str], at: datetime, status: int, reason: str, sent_id: str, body: bytes
    ) -> None:
        """A request of which nothing, or not all, was taken. The body is not kept, nor what the reason quotes of it."""
        notes = self._of(source)
        notes.refused += 1
        reason = _storable(_QUOTED.sub("'…'", reason), _MAX_REASON)
        kept = notes.unbelieved if status == _UNBELIEVED else notes.rejects
        kept.append(Reject(at, status, reason, _storable(sent_id, _MAX_ID), sha256(body).digest(), len(body)))

    def _of(self, source: tuple[int, str]) -> _Notes:
        return self._notes.setdefault(source, _Notes())

    async def write(self, connections: Connections, part: Part) -> None:
        """Stores what was gathered. Raises what the database raises; then all is kept for the next time."""
        async with self._writing:
            notes, self._notes = self._notes, {}
            if not notes:
                return
            try:
                async with connections.acquire(part) as conn:
                    counts = {of: Counts(one.taken, one.refused, one.trapped) for of, one in notes.items()}
                    rejects = {of: found for of, one in notes.items() if (found := one.all_rejects)}
                    await note_sources(conn, counts, rejects)
            except BaseException:
                self._put_back(notes)
                raise

    def _put_back(self, notes: dict[tuple[int, str], _Notes]) -> None:
        for of, newer in self._notes.items():
            older = notes.setdefault(of, _Notes())
            older.taken += newer.taken
            older.refused += newer.refused
            older.trapped += newer.trapped
            older.rejects.extend(newer.rejects)
            older.unbelieved.extend(newer.unbelieved)
        self._notes = notes


class SourceNotesService(Periodic):
    """Writes what sources took and refused."""

    name = "source notes"
    failing = "what sources took and refused is not noted"
    interval_s = 1.0

    def __init__(self, book: SourceBook, connections: Connections) -> None:
        self._book = book
        self._connections = connections

    async def once(self, life: Lifeline) -> None:
        """What could not be stored is kept for the next time."""
        await self._book.write(self._connections, Part.DUTIES)

    async def end(self) -> None:
        """What came in during the last second."""
        with suppress(*TRANSIENT_ERRORS, TimeoutError):
            async with asyncio.timeout(2.0):
                await self._book.write(self._connections, Part.DUTIES)


def _storable(text: str, limit: int) -> str:
    return text[:limit].replace("\0", "").encode("utf-8", "replace").decode()
