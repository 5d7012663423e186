"""Jobs as all instances know them: noted by the one that runs them, the last ones of each tenant, for a while."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from router.domain.worded import Worded, worded
from router.domain.worded_phrases import worded_duration
from router.store.errors import TRANSIENT_ERRORS
from router.store.sentence_parts import read_sentence, written_parts
from router.store.statements import Connection, Row, load

_SQL = load("jobs")

KEPT_DAYS = 7.0
"""How long jobs are kept after their last sign; cleanup removes what is older, and so does the tenant's next job."""
KEPT = 100
KEPT_FILES = 20
"""Of so many jobs of a tenant, the last ones, the file is kept."""
KEPT_BYTES = 50_000_000
"""Of the files of a tenant together, as they are stored."""
LISTED_BYTES = 500_000
"""Of the results that a list of jobs has, as they are stored, which is shorter than what they become."""
SILENT_S = 30.0
"""An instance that has noted nothing for so long does not run the job any more, and is in the way of no other one."""
_EVERY_BYTE = 2**62
_LOOKS = 3


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended, and how long ago. `result` is JSON; `result_left` = it was too large to be kept. `import_no` =
    the import that it made; `file` is gzip.
    """

    ended_ago_s: float
    state: str
    done: int
    total: int | None
    step: str
    result: str | None
    result_left: bool
    error: str | None
    import_no: int | None = None
    file_name: str | None = None
    file_encoding: str | None = None
    file: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job as it was noted last. `silent_s` = how long the instance that runs it has given no sign; `file_name` None =
    there is no file, or it is not kept any more.
    """

    job_id: str
    kind: str
    started_by: str
    started_at: datetime
    alive_at: datetime
    ended_at: datetime | None
    state: str
    done: int
    total: int | None
    step: str
    result: str | None
    result_left: bool
    error: str | None
    file_name: str | None
    silent_s: float


