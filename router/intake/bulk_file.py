"""A file of which every row changes something that is stored: read and done in parts, what cannot be is set aside.

A part is one transaction of the caller's. Rows that somebody else has locked are tried once more at the end.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from router.intake.lead_file import LeadFile, Row
from router.intake.normalise import Rejected
from router.store.errors import PostgresError, Trouble, trouble_of

_ROWS_AT_ONCE = 100
_BYTES_OF_PART = 1 << 22
_KEPT_LOCKED = 20_000
LOCKED = "is locked by another session; import the file again"


@dataclass(slots=True)
class BulkProgress:
    """How far it is: rows that were read and are done with, those of them that were rejected, bytes of the file."""

    rows: int = 0
    rejected: int = 0
    position: int = 0


class Refusal(NamedTuple):
    """A row that is not done, by its place in the part: its field ("" = the whole row), and why."""

    place: int
    field: str
    reason: str


class PartDone(NamedTuple):
    """What a part leaves: rows that cannot be done, and places of those that others have locked."""

    refused: Sequence[Refusal] = ()
    locked: Sequence[int] = ()


T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Work(Protocol[T_contra]):
    """What is done with the rows of a part; all of it, or nothing when it raises."""

    def __call__(self, rows: Sequence[T_contra], lines: Sequence[int]) -> Awaitable[PartDone]: ...


class _Row(NamedTuple, Generic[T]):
    row: Row
    said: T


@dataclass(slots=True)
class BulkFile(Generic[T]):
    """One run over a file: `read` makes of a row's cells what `work` does; `column_of` names the column of a field.

    `reject` hears of each row that is not done, `progress` of each part.
    """

    file: LeadFile
    read: Callable[[Row], T]
    work: Work[T]
    column_of: Callable[[str], str]
    reject: Callable[[Row, str, str], None]
    progress: Callable[[BulkProgress], None]
    part_rows: int

    async def run(self) -> BulkProgress:
        """Does all rows. Cut off anywhere, whole parts are done. Raises what `work` raises, and FileUnusable."""
        done, locked = BulkProgress(), list[_Row[T]]()
        rows = self.file.rows()
        while part := self._part(rows):
            good, wrong = self._read(part)
            blocked: list[_Row[T]] = []
            wrong += await self._done(good, blocked)
            room = _KEPT_LOCKED - len(locked)
            locked += blocked[:room]
            wrong += [(one.row, "", LOCKED) for one in blocked[room:]]
            self._count(done, len(part) - len(blocked[:room]), wrong)
        while locked:
            part_again, locked = locked[: self.part_rows], locked[self.part_rows :]
            blocked = []
            wrong = await self._done(part_again, blocked)
            wrong += [(one.row, "", LOCKED) for one in blocked]
            self._count(done, len(part_again), wrong)
        return done

    def _part(self, rows: Iterator[Row]) -> list[Row]:
        part: list[Row] = []
        start = self.file.position
        while len(part) < self.part_rows and self.file.position - start <= _BYTES_OF_PART:
            few = list(islice(rows, min(_ROWS_AT_ONCE, self.part_rows - len(part))))
            if not few:
                break
            part += few
        return part

    def _read(self, part: Sequence[Row]) -> tuple[list[_Row[T]], list[tuple[Row, str, str]]]:
        good: list[_Row[T]] = []
        wrong: list[tuple[Row, str, str]] = []
        for row in part:
            if row.problem:
                wrong.append((row, "", row.problem))
                continue
            try:
                good.append(_Row(row, self.read(row)))
            except Rejected as error:
                wrong.append((row, error.column, str(error)))
        return good, wrong

    async def _done(self, rows: Sequence[_Row[T]], locked: list[_Row[T]]) -> list[tuple[Row, str, str]]:
        """Does them; a row that the database cannot store is found by halving, and rejected alone."""
        if not rows:
            return []
        try:
            part = await self.work([one.said for one in rows], [one.row.line for one in rows])
        except PostgresError as error:
            if trouble_of(error) is not Trouble.REFUSED_ROW:
                raise
            if len(rows) == 1:
                return [(rows[0].row, "", f"PostgreSQL cannot store it: {error}")]
            half = len(rows) // 2
            return [*await self._done(rows[:half], locked), *await self._done(rows[half:], locked)]
        locked += [rows[place] for place in part.locked]
        return [(rows[one.place].row, one.field and self.column_of(one.field), one.reason) for one in part.refused]

    def _count(self, done: BulkProgress, rows: int, wrong: list[tuple[Row, str, str]]) -> None:
        for one in sorted(wrong, key=lambda one: one[0].line):
            self.reject(*one)
        done.rows += rows
        done.rejected += len(wrong)
        done.position = self.file.position
        self.progress(done)
