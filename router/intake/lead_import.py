"""Importing a file of leads: read ahead in a thread, accepted batch by batch, what cannot be is set aside."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

import asyncpg

from router.domain.lead_in import LeadIn
from router.intake.lead_file import LeadFile, Row
from router.intake.normalise import LeadReader, Rejected
from router.intake.rejects import RejectsFile
from router.store.leads import accept
from router.store.statements import Connection

_UNSTORABLE = (asyncpg.DataError, asyncpg.ProgramLimitExceededError)
"""What PostgreSQL says of a value that it cannot store, as opposed to being away, busy or full."""


@dataclass(slots=True)
class Imported:
    """What became of the rows so far: `rows` = `new` + `repeated` + `rejected`.

    `merged` and `parked` are parts of `new`; `position` is in bytes of the file.
    """

    rows: int = 0
    new: int = 0
    repeated: int = 0
    merged: int = 0
    parked: int = 0
    rejected: int = 0
    position: int = 0


@dataclass(slots=True)
class _Batch:
    """Leads with their rows side by side, and the rows that are none with column and reason."""

    rows: list[Row] = field(default_factory=list)
    leads: list[LeadIn] = field(default_factory=list)
    rejected: list[tuple[Row, str, str]] = field(default_factory=list)
    position: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows or self.rejected)


async def import_leads(
    conn: Connection,
    tenant_id: int,
    file: LeadFile,
    reader: LeadReader,
    rejects: RejectsFile,
    batch_rows: int,
    progress: Callable[[Imported], None],
) -> Imported:
    """Accepts all rows of the file, a transaction for each `batch_rows`, and says what became of them.

    Cut off anywhere, it has accepted whole batches and left nothing half-done; run again, it accepts the rest.
    `progress` is called after each batch. Raises what the database raises when it is away.
    """
    done = Imported()
    rows = file.rows()

    def read_batch() -> _Batch:
        batch = _read(islice(rows, batch_rows), reader)
        batch.position = file.position
        return batch

    # The next batch is read in a thread while the database works on this one.
    coming = asyncio.create_task(asyncio.to_thread(read_batch))
    try:
        while batch := await coming:
            coming = asyncio.create_task(asyncio.to_thread(read_batch))
            done.rows += len(batch.rows) + len(batch.rejected)
            await _accept(conn, tenant_id, batch, done)
            for rejected in sorted(batch.rejected, key=lambda one: one[0].line):
                rejects.add(*rejected)
            done.rejected = rejects.count
            done.position = batch.position
            progress(done)
    finally:
        # The thread must be done with the file before it is closed.
        await asyncio.wait([coming])
    return done


def _read(rows: Iterable[Row], reader: LeadReader) -> _Batch:
    batch = _Batch()
    for row in rows:
        if row.problem:
            batch.rejected.append((row, "", row.problem))
            continue
        try:
            batch.leads.append(reader.read(row.cells))
        except Rejected as error:
            batch.rejected.append((row, error.column, str(error)))
        else:
            batch.rows.append(row)
    return batch


async def _accept(conn: Connection, tenant_id: int, batch: _Batch, done: Imported) -> None:
    """Accepts the batch; a row that the database cannot store is found by halving, and rejected alone."""
    if not batch.leads:
        return
    try:
        result = await accept(conn, tenant_id, batch.leads)
    except _UNSTORABLE as error:
        if len(batch.leads) == 1:
            batch.rejected.append((batch.rows[0], "", f"PostgreSQL cannot store it: {error}"))
            return
        half = len(batch.leads) // 2
        for part in (slice(None, half), slice(half, None)):
            halved = _Batch(batch.rows[part], batch.leads[part], batch.rejected)
            await _accept(conn, tenant_id, halved, done)
        return
    done.new += result.new
    done.repeated += result.repeated
    done.merged += result.merged
    done.parked += result.parked
