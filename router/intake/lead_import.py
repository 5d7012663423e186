"""Importing a file of leads: accepted batch by batch, what cannot be is set aside.

The next batch is read while the database works on this one: a few rows at a time, then a look at whether the database
has answered. A thread that reads would cost more: each answer would have to wait until it gives up the interpreter.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, NamedTuple, Protocol

from router.domain.lead_in import LeadIn
from router.domain.worded import worded
from router.intake.contact_counts import ContactCounts
from router.intake.customer_notes import CustomerNotes
from router.intake.lead_file import LeadFile, Row
from router.intake.normalise import LeadReader, Rejected
from router.rules.customers import Overlap, Prepared, SharedKey, prepare
from router.rules.differences import Difference
from router.rules.match_rules import MatchRules
from router.store.errors import PostgresError, Trouble, trouble_of
from router.store.leads import accept
from router.store.statements import Connection

_ROWS_AT_ONCE = 100
"""Two milliseconds' worth: so long may an answer of the database have to wait."""
_CHARACTERS_AT_ONCE = 1 << 20
_BYTES_OF_BATCH = 1 << 22
"""Of a file with rows as long as may be: two batches are in memory at once, in several forms."""
_LONG_ROW = 1 << 14


@dataclass(slots=True)
class Imported:
    """What became of the rows so far: `rows` = `new` + `repeated` + `rejected`.

    `merged` and `parked` are parts of `new`; `merged` is None where it cannot be known (a check). `differing` is the
    part of `repeated` that differs from the stored lead. `position` is in bytes of the file. `contacts` are those of
    all rows that are leads, new or not; `customers` what was noted of the new ones'.
    """

    rows: int = 0
    new: int = 0
    repeated: int = 0
    differing: int = 0
    merged: int | None = 0
    parked: int = 0
    rejected: int = 0
    position: int = 0
    contacts: ContactCounts = field(default_factory=ContactCounts)
    customers: CustomerNotes = field(default_factory=CustomerNotes)

    def counts(self) -> dict[str, Any]:
        """The numbers alone."""
        named = asdict(self)
        del named["contacts"], named["customers"]
        return named


class Taken(NamedTuple):
    """What became of a batch of leads, as in `Imported`."""

    new: int
    repeated: int
    merged: int | None
    parked: int
    differing: Sequence[Difference] = ()
    overlaps: Sequence[Overlap] = ()
    shared: Sequence[SharedKey] = ()


@dataclass(slots=True)
class _Batch:
    """Leads with their rows side by side, and the rejected rows with column and reason.

    Once it is taken in, `differing` has the leads that differ from the stored ones, with the fields.
    """

    rows: list[Row] = field(default_factory=list)
    leads: list[LeadIn] = field(default_factory=list)
    rejected: list[tuple[Row, str, str]] = field(default_factory=list)
    differing: list[tuple[Row, LeadIn, tuple[str, ...]]] = field(default_factory=list)
    prepared: Prepared | None = None
    position: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows or self.rejected)

    def part(self, which: slice) -> "_Batch":
        """Some of the leads; what becomes of them is noted with the whole batch."""
        prepared = self.prepared and self.prepared.part(which)
        return _Batch(self.rows[which], self.leads[which], self.rejected, self.differing, prepared)


class Intake(Protocol):
    """What is done with a batch of leads: accepting them, or finding out what accepting them would do."""

    def prepare(self, leads: Sequence[LeadIn]) -> Prepared | None:
        """What can be done with some of the leads while the batch before is taken; None = nothing."""
        ...

    async def take(self, leads: Sequence[LeadIn], prepared: Prepared | None, lines: Sequence[int] = ()) -> Taken:
        """All or nothing. `lines` are those of the leads in the file."""
        ...


@dataclass(slots=True)
class Accepting:
    """The intake that stores. `rules`: the match rules that were in force a moment ago; those in force now count.

    `import_no` = the import that the leads are of.
    """

    conn: Connection
    tenant_id: int
    rules: MatchRules
    import_no: int | None = None
    _sees_new: bool = True

    def prepare(self, leads: Sequence[LeadIn]) -> Prepared | None:
        return prepare(leads, self.rules) if self._sees_new else None

    async def take(self, leads: Sequence[LeadIn], prepared: Prepared | None, lines: Sequence[int] = ()) -> Taken:
        result = await accept(self.conn, self.tenant_id, leads, prepared=prepared, import_no=self.import_no)
        self._sees_new = result.new > 0
        noted = (result.differing, result.overlaps, result.shared)
        return Taken(result.new, result.repeated, result.merged, result.parked, *noted)


