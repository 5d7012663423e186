"""Importing a file of leads over HTTP, or finding out what importing it would do: as `leads import` does, as a job."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from ops.api.bodies import BINARY, TEXT
from ops.api.fields import Json, wrong
from ops.api.means import Means
from ops.api.refusals import refusals
from ops.api.running import ONE_OF_A_KIND, Job, JobDocument, JobFile, Jobs, accepted
from ops.api.stored_jobs import job_file
from ops.documents.file_import import CannotImport, FileImport, ReadAs, open_leads, reader_for
from ops.documents.import_result import ImportResult
from router.domain.access import Permission
from router.domain.phrases import count
from router.domain.worded import changed, parts_of, said_by, worded
from router.http.body import SLOWEST_RATE
from router.http.operations import Answer, Call, Operation
from router.http.upload import MULTIPART, Upload, read_form_with_file
from router.intake.delimiter import DelimiterUnknown, delimiter_named
from router.intake.encoding import EncodingUnknown, text_encoding
from router.intake.file_kind import READABLE
from router.intake.lead_file import LeadFile
from router.intake.rejects import KeptRejects
from router.rules.columns import columns_after
from router.rules.mapping import IN_A_FILE, FileMapping, parse_mapping
from router.store import sources
from router.store.apart import apart, takes_long
from router.store.changes import Change, record_change
from router.store.statements import Connection

MAX_FILE = 100_000_000
"""Bytes, as many as a batch of leads may have."""
MAX_MAPPING = 500_000
FIELDS: Mapping[str, int] = {
    "mapping": MAX_MAPPING,
    "mapping_of": 1_000,
    "encoding": 100,
    "delimiter": 100,
    "sheet": 1_000,
    "dry_run": 10,
    "why": 4_000,
}
"""The fields beside the file, with the bytes that each may have."""
ENDINGS = tuple(one.strip() for one in READABLE.split(","))
# Other requests of this process are not to wait for a batch.
_BATCH_ROWS = 1_000
_SENT = "sent with the file"
_OPTION = re.compile(r"--(encoding|delimiter|sheet|mapping)\b")
_MAX_WHY = 1_000

_SCHEMA = {
    "type": "object",
    "required": ["file"],
    "additionalProperties": False,
    "properties": {
        "file": {**BINARY, "description": f"Named with its ending: {READABLE}"},
        "mapping": {**TEXT, "description": "YAML: what the columns mean; without it they are named as the fields are"},
        "mapping_of": {
            **TEXT,
            "description": "In place of a mapping: the name of a source, whose mapping is used; leads of which neither "
            "it nor the file says the source are of this one",
        },
        "encoding": {**TEXT, "description": "Such as gb18030; without it it is detected"},
        "delimiter": {**TEXT, "description": "comma, semicolon, tab or pipe; without it it is detected"},
        "sheet": {**TEXT, "description": "Of a workbook; without it the first one that is shown"},
        "dry_run": {**TEXT, "enum": ["true", "false"], "description": "Only say what importing would do"},
        "why": {**TEXT, "maxLength": _MAX_WHY, "description": "The reason, recorded with it"},
    },
}


@dataclass(frozen=True, slots=True)
class ImportWanted:
    """How a file is read, and what is done with it: `check` = nothing is written. `mapping` is recorded with it.
    `source` is whose mapping it is, and the source of leads for which nothing else says one.
    """

    read_as: ReadAs
    mapping: str
    check: bool
    why: str = ""
    source: str | None = None


def operations(means: Means, jobs: Jobs) -> list[Operation]:
    """Of files of leads."""
    return [
        Operation(
            id="import_leads",
            method="POST",
            path="/v1/imports",
            summary="Import a file of leads, or check what importing it would do: a job",
            description=(
                f"At most {MAX_FILE:,} bytes, which have to arrive with {SLOWEST_RATE:,} bytes a second on average "
                "from the second minute on, or it ends with 408. The result of the job is what "
                "`lead-router leads import --json` prints. With dry_run nothing is written. Importing a file again "
                "does no harm: leads that are there stay as they are. A file that is broken as a whole fails before "
                f"anything of it is imported. {ONE_OF_A_KIND}"
            ),
            handler=partial(_import, means, jobs),
            answers={202: JobDocument},
            permission=Permission.OPERATE,
            tag="imports",
            media={MULTIPART: _SCHEMA},
            max_body=MAX_FILE + 2 * MAX_MAPPING,
        ),
        Operation(
            id="get_import_rejects",
            method="GET",
            path="/v1/jobs/{job}/rejects",
            summary="The rejected rows of an import or a check, with the reasons: a file to correct and import",
            description=(
                "As CSV in the encoding of the imported file. Every instance has it: for 7 days, of the tenant's last "
                "20 imports and checks that rejected rows."
            ),
            handler=partial(_rejects, jobs),
            answers={200: None},
            permission=Permission.OPERATE,
            tag="imports",
        ),
    ]


async def _import(means: Means, jobs: Jobs, call: Call) -> Answer:
    form = await read_form_with_file(call.request, FIELDS, MAX_FILE)
    if form.upload is None:
        raise wrong("/file", worded("is missing; send the file as a field with this name"))
    try:
        wanted = await read_wanted(call, form.fields)
        return accepted(call, await start_import(means, jobs, call, form.upload, wanted))
    finally:
        form.upload.release()


async def read_wanted(call: Call, fields: Mapping[str, str]) -> ImportWanted:
    """What the fields of the form ask for. Raises Refused with what is wrong."""
    dry_run = fields.get("dry_run") or "false"
    if dry_run not in ("true", "false"):
        raise wrong("/dry_run", worded("is either true or false"))
    why = fields.get("why", "").strip()
    if len(why) > _MAX_WHY:
        raise wrong("/why", worded("has more than {limit:,} characters", limit=_MAX_WHY))
    encoding, delimiter = (fields.get(name, "").strip() or None for name in ("encoding", "delimiter"))
    try:
        if encoding:
            text_encoding(encoding)
    except EncodingUnknown as error:
        raise wrong("/encoding", said_by(error)) from None
    try:
        if delimiter:
            delimiter_named(delimiter)
    except DelimiterUnknown as error:
        raise wrong("/delimiter", said_by(error)) from None
    source = fields.get("mapping_of", "").strip()
    plan, named = await _mapping(call, fields.get("mapping", ""), source)
    read_as = ReadAs(plan, encoding, delimiter, fields.get("sheet", "").strip() or None)
    return ImportWanted(read_as, named, dry_run == "true", why, source or None)


async def _mapping(call: Call, text: str, source: str) -> tuple[FileMapping, str]:
    """The mapping, and what it is called. Raises Refused."""
    if text.strip() and source:
        raise wrong("/mapping_of", worded("is given beside a mapping; give one of them"))
    with refusals(call):
        if source:
            async with call.connection() as conn:
                found = await sources.source_named(conn, call.tenant.tenant_id, source)
            return found.parsed().mapping, f"that of source {source}"
        if text.strip():
            return await apart(takes_long(text), parse_mapping, text, "mapping"), _SENT
    return FileMapping(), ""


async def start_import(means: Means, jobs: Jobs, call: Call, upload: Upload, wanted: ImportWanted) -> Job:
    """Starts the import, or the check, which holds the upload for as long as it runs. Raises Refused for what is seen
    at once, and while another one runs.
    """
    _check_file(upload)
    job = await jobs.start(
        "check_import" if wanted.check else "import_leads", call, partial(_work, means, call, upload, wanted)
    )
    upload.hold()
    assert job.task is not None
    # Whatever becomes of it, even before it began.
    job.task.add_done_callback(lambda _task: upload.release())
    return job


def _check_file(upload: Upload) -> None:
    if upload.size == 0:
        raise wrong("/file", worded("{name} is empty: it has 0 bytes", name=upload.name))
    ending = Path(upload.name).suffix.lower()
    if ending and ending not in (*ENDINGS, ".tab", ".xls", ".xlsm"):
        raise wrong(
            "/file",
            worded(
                "{name}: unknown file type {ending!r}; what can be read: {readable}",
                name=upload.name,
                ending=ending,
                readable=READABLE,
            ),
        )


async def _work(means: Means, call: Call, upload: Upload, wanted: ImportWanted, job: Job) -> Json:
    begin = time.monotonic()
    job.step, job.total = "bytes", upload.size
    try:
        opened = await _opened(upload, wanted.read_as)
    except CannotImport as error:
        # What the file has helps to say what it means.
        job.result = None if error.columns is None else {"file": upload.name, "columns": error.columns}
        raise
    rejects = KeptRejects(opened)
    try:
        with opened:
            async with means.job_connection(call) as conn:
                job.total = opened.size
                result = await _run(conn, call, opened, wanted, rejects, job)
        if made := rejects.finish():
            job.made = JobFile(f"{upload.name}.rejects.csv", made, opened.encoding)
            job.made_name = job.made.name
    except BaseException:
        rejects.discard()
        raise
    notes = [as_fields(note) for note in opened.notes]
    document = result.document(None, time.monotonic() - begin)
    return {**document, "notes": list(map(str, notes)), "notes_parts": list(map(parts_of, notes))}


async def _opened(upload: Upload, read_as: ReadAs) -> LeadFile:
    """Reads all of it, in a thread, which is waited for: the file has to be there as long as it reads."""
    opening = asyncio.create_task(asyncio.to_thread(open_leads, upload.path, read_as, upload.name))
    try:
        return await asyncio.shield(opening)
    except CannotImport as error:
        raise CannotImport(as_fields(said_by(error)), error.columns) from error
    except asyncio.CancelledError:
        with suppress(CannotImport, OSError):
            (await opening).close()
        raise
    except OSError as error:
        why = error.strerror or error
        raise CannotImport(worded("{file}: cannot be read here: {why}", file=upload.name, why=why)) from error


def as_fields(message: str) -> str:
    """A sentence of the command, whose options are fields of the form here."""
    return changed(message, lambda text: _OPTION.sub(r"\1", text.replace(IN_A_FILE, "")))


async def _run(
    conn: Connection, call: Call, opened: LeadFile, wanted: ImportWanted, rejects: KeptRejects, job: Job
) -> ImportResult:
    plan = await asyncio.to_thread(_of_source, wanted, opened)
    work = FileImport(
        conn=conn,
        tenant=call.tenant,
        file=opened,
        reader=await reader_for(conn, call.tenant, plan, opened, ahead=True),
        plan=plan,
        name=opened.name,
        mapping=wanted.mapping,
        actor=call.actor,
        check=wanted.check,
        batch=_BATCH_ROWS,
        rejects=rejects,
    )
    try:
        result = await work.run(lambda done: job.reach(done.position))
    except CannotImport as error:
        raise CannotImport(as_fields(said_by(error))) from error
    for row in result.rejected.first:
        row["reason"] = as_fields(row["reason"])
    if result.number is not None:
        await record_change(conn, call.tenant.tenant_id, _change(call, result, wanted.why))
    return result


def _of_source(wanted: ImportWanted, opened: LeadFile) -> FileMapping:
    """The mapping, with the source that it belongs to where neither it nor the file says one: what a website could not
    send is to be the same leads, and to match the same rules, as what it sent.
    """
    plan = wanted.read_as.plan
    if wanted.source is None or "source" in plan.constants:
        return plan

    def says_source(column: str) -> bool:
        return plan.target(column) == "source" and not plan.dropped(column)

    made = columns_after((), plan.split, plan.join)
    if any(map(says_source, made)) or opened.first_column(says_source) is not None:
        return plan
    return replace(plan, constants={**plan.constants, "source": wanted.source})


def _change(call: Call, result: ImportResult, why: str) -> Change:
    done = result.done
    brought = f"{count(done.new, 'new lead')}, {done.repeated:,} already imported, {done.rejected:,} rejected"
    return Change(call.actor, "import", f"import {result.number}", "", f"{result.name}: {brought}", why)


async def _rejects(jobs: Jobs, call: Call) -> web.Response:
    return rejects_response(*await job_file(jobs, call, call.path["job"]))


def rejects_response(
    name: str, encoding: str, body: AsyncIterator[bytes], headers: Mapping[str, str] | None = None
) -> web.Response:
    """The file of rejected rows, to be saved by a browser; in pieces, since it may be larger than what was imported."""
    named: dict[str, Any] = {"Content-Disposition": disposition(name), **(headers or {})}
    return web.Response(body=body, content_type="text/csv", charset=encoding.removesuffix("-sig"), headers=named)


def disposition(name: str) -> str:
    """The header that has a browser keep a file of this name."""
    plain = "".join(one if one.isascii() and (one.isalnum() or one in ".-_ ") else "_" for one in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