class RunsElsewhere(Exception):
    """Another job of this kind runs for the tenant, maybe in another instance: `job_id`."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


def lost_for(silent: str) -> Worded:
    """The error of a job whose instance has given no sign for so long."""
    return worded(
        "the instance that ran it gave no sign for {lasts}: the job ended with it. What it did stays done; start it "
        "again for the rest",
        lasts=silent,
    )


async def note_begin(
    conn: Connection, tenant_id: int, job_id: str, kind: str, started_by: str, started_ago_s: float = 0.0
) -> datetime | None:
    """A job began so long ago, and older ones make room for it. Returns when that was by the database's clock, as all
    ages are reckoned by it: that of an instance may be days off.
    Raises RunsElsewhere while another one of its kind runs, whose instance has given a sign within SILENT_S; one
    without is noted as failed.
    """
    lost = lost_for(worded("more than {lasts}", lasts=worded_duration(SILENT_S)))
    await _SQL.end_lost.execute(
        conn, tenant_id=tenant_id, kind=kind, silent_s=SILENT_S, error=lost, error_parts=written_parts(lost)
    )
    begun: datetime | None = None
    for _ in range(_LOOKS):
        begun = await _SQL.begin.value(
            conn,
            tenant_id=tenant_id,
            job_id=job_id,
            kind=kind,
            started_by=_text(started_by),
            started_ago_s=started_ago_s,
        )
        if begun is not None:
            break
        other = await _SQL.running.row(conn, tenant_id=tenant_id, kind=kind)
        if other is not None and other["job_id"] == job_id:
            # It was noted, but the answer was lost.
            begun = other["started_at"]
            break
        if other is not None:
            raise RunsElsewhere(other["job_id"])
        # The other one has ended meanwhile.
    # It is begun in any case; what is left is removed by the next one.
    with suppress(*TRANSIENT_ERRORS):
        await _SQL.remove_surplus.execute(conn, tenant_id=tenant_id, jobs=KEPT, days=KEPT_DAYS)
    return begun


async def note_progress(
    conn: Connection, tenant_id: int, job_id: str, done: int, total: int | None, step: str
) -> bool | None:
    """It is still at work. Returns whether somebody wants it to end; None = it is not there to be noted: not yet, not
    any more, or noted as ended (`is_ended`).
    """
    wanted = await _SQL.note.value(conn, tenant_id=tenant_id, job_id=job_id, done=done, total=total, step=_text(step))
    return None if wanted is None else bool(wanted)


async def is_ended(conn: Connection, tenant_id: int, job_id: str) -> bool:
    """Whether it is noted as ended."""
    return bool(await _SQL.is_ended.value(conn, tenant_id=tenant_id, job_id=job_id))


async def add_ended(
    conn: Connection, tenant_id: int, job_id: str, kind: str, started_by: str, started_ago_s: float, end: JobEnd
) -> None:
    """A job that has ended before it could be noted; older ones make room for it. `note_end` has the rest."""
    await _SQL.add_ended.execute(
        conn,
        tenant_id=tenant_id,
        job_id=job_id,
        kind=kind,
        started_by=_text(started_by),
        started_ago_s=started_ago_s,
        ended_ago_s=end.ended_ago_s,
        state=end.state,
    )
    await _SQL.remove_surplus.execute(conn, tenant_id=tenant_id, jobs=KEPT, days=KEPT_DAYS)


async def note_end(conn: Connection, tenant_id: int, job_id: str, end: JobEnd) -> tuple[datetime, datetime] | None:
    """It is over; files of older jobs make room for its file. Returns when it began and ended by the database's clock;
    None = it was not there to be noted.
    """
    noted = await _SQL.end.row(
        conn,
        tenant_id=tenant_id,
        job_id=job_id,
        ended_ago_s=end.ended_ago_s,
        state=end.state,
        done=end.done,
        total=end.total,
        step=_text(end.step),
        result=end.result,
        result_left=end.result_left,
        error=None if end.error is None else _text(end.error),
        error_parts=None if end.error is None else written_parts(end.error),
        import_no=end.import_no,
        file_name=None if end.file_name is None else _text(end.file_name),
        file_encoding=end.file_encoding,
        file=end.file,
    )
    if end.file is not None:
        await _SQL.drop_files.execute(conn, tenant_id=tenant_id, files=KEPT_FILES, bytes=KEPT_BYTES)
    return None if noted is None else (noted["started_at"], noted["ended_at"])


async def want_cancelled(conn: Connection, tenant_id: int, job_id: str) -> None:
    """Asks the instance that runs it to end it."""
    await _SQL.want_cancelled.execute(conn, tenant_id=tenant_id, job_id=job_id)


async def jobs_of(
    conn: Connection, tenant_id: int, limit: int, *, job_id: str | None = None, import_no: int | None = None
) -> Sequence[StoredJob]:
    """The last ones of the tenant, the youngest first, with results as far as LISTED_BYTES go; or the one of an id, or
    the one that made an import, with its result in any case.
    """
    size = LISTED_BYTES if job_id is None and import_no is None else _EVERY_BYTE
    rows = await _SQL.find.fetch(
        conn, tenant_id=tenant_id, job_id=job_id, import_no=import_no, limit=limit, result_bytes=size
    )
    return [_stored(row) for row in rows]


async def job_file(conn: Connection, tenant_id: int, job_id: str) -> tuple[str, str, bytes] | None:
    """Name, encoding and gzip of the file that a job made; None = it made none, or it is not kept any more."""
    row = await _SQL.file.row(conn, tenant_id=tenant_id, job_id=job_id)
    return None if row is None else (row["file_name"], row["file_encoding"], row["file"])


def _stored(row: Row) -> StoredJob:
    values = dict(row)
    error, parts = values.pop("error"), values.pop("error_parts")
    return StoredJob(**values, error=None if error is None else read_sentence(error, parts))


def _text(words: str) -> str:
    return words.replace("\x00", "").encode("utf-8", "replace").decode()