def _ignore(*_: object) -> None:
    pass


async def import_leads(
    intake: Intake,
    file: LeadFile,
    reader: LeadReader,
    reject: Callable[[Row, str, str], None],
    batch_rows: int,
    progress: Callable[[Imported], None],
    differ: Callable[[Row, LeadIn, Sequence[str]], None] = _ignore,
) -> Imported:
    """Takes in all rows of the file, a transaction for each `batch_rows`, and says what became of them.

    Cut off anywhere, it has accepted whole batches and left nothing half-done; run again, it accepts the rest.
    `reject` is called for each rejected row with its column and the reason, `differ` for each lead that differs from
    the stored one, with the fields; `progress` after each batch. Raises what the database raises when it is
    away, and FileUnusable when the file changes meanwhile.
    """
    done = Imported()
    rows = file.rows()
    coming = asyncio.create_task(_read(rows, batch_rows, file, reader, intake))
    try:
        while batch := await coming:
            coming = asyncio.create_task(_read(rows, batch_rows, file, reader, intake))
            done.rows += len(batch.rows) + len(batch.rejected)
            done.contacts.add(batch.leads, (row.line for row in batch.rows))
            await _take(intake, batch, done)
            for rejected in sorted(batch.rejected, key=lambda one: one[0].line):
                reject(*rejected)
            done.rejected += len(batch.rejected)
            for one in batch.differing:
                differ(*one)
            done.differing += len(batch.differing)
            done.position = batch.position
            progress(done)
    finally:
        coming.cancel()
    return done


async def _read(rows: Iterator[Row], batch_rows: int, file: LeadFile, reader: LeadReader, intake: Intake) -> _Batch:
    """The next batch; empty = all are read. Between a few rows and the next ones others have their turn."""
    batch = _Batch()
    at_once = min(_ROWS_AT_ONCE, max(1, _CHARACTERS_AT_ONCE // max(1, file.longest_row)))
    long = file.longest_row > _LONG_ROW
    start = file.position
    for left in range(batch_rows, 0, -at_once):
        few = list(islice(rows, min(left, at_once)))
        if not few:
            break
        _add(batch, few, reader, intake)
        if long:
            _forget_cells(batch, len(few))
        await asyncio.sleep(0)
        if file.position - start > _BYTES_OF_BATCH:
            break
    batch.position = file.position
    return batch


def _forget_cells(batch: _Batch, last: int) -> None:
    """What JSON becomes in memory may be thirty times its text, and the leads have what they need of it."""
    for at in range(max(0, len(batch.rows) - last), len(batch.rows)):
        batch.rows[at] = batch.rows[at]._replace(cells={})
    for at in range(max(0, len(batch.rejected) - last), len(batch.rejected)):
        row, column, reason = batch.rejected[at]
        batch.rejected[at] = row._replace(cells={}), column, reason


def _add(batch: _Batch, rows: Iterable[Row], reader: LeadReader, intake: Intake) -> None:
    first = len(batch.leads)
    for row in rows:
        if row.problem:
            batch.rejected.append((row, "", row.problem))
            continue
        try:
            batch.leads.append(reader.read(row.cells))
        except Rejected as error:
            batch.rejected.append((row, error.column, error.worded))
        else:
            batch.rows.append(row)
    more = intake.prepare(batch.leads[first:])
    if first == 0:
        batch.prepared = more
    elif batch.prepared is not None:
        # Keys of some of the leads would be taken for those of others.
        batch.prepared = batch.prepared.with_more(more) if more is not None else None


async def _take(intake: Intake, batch: _Batch, done: Imported) -> None:
    """Takes the batch in; a row that the database cannot store is found by halving, and rejected alone."""
    if not batch.leads:
        return
    try:
        taken = await intake.take(batch.leads, batch.prepared, [row.line for row in batch.rows])
    except PostgresError as error:
        if trouble_of(error) is not Trouble.REFUSED_ROW:
            raise
        if len(batch.leads) == 1:
            batch.rejected.append((batch.rows[0], "", worded("PostgreSQL cannot store it: {why}", why=error)))
            return
        half = len(batch.leads) // 2
        for part in (slice(None, half), slice(half, None)):
            await _take(intake, batch.part(part), done)
        return
    done.new += taken.new
    done.repeated += taken.repeated
    done.merged = None if done.merged is None or taken.merged is None else done.merged + taken.merged
    done.parked += taken.parked
    if taken.overlaps or taken.shared:
        done.customers.add(taken.overlaps, taken.shared, batch.rows, batch.leads)
    batch.differing += [(batch.rows[one.place], batch.leads[one.place], one.fields) for one in taken.differing]
