"""Jobs: what takes longer than a request, in this process, with progress that all instances can show."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import IO, Annotated, Literal

import msgspec

from ops.api.fields import OF_PARTS, Json, Moment
from ops.api.job_records import JobRecord, NotBegun
from ops.api.personal import seen_by, words_for
from ops.api.unnoted_ends import UnnotedEnds
from ops.documents.file_import import CannotImport
from ops.replay.overrides import BadOverride
from router.domain.worded import parts_of, said_by, worded
from router.domain.worded_phrases import worded_duration
from router.http.operations import Answer, Call
from router.http.problems import Kind, Refused, busy
from router.manual.merge_customers import CannotMerge
from router.rules.file import ZoneDiffers
from router.store.errors import LOCK_TIMEOUTS, TRANSIENT_ERRORS
from router.store.jobs import KEPT as KEPT_IN_DATABASE
from router.store.jobs import KEPT_DAYS, SILENT_S, RunsElsewhere
from router.telemetry.logs import bound, get_logger
from router.telemetry.masking import mask_passwords
from router.telemetry.spans import TENANT, root_span

log = get_logger(__name__)

JobKind = Literal[
    "audit", "check_import", "replay", "retry", "handover", "import_leads", "park", "undo_import", "unpark"
]
State = Literal["running", "done", "failed", "cancelled"]

KEPT_FOR_S = 3600.0
KEPT = 100
KEPT_FILES = 10
"""Of so many jobs, the last ones, a file that they made is kept here where the database has no room for it."""
ONE_OF_A_KIND = "Of a tenant one job of a kind runs at a time, in all instances together, else 409."
"""What the operations that start a job say of it."""
AT_ONCE = 4
AT_ONCE_OF_TENANT = 3
"""Of a tenant: so one place is always left for the others."""
_END_NOTED_S = 5.0
"""So long a job waits until the end of the one before it is noted."""
_STOPPED = worded("the instance that ran it was stopped: what it did stays done; start it again for the rest")
_JOB_ID = re.compile(r"([0-9a-f]{6})-[0-9a-f]{16}")


class JobDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A job: how far it is (`done` of `total`, null = not known yet), and its result once it is done."""

    id: str
    kind: JobKind
    tenant: str
    state: State
    started_by: str
    started_at: Moment
    ended_at: Moment | None
    done: int
    total: int | None
    step: str
    result: Json | None
    error: str | None
    error_parts: Annotated[list[Json] | None, msgspec.Meta(description=OF_PARTS)]
    file: Annotated[str | None, msgspec.Meta(description="The name of the file of rejected rows, while it is kept")]


@dataclass(slots=True)
class JobFile:
    """What a job made for people to fetch."""

    name: str
    file: IO[bytes]
    encoding: str


@dataclass(slots=True)
class Job:
    """One run. `progress` counts what `step` says; `error` why it failed; `made` is a file for people to fetch, and
    `made_name` what it is called, wherever it is kept. `lost` = why it was ended, where that was not asked for.
    `started_s`, `ended_s` are by a clock that only counts, and the database says when that was. `settled` = all
    instances know how it ended, or the database is away; until then it is shown as one that runs, since it is in the
    way of the next one.
    """

    job_id: str
    kind: JobKind
    tenant_id: int
    tenant: str
    started_by: str
    started_at: datetime
    started_s: float
    state: State = "running"
    ended_at: datetime | None = None
    ended_s: float | None = None
    done: int = 0
    total: int | None = None
    step: str = ""
    result: Json | None = None
    error: str | None = None
    made: JobFile | None = field(default=None, repr=False)
    made_name: str | None = None
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)
    lost: str | None = None
    settled: bool = False

    def reach(self, done: int) -> None:
        """So much is done."""
        self.done = done

    def document(self, call: Call) -> JobDocument:
        """As the caller may see it."""
        over = self.settled
        return JobDocument(
            id=self.job_id,
            kind=self.kind,
            tenant=self.tenant,
            state=self.state if over else "running",
            started_by=self.started_by,
            started_at=self.started_at,
            ended_at=self.ended_at if over else None,
            done=self.done,
            total=self.total,
            step=self.step,
            result=seen_by(call, self.result) if over else None,
            error=str(words_for(call, self.error)) if over and self.error is not None else None,
            error_parts=seen_by(call, parts_of(self.error)) if over and self.error is not None else None,
            file=words_for(call, self.made_name) if over and self.made_name is not None else None,
        )


Work = Callable[[Job], Awaitable[Json]]


