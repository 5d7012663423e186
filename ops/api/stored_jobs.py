"""A job, whichever instance runs it or ran it: from this process where it is here, else as it was noted last."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from typing import IO, get_args

import msgspec

from ops.api.job_records import unpacked
from ops.api.personal import seen_by, words_for
from ops.api.running import JobDocument, JobFile, JobKind, Jobs
from router.domain.worded import parts_of, worded
from router.domain.worded_phrases import worded_duration
from router.http.operations import Call
from router.http.problems import Kind, Refused
from router.store import jobs as store
from router.store.jobs import KEPT, KEPT_DAYS, KEPT_FILES, SILENT_S, StoredJob

_NOTED_WITHIN_S = 1.0
_LOOK_S = 0.1
_PIECE = 1_000_000
_ENDED: Mapping[str, str] = {
    "done": worded("done"),
    "failed": worded("failed"),
    "cancelled": worded("cancelled"),
}


async def job_document(jobs: Jobs, call: Call, job_id: str) -> JobDocument:
    """Raises Refused for one that is unknown, and for one of another tenant."""
    if (job := jobs.here(call.tenant.tenant_id, job_id)) is not None:
        return job.document(call)
    missing = jobs.missing(job_id)
    # What another instance has just begun is noted soon.
    looks = int(_NOTED_WITHIN_S / _LOOK_S) if missing.kind is Kind.ELSEWHERE else 1
    for number in range(looks):
        if number:
            await asyncio.sleep(_LOOK_S)
        async with call.connection() as conn:
            found = await store.jobs_of(conn, call.tenant.tenant_id, 1, job_id=job_id)
        if found:
            return _document(call, found[0])
    raise missing


async def job_documents(jobs: Jobs, call: Call) -> list[JobDocument]:
    """Those of the tenant, the last one first."""
    here = {job.job_id: job.document(call) for job in jobs.of(call.tenant.tenant_id)}
    async with call.connection() as conn:
        noted = await store.jobs_of(conn, call.tenant.tenant_id, KEPT)
    every = {one.job_id: _listed(call, one) for one in noted if one.kind in get_args(JobKind)} | here
    return sorted(every.values(), key=lambda one: (one.started_at, one.id), reverse=True)


async def job_of_import(call: Call, import_no: int) -> JobDocument | None:
    """The one that made an import, as long as it is kept."""
    async with call.connection() as conn:
        found = await store.jobs_of(conn, call.tenant.tenant_id, 1, import_no=import_no)
    return _listed(call, found[0]) if found else None


async def cancel_job(jobs: Jobs, call: Call, job_id: str) -> JobDocument:
    """Ends it here at once; another instance does so within a second or two. Raises Refused."""
    if (job := jobs.here(call.tenant.tenant_id, job_id)) is not None:
        await jobs.cancel(job)
        return job.document(call)
    document = await job_document(jobs, call, job_id)
    if document.state == "running":
        async with call.connection() as conn:
            await store.want_cancelled(conn, call.tenant.tenant_id, job_id)
    return document


async def job_file(jobs: Jobs, call: Call, job_id: str) -> tuple[str, str, AsyncIterator[bytes]]:
    """Name, encoding and pieces of the file that it made. Raises Refused where there is none."""
    job = jobs.here(call.tenant.tenant_id, job_id)
    if job is not None and job.made is not None:
        return job.made.name, job.made.encoding, made_here(job.made)
    if job is None:
        await job_document(jobs, call, job_id)
    async with call.connection() as conn:
        found = await store.job_file(conn, call.tenant.tenant_id, job_id)
    if found is None:
        raise Refused(
            Kind.NOT_FOUND,
            worded(
                "no row was rejected, or the file of rejected rows is not kept any more: of a tenant those "
                "of the last {files} imports and checks are, for {days} days",
                files=KEPT_FILES,
                days=f"{KEPT_DAYS:g}",
            ),
        )
    name, encoding, packed = found
    return name, encoding, unpacked(packed)


def made_here(made: JobFile) -> AsyncIterator[bytes]:
    """A file that is kept in this process: several may fetch it at once, and it may be forgotten meanwhile."""
    return _pieces(os.fdopen(os.dup(made.file.fileno()), "rb", buffering=0))


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    """What the file holds, wherever others are reading it; closes it."""
    with file:
        place = 0
        while piece := await asyncio.to_thread(os.pread, file.fileno(), _PIECE, place):
            yield piece
            place += len(piece)


def _document(call: Call, noted: StoredJob) -> JobDocument:
    """Raises Refused where its result is elsewhere, or a later release began it."""
    if noted.kind not in get_args(JobKind):
        raise Refused(Kind.ELSEWHERE, worded("this job is of another release: {kind}", kind=noted.kind))
    if noted.result_left:
        raise Refused(
            Kind.ELSEWHERE,
            worded(
                "this job is {state}; its result was too long to be kept in the database. The instance whose "
                "jobs begin with {prefix}- has it for an hour: ask that one, or start the job again",
                state=_ENDED.get(noted.state, noted.state),
                prefix=noted.job_id.partition("-")[0],
            ),
        )
    return _listed(call, noted)


def _listed(call: Call, noted: StoredJob) -> JobDocument:
    lost = noted.state == "running" and noted.silent_s > SILENT_S
    error = noted.error
    if lost:
        error = store.lost_for(worded_duration(noted.silent_s))
    document = {
        "id": noted.job_id,
        "kind": noted.kind,
        "tenant": call.tenant.name,
        "state": "failed" if lost else noted.state,
        "started_by": noted.started_by,
        "started_at": noted.started_at,
        "ended_at": noted.alive_at if lost else noted.ended_at,
        "done": noted.done,
        "total": noted.total,
        "step": noted.step,
        "result": seen_by(call, None if noted.result is None else msgspec.json.decode(noted.result)),
        "error": None if error is None else str(words_for(call, error)),
        "error_parts": None if error is None else seen_by(call, parts_of(error)),
        "file": None if noted.file_name is None else words_for(call, noted.file_name),
    }
    return msgspec.convert(document, JobDocument)
