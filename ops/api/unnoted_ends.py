"""Ends of jobs that could not be noted in the database: they are tried again until they are."""

import asyncio
from collections.abc import Callable
from contextvars import Context

from ops.api.job_records import JobRecord
from router.store.backoff import wait_s as backoff_s
from router.telemetry.logs import get_logger

log = get_logger(__name__)

_AGAIN_S = 5.0
"""The longest wait until they are tried again."""
_AT_ONCE = 8
"""So many are tried at the same time: one that waits for a lock, or has a long file, keeps no other one back."""


class UnnotedEnds:
    """Of this process. `kept` says whether a job is still known here: else its end is given up; `noted` hears of the
    job whose end is stored with all that it made.
    """

    def __init__(self, kept: Callable[[str], bool], noted: Callable[[str], None]) -> None:
        self._kept, self._noted = kept, noted
        self._records: dict[str, JobRecord] = {}
        self._trying: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing tries to note any."""
        return self._trying is None

    def of(self, job_id: str) -> JobRecord | None:
        """That of a job whose end is not noted."""
        return self._records.get(job_id)

    def add(self, job_id: str, record: JobRecord) -> None:
        """One more, from now on tried again and again."""
        self._records[job_id] = record
        if self._trying is None:
            self._trying = asyncio.create_task(self._until_noted(), name="ends of jobs", context=Context())

    async def stop(self, wait_s: float) -> None:
        """Tries each of them a last time, within so long."""
        if self._trying is not None:
            self._trying.cancel()
        if self._records:
            last = asyncio.create_task(self.note_all(), name="ends of jobs")
            await asyncio.wait([last], timeout=wait_s)
            last.cancel()

    async def note_all(self) -> bool:
        """Tries each of them once; returns whether any was noted. Those with a file come last: they take longer."""
        self._records = {job_id: record for job_id, record in self._records.items() if self._kept(job_id)}
        free = asyncio.Semaphore(_AT_ONCE)
        by_length = sorted(self._records.items(), key=lambda one: one[1].has_file)
        return any(await asyncio.gather(*(self._note(job_id, record, free) for job_id, record in by_length)))

    async def _note(self, job_id: str, record: JobRecord, free: asyncio.Semaphore) -> bool:
        async with free:
            try:
                noted = await record.note_end()
            except Exception:
                # A fault of ours with one of them is not the others'.
                log.exception("noting the end of a job failed", job=job_id)
                return False
        if noted is None:
            return False
        self._records.pop(job_id, None)
        if noted:
            self._noted(job_id)
        return True

    async def _until_noted(self) -> None:
        failures = 0
        try:
            while self._records:
                failures += 1
                await asyncio.sleep(backoff_s(failures, longest_s=_AGAIN_S))
                if await self.note_all():
                    failures = 0
        finally:
            # The next end that cannot be noted begins again.
            self._trying = None