class Jobs:
    """Those of this process: AT_ONCE in all, AT_ONCE_OF_TENANT of them of a tenant; and one of a kind for a tenant at a
    time, in all instances together.
    """

    def __init__(
        self, clock: Callable[[], datetime] = lambda: datetime.now(UTC), now_s: Callable[[], float] = monotonic
    ) -> None:
        self._instance = secrets.token_hex(3)
        self._jobs: dict[str, Job] = {}
        self._clock, self._now_s = clock, now_s
        self._stopped = False
        self._unnoted = UnnotedEnds(self._is_kept, self._hand_over)

    async def start(self, kind: JobKind, call: Call, work: Work) -> Job:
        """Starts it. Raises Refused while there are too many or another one of its kind runs for the tenant, while the
        database is too busy to say so, and when this instance is about to end.
        """
        if self._stopped:
            raise busy(worded("this instance is being stopped; start the job again"), 5)
        self._forget()
        running = [job for job in self._jobs.values() if job.state == "running"]
        tenant = call.tenant
        own = [job for job in running if job.tenant_id == tenant.tenant_id]
        for other in own:
            if other.kind == kind:
                raise _runs_already(kind, other.job_id, elsewhere=False)
        if len(running) >= AT_ONCE:
            raise busy(worded("{count} jobs run already; try again when one is done", count=AT_ONCE), 5)
        if len(own) >= AT_ONCE_OF_TENANT:
            raise busy(
                worded(
                    "{count} jobs of this tenant run already in this instance, as many as one tenant may have; "
                    "try again when one is done",
                    count=len(own),
                ),
                5,
            )
        job = Job(
            f"{self._instance}-{secrets.token_hex(8)}",
            kind,
            tenant.tenant_id,
            tenant.name,
            call.actor,
            self._clock(),
            self._now_s(),
        )
        self._jobs[job.job_id] = job
        begun: asyncio.Future[Refused | None] = asyncio.get_running_loop().create_future()
        # It outlives the request, and its span.
        doing = self._run(job, work, JobRecord(job, call.connections, self._now_s), begun)
        job.task = asyncio.create_task(doing, name=f"job {job.job_id}", context=Context())
        job.task.add_done_callback(lambda _task: self._is_over(job, begun))
        try:
            refused = await begun
        except asyncio.CancelledError:
            # Who asked for it has gone, and nobody would know of it.
            job.task.cancel()
            raise
        if refused is not None:
            raise refused
        return job

    def of(self, tenant_id: int) -> list[Job]:
        """The jobs of a tenant, the last one first."""
        self._forget()
        return [job for job in reversed(self._jobs.values()) if job.tenant_id == tenant_id]

    def here(self, tenant_id: int, job_id: str) -> Job | None:
        """The job, if this instance runs it, or ran it within the last hour; None for that of another tenant, too."""
        self._forget()
        job = self._jobs.get(job_id)
        return job if job is not None and job.tenant_id == tenant_id else None

    def missing(self, job_id: str) -> Refused:
        """The refusal for one that is neither here nor in the database."""
        of_instance = _JOB_ID.fullmatch(job_id)
        if of_instance and of_instance[1] != self._instance:
            return Refused(
                Kind.ELSEWHERE,
                worded(
                    "this job is of another instance, whose jobs begin with {prefix}-, not {instance}-, and "
                    "which has not noted it in the database: ask the instance that started it. If that was "
                    "restarted meanwhile, the job ended with it: start it again",
                    prefix=of_instance[1],
                    instance=self._instance,
                ),
            )
        return Refused(
            Kind.NOT_FOUND,
            worded(
                "there is no job {job_id!r}: the last {jobs} of a tenant are kept for {days} days; start it again",
                job_id=job_id[:40],
                jobs=KEPT_IN_DATABASE,
                days=f"{KEPT_DAYS:g}",
            ),
        )

    async def cancel(self, job: Job) -> None:
        """Ends a job that runs, and waits for it; what it has done stays done."""
        if job.task is not None and not job.task.done():
            if job.state == "running":
                job.task.cancel()
            await asyncio.wait([job.task], timeout=5)

    async def stop(self, wait_s: float) -> None:
        """Ends all jobs with this instance, and waits so long at the most for that to be noted in the database."""
        self._stopped = True
        tasks = [job.task for job in self._jobs.values() if job.task is not None and not job.task.done()]
        for job in self._jobs.values():
            if job.state == "running" and job.task is not None:
                job.task.cancel()
        ended = asyncio.wait(tasks, timeout=wait_s) if tasks else asyncio.sleep(0)
        await asyncio.gather(ended, self._unnoted.stop(wait_s))

    async def _run(self, job: Job, work: Work, record: JobRecord, begun: "asyncio.Future[Refused | None]") -> None:
        try:
            await self._begin(record)
        except (RunsElsewhere, NotBegun) as error:
            del self._jobs[job.job_id]
            _answer(begun, _refusal(job.kind, error))
            return
        except asyncio.CancelledError:
            self._cancelled(job)
        except Exception as error:
            self._failed(job, error)
        _answer(begun, None)
        if job.state == "running":
            following = asyncio.create_task(record.follow(), name=f"record of job {job.job_id}")
            await self._work(job, work)
            following.cancel()
            await asyncio.wait([following])
        noted = await record.end()
        if noted is None and not self._stopped:
            self._unnoted.add(job.job_id, record)
        elif noted:
            self._hand_over(job.job_id)

    def _is_over(self, job: Job, begun: "asyncio.Future[Refused | None]") -> None:
        """Also where it was ended before its first step, or by a fault of ours: nobody waits for it."""
        if job.state == "running":
            self._cancelled(job)
        job.settled = True
        _answer(begun, None)

    async def _begin(self, record: JobRecord) -> None:
        """Notes that it begins. Raises RunsElsewhere, but not for one that has ended here: that is noted first."""
        try:
            await record.begin()
        except RunsElsewhere as error:
            other = self._jobs.get(error.job_id)
            if other is None or other.state == "running" or other.task is None:
                raise
            await asyncio.wait([other.task], timeout=_END_NOTED_S)
            if (unnoted := self._unnoted.of(error.job_id)) is not None:
                await unnoted.note_end()
            await record.begin()

    async def _work(self, job: Job, work: Work) -> None:
        try:
            # Whoever started it describes it first.
            await asyncio.sleep(0)
            with bound(tenant=job.tenant), root_span(f"job {job.kind}", {TENANT: job.tenant}):
                # Its documents hold times and keys as they come; from here on it is plain JSON.
                job.result = msgspec.to_builtins(await work(job), str_keys=True)
            self._ends(job, "done", None)
        except asyncio.CancelledError:
            self._cancelled(job)
        except Exception as error:
            self._failed(job, error)

    def _failed(self, job: Job, error: Exception) -> None:
        self._ends(job, "failed", _words(job, error))

    def _cancelled(self, job: Job) -> None:
        failed = _STOPPED if self._stopped else job.lost
        self._ends(job, "cancelled" if failed is None else "failed", failed)

    def _ends(self, job: Job, state: State, error: str | None) -> None:
        job.state, job.error, job.ended_at, job.ended_s = state, error, self._clock(), self._now_s()

    def _is_kept(self, job_id: str) -> bool:
        self._forget()
        return job_id in self._jobs

    def _hand_over(self, job_id: str) -> None:
        """From now on its file is the database's, for all instances."""
        job = self._jobs.get(job_id)
        if job is not None and job.made is not None:
            job.made.file.close()
            job.made = None

    def _forget(self) -> None:
        """Those that ended an hour ago; and the oldest, where there are many. Files of fewer are kept."""
        ended = [job for job in self._jobs.values() if job.ended_s is not None]
        old = self._now_s() - KEPT_FOR_S
        files = 0
        for number, job in enumerate(reversed(ended)):
            forgotten = number >= KEPT or (job.ended_s is not None and job.ended_s < old)
            if job.made is not None:
                files += 1
                if forgotten or files > KEPT_FILES:
                    job.made.file.close()
                    job.made = job.made_name = None
            if forgotten:
                del self._jobs[job.job_id]


