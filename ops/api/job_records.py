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
from router.store.jobs import JobEnd, note_begin, note_end, note_progress
from router.telemetry.logs import get_logger

if TYPE_CHECKING:
    from ops.api.running import Job

log = get_logger(__name__)

NOTED_EVERY_S = 1.0
MAX_RESULT = 1_000_000
"""Characters of JSON: a longer result stays in the instance that has it."""
MAX_FILE = 20_000_000
"""Bytes, as it is stored: a longer file stays in the instance that made it, for an hour."""
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
        """Notes that it begins, before it does anything: who is sent to another instance finds it there."""
        with suppress(*TRANSIENT_ERRORS, TimeoutError):
            await self._note()

    async def follow(self) -> None:
        """Notes how far it is until this is cancelled; ends the job when another instance was asked to."""
        while True:
            await asyncio.sleep(NOTED_EVERY_S)
            with suppress(*TRANSIENT_ERRORS, TimeoutError):
                await self._note()

    async def _note(self) -> None:
        job = self._job
        async with self._connections.acquire(Part.CONSOLE, _PATIENCE_S) as conn:
            if not self._begun:
                await note_begin(conn, job.tenant_id, job.job_id, job.kind, job.started_by, job.started_at)
                self._begun = True
            wanted = await note_progress(conn, job.tenant_id, job.job_id, job.done, job.total, job.step)
        if wanted and not self._cancelled and job.task is not None:
            self._cancelled = True
            job.task.cancel()

    async def end(self) -> bool:
        """Notes how it ended; returns whether that is stored, with all that it made. Tries again for some seconds."""
        job = self._job
        try:
            packed = None if job.made is None else await asyncio.to_thread(_packed, os.dup(job.made.file.fileno()))
        except (OSError, ValueError) as error:
            log.warning("file of job not kept", job=job.job_id, error=str(error))
            packed = None
        end = _end_of(job, packed)
        for number in range(_TRIES):
            try:
                async with self._connections.acquire(Part.CONSOLE, _PATIENCE_S) as conn, conn.transaction():
                    if not self._begun:
                        await note_begin(conn, job.tenant_id, job.job_id, job.kind, job.started_by, job.started_at)
                    noted = await note_end(conn, job.tenant_id, job.job_id, end)
                return noted and not end.result_left and (job.made is None or packed is not None)
            except (*TRANSIENT_ERRORS, TimeoutError) as error:
                if number == _TRIES - 1 or self._connections.shut() is not None:
                    log.warning("end of job not noted", job=job.job_id, error=str(error))
                    return False
                await asyncio.sleep(number)
        return False


def _end_of(job: "Job", packed: bytes | None) -> JobEnd:
    text: str | None = None
    if job.result is not None:
        with suppress(UnicodeEncodeError):
            text = msgspec.json.encode(job.result).decode()
    number = job.result.get("import") if job.kind == "import_leads" and job.result else None
    left = job.result is not None and (text is None or len(text) > MAX_RESULT)
    made = job.made if packed is not None else None
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
