"""What the instance that runs a job notes of it in the database, so that every instance can say how it is."""

import asyncio
import os
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from router.domain.worded import worded
from router.store.connections.connections import Connections, Part
from router.store.errors import TRANSIENT_ERRORS, ConnectionsInUse, Trouble, trouble_of
from router.store.jobs import JobEnd, RunsElsewhere, add_ended, is_ended, note_begin, note_end, note_progress
from router.store.statements import Connection
from router.telemetry.logs import get_logger
from router.telemetry.masking import mask_passwords

if TYPE_CHECKING:
    from ops.api.running import Job, JobFile

log = get_logger(__name__)

NOTED_EVERY_S = 1.0
MAX_RESULT = 1_000_000
"""Characters of JSON: a longer result stays in the instance that has it."""
MAX_FILE = 20_000_000
"""Bytes, as it is stored: a longer file stays in the instance that made it, for an hour."""
_GIVEN_UP = worded(
    "this instance could not note it in the database for too long, so it counted as failed, and another one of its "
    "kind may have been begun. What it did stays done; start it again for the rest"
)
_ERRORS = (*TRANSIENT_ERRORS, TimeoutError)
_PATIENCE_S = 2.0
"""So long one waits for a connection of a database that may be away."""
_IN_USE_PATIENCE_S = 10.0
"""So long again where the database is there, and the connections are in use."""
_TRIES = 5
_PIECE = 1_000_000
_GZIP = 16 + zlib.MAX_WBITS


class NotBegun(Exception):
    """The database is there, and did not say in time whether another job of this kind runs: none was begun."""


class JobRecord:
    """Of one job. That the database is away costs a job nothing: then only its instance knows of it. While it is only
    busy one waits for it, since it could say that another one of its kind runs.
    """

    def __init__(self, job: "Job", connections: Connections, now_s: Callable[[], float]) -> None:
        self._job = job
        self._now_s = now_s
        self._connections = connections
        self._begun = self._cancelled = False
        self._noting = asyncio.Lock()
        self._noted: bool | None = None

    @property
    def has_file(self) -> bool:
        """Whether noting the end means to make a file ready first."""
        return self._job.made is not None

    async def begin(self) -> None:
        """Notes that it begins, before it does anything: who is sent to another instance finds it there. Raises
        RunsElsewhere while another one of its kind runs for the tenant, in whichever instance; NotBegun where that
        could not be seen although the database is there.
        """
        try:
            await self._note()
        except _ERRORS as error:
            if self._begun or not _is_busy(error):
                return
            raise NotBegun(_why_not_begun(error)) from error

    async def follow(self) -> None:
        """Notes how far it is until this is cancelled; ends the job when another instance was asked to, and when it
        lost its place to another one while the database was away.
        """
        while True:
            await asyncio.sleep(NOTED_EVERY_S)
            try:
                with suppress(*_ERRORS):
                    await self._note()
            except RunsElsewhere as error:
                self._cancel(_taken(error.job_id))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """What is in use comes back, so that is waited for; what is away may not."""
        async with AsyncExitStack() as stack:
            try:
                conn = await stack.enter_async_context(self._connections.acquire(Part.CONSOLE, _PATIENCE_S))
            except ConnectionsInUse:
                conn = await stack.enter_async_context(self._connections.acquire(Part.CONSOLE, _IN_USE_PATIENCE_S))
            yield conn

    async def _note(self) -> None:
        job = self._job
        async with self._connection() as conn:
            if not self._begun:
                ago_s = self._now_s() - job.started_s
                begun = await note_begin(conn, job.tenant_id, job.job_id, job.kind, job.started_by, ago_s)
                self._begun = True
                job.started_at = begun or job.started_at
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
        """Notes how it ended; returns whether that is stored, with all that it made. Tries again for some seconds, and
        longer while the database is only busy; None = to be tried later, by `note_end`.
        """
        end = await self._end()
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(_between_s(number))
            try:
                noted = await self._note_end(end)
            except _ERRORS as error:
                self._not_noted(error)
                if not _is_busy(error):
                    self._job.settled = True
            else:
                self._job.settled = True
                return noted
            if self._connections.shut() is not None:
                break
        log.warning("end of job not noted yet", job=self._job.job_id)
        return None

    async def note_end(self) -> bool | None:
        """Notes it once, as `end` does, for all who ask at the same time: who came later would find its file handed
        over, and note that there is none. A file is made ready only where there is a connection: that takes seconds of
        a processor each time.
        """
        async with self._noting:
            if self._noted is None:
                try:
                    if self._job.made is not None:
                        async with self._connection():
                            pass
                    self._noted = await self._note_end(await self._end())
                except _ERRORS as error:
                    self._not_noted(error)
            return self._noted

    def _not_noted(self, error: Exception) -> None:
        log.info("end of job not noted", job=self._job.job_id, error=mask_passwords(str(error)))

    async def _end(self) -> JobEnd:
        # What it made may be forgotten meanwhile.
        job, made = self._job, self._job.made
        try:
            packed = None if made is None else await asyncio.to_thread(_packed, os.dup(made.file.fileno()))
        except (OSError, ValueError) as error:
            log.warning("file of job not kept", job=job.job_id, error=str(error))
            packed = None
        return _end_of(job, made, packed)

    async def _note_end(self, end: JobEnd) -> bool:
        job = self._job
        assert job.ended_s is not None
        async with self._connection() as conn, conn.transaction():
            end = replace(end, ended_ago_s=self._now_s() - job.ended_s)
            if not self._begun:
                ago_s = self._now_s() - job.started_s
                await add_ended(conn, job.tenant_id, job.job_id, job.kind, job.started_by, ago_s, end)
            noted = await note_end(conn, job.tenant_id, job.job_id, end)
        if noted is None:
            return False
        # As all instances show it.
        job.started_at, job.ended_at = noted
        return not end.result_left and (job.made is None or end.file is not None)


def _between_s(number: int) -> float:
    return float(number - 1)


def _is_busy(error: Exception) -> bool:
    """Whether the database is there: all connections are in use, or others have locked what is needed."""
    return isinstance(error, ConnectionsInUse) or trouble_of(error) is Trouble.LOCK_CONFLICT


def _taken(other_id: str) -> str:
    return worded(
        "it was started while this instance could not reach the database, and another one of its kind runs: job "
        "{other}. What this one did stays done; start it again for the rest when that one is over",
        other=other_id,
    )


def _why_not_begun(error: Exception) -> str:
    busy = (
        worded("all database connections were in use for {seconds:g} s", seconds=_PATIENCE_S + _IN_USE_PATIENCE_S)
        if isinstance(error, ConnectionsInUse)
        else worded("another session has locked the table of jobs")
    )
    return worded(
        "nothing was started: {busy}, so it could not be seen whether another job of this kind runs for this tenant; "
        "try again in a while",
        busy=busy,
    )


def _end_of(job: "Job", made: "JobFile | None", packed: bytes | None) -> JobEnd:
    text: str | None = None
    if job.result is not None:
        with suppress(UnicodeEncodeError):
            text = msgspec.json.encode(job.result).decode()
    number = job.result.get("import") if job.kind == "import_leads" and job.result else None
    left = job.result is not None and (text is None or len(text) > MAX_RESULT)
    made = made if packed is not None else None
    return JobEnd(
        0.0,
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