def _runs_already(kind: JobKind, job_id: str, *, elsewhere: bool) -> Refused:
    words = worded(
        "a job of this kind ({kind}) runs for this tenant already: job {job}; wait until it is over, or cancel it",
        kind=kind,
        job=job_id,
    )
    if elsewhere:
        words += worded(
            " (if the instance that ran it was killed, it is over {lasts} after its last sign)",
            lasts=worded_duration(SILENT_S),
        )
    return Refused(Kind.CONFLICT, words)


def _refusal(kind: JobKind, error: RunsElsewhere | NotBegun) -> Refused:
    if isinstance(error, NotBegun):
        return busy(said_by(error), 5)
    return _runs_already(kind, error.job_id, elsewhere=True)


def _answer(begun: "asyncio.Future[Refused | None]", refused: Refused | None) -> None:
    """Unless nobody waits for it any more."""
    if not begun.done():
        begun.set_result(refused)


def accepted(call: Call, job: Job) -> Answer:
    """A job that was started, and where to ask for it."""
    tenant = f"?tenant={job.tenant}" if "tenant" in call.request.query else ""
    return Answer(job.document(call), 202, {"Location": f"/v1/jobs/{job.job_id}{tenant}"})


def _words(job: Job, error: Exception) -> str:
    if isinstance(error, BadOverride | ZoneDiffers | CannotImport):
        return said_by(error)
    if isinstance(error, CannotMerge):
        return str(error)
    if isinstance(error, LOCK_TIMEOUTS):
        return worded("something is locked by another session: {error}; start it again", error=error)
    if isinstance(error, TRANSIENT_ERRORS):
        why = mask_passwords(str(error))
        return worded("the database is away or busy: {why}; start it again", why=why)
    log.error("job failed", job=job.job_id, kind=job.kind, exc_info=error)
    return worded("this is a fault of lead-router; its log has the cause")
