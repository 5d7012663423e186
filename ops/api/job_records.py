"""What the instance that runs a job notes of it in the database, so that every instance can say how it is."""

import asyncio
import os
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS
from router.store.jobs import JobEnd, RunsElsewhere, add_ended, is_ended, note_begin, note_end, note_progress
from router.telemetry.logs import get_logger

if TYPE_CHECKING:
    from ops.api.running import Job, JobFile

log = get_logger(__name__)

NOTED_EVERY_S = 1.0
MAX_RESULT = 1_000_000
"""Characters of JSON: a longer result stays in the instance that has it."""
MAX_FILE = 20_000_000
"""Bytes, as it is stored: a longer file stays in the instance that made it, for an hour."""
_TAKEN = (
    "it was started while this instance could not reach the database, and another one of its kind runs: job {other}. "
    "What this one did stays done; start it again for the rest when that one is over"
)
_GIVEN_UP = (
    "this instance could not note it in the database for too long, so it counted as failed, and another one of its "
    "kind may have been begun. What it did stays done; start it again for the rest"
)
_PATIENCE_S = 2.0
_TRIES = 5
_PIECE = 1_000_000
_GZIP = 16 + zlib.MAX_WBITS


class JobRecord:
    """Of one job. That the database is away costs a job nothing: then only its instance knows of it."""

    def __init__(self, job: "Job", connections: Connections) -> None:
        self._job = job
        self._connections = connections
        self._begun = self._cancelled = False

    async def begin(self) -> None:
        """Notes that it begins, before it does anything: who is sent to another instance finds it there. Raises
        RunsElsewhere while another one of its kind runs for the tenant, in whichever instance.
        """
        with suppress(*TRANSIENT_ERRORS, TimeoutError):
            await self._note()

    async def follow(self) -> None:
        """Notes how far it is until this is cancelled; ends the job when another instance was asked to, and when it
        lost its place to another one while the database was away.
        """
        while True:
            await asyncio.sleep(NOTED_EVERY_S)
            try:
                with suppress(*TRANSIENT_ERRORS, TimeoutError):
                    await self._note()
            except RunsElsewhere as error:
                self._cancel(_TAKEN.format(other=error.job_id))

    async def _note(self) -> None:
        job = self._job
        async with self._connections.acquire(Part.CONSOLE, _PATIENCE_S) as conn:
            if not self._begun:
                await note_begin(conn, job.tenant_id, job.job_id, job.kind, job.started_by, job.started_at)
                self._begun = True
            wanted = await note_progress(conn, job.tenant_id, job.job_id, job.done, job.total, job.step)
            if wanted is None and await is_ended(conn, job.tenant_id, job.job_id):
                self._cancel(_GIVEN_UP)
        if wanted:
            self._cancel(None)

    def _cancel(self, failed: str | None) -> None:
        """Once; `failed` = why it counts as failed (None = as cancelled)."""
        if not self._cancelled and self._job.task is not None and self._job.state == "running":
            self._cancelled = True
            self._job.lost = failed
            self._job.task.cancel()

    async def end(self) -> bool | None:
        """Notes how it ended; returns whether that is stored, with all that it made. Tries again for some seconds; None
        = the database was away for longer: to be tried later, by `note_end`.
        """
        end = await self._end()
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(number - 1)
            noted = await self._note_end(end)
            self._job.settled = True
            if noted is not None or self._connections.shut() is not None:
                break
        if noted is None:
            log.warning("end of job not noted yet", job=self._job.job_id)
        return noted

    async def note_end(self) -> bool | None:
        """Notes it once, as `end` does. Doing so again changes nothing: there is one row for each job. A file is made
        ready only where there is a connection: that takes seconds of a processor each time.
        """
        if self._job.made is not None:
            try:
                async with self._connections.acquire(Part.CONSOLE, _PATIENCE_S):
                    pass
            except (*TRANSIENT_ERRORS, TimeoutError):
                return None
        return await self._note_end(await self._end())

    async def _end(self) -> JobEnd:
        # What it made may be forgotten meanwhile.
        job, made = self._job, self._job.made
        try:
            packed = None if made is None else await asyncio.to_thread(_packed, os.dup(made.file.fileno()))
        except (OSError, ValueError) as error:
            log.warning("file of job not kept", job=job.job_id, error=str(error))
            packed = None
        return _end_of(job, made, packed)

    async def _note_end(self, end: JobEnd) -> bool | None:
        job = self._job
        try:
            async with self._connections.acquire(Part.CONSOLE, _PATIENCE_S) as conn, conn.transaction():
                if not self._begun:
                    await add_ended(conn, job.tenant_id, job.job_id, job.kind, job.started_by, job.started_at, end)
                noted = await note_end(conn, job.tenant_id, job.job_id, end)
        except (*TRANSIENT_ERRORS, TimeoutError) as error:
            log.info("end of job not noted", job=job.job_id, error=str(error))
            return None
        return noted and not end.result_left and (job.made is None or end.file is not None)


def _end_of(job: "Job", made: "JobFile | None", packed: bytes | None) -> JobEnd:
    text: str | None = None
    if job.result is not None:
        with suppress(UnicodeEncodeError):
            text = msgspec.json.encode(job.result).decode()
    number = job.result.get("import") if job.kind == "import_leads" and job.result else None
    left = job.result is not None and (text is None or len(text) > MAX_RESULT)
    made = made if packed is not None else None
    assert job.ended_at is not None
    return JobEnd(
        job.ended_at,
        job.state,
        job.done,
        job.total,
        job.step,
        None if left else text,
        left,
        job.error,
        number if isinstance(number, int) else None,
        None if made is None else made.name,
        None if made is None else made.encoding,
        packed,
    )


def _packed(descriptor: int) -> bytes | None:
    """The file by gzip; None where that is too long. Closes the descriptor."""
    packer = zlib.compressobj(wbits=_GZIP)
    parts, size, place = list[bytes](), 0, 0
    try:
        while piece := os.pread(descriptor, _PIECE, place):
            place += len(piece)
            parts.append(packer.compress(piece))
            size += len(parts[-1])
            if size > MAX_FILE:
                return None
        return b"".join([*parts, packer.flush()])
    finally:
        os.close(descriptor)


async def unpacked(packed: bytes) -> AsyncIterator[bytes]:
    """The file again, in pieces of at most 1 MB: a few bytes may stand for very many."""
    unzip, rest = zlib.decompressobj(_GZIP), packed
    while rest and not unzip.eof:
        if piece := await asyncio.to_thread(unzip.decompress, rest, _PIECE):
            yield piece
        rest = unzip.unconsumed_tail
    if left := unzip.flush():
        yield left
