"""From a file to leads: sent, checked without writing anything, imported as a job, its rejected rows fetched."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from ops.api.import_files import ENDINGS, MAX_FILE, ImportWanted, read_wanted, rejects_response, start_import
from ops.api.running import Job, JobDocument
from ops.api.stored_jobs import job_file
from ops.console.headers import PERSONAL, SECURITY
from ops.console.import_words import suggested_mapping
from ops.console.pages.imports import check_kind, result_of
from ops.console.refusal import Said, why_of
from ops.console.uploads import (
    KEPT_FOR_S,
    MAX_BYTES,
    MAX_BYTES_OF_TENANT,
    MAX_FILES,
    MAX_FILES_OF_TENANT,
    MAX_FILES_OF_TOKEN,
    Dropped,
    KeptUpload,
)
from ops.console.view import View
from ops.text.translation import N_
from router.domain.access import Permission
from router.http.problems import Kind, Refused

_READ_AS = ("mapping", "mapping_of", "encoding", "delimiter", "sheet")
_SOON_S = 1.0
_NO_FILE = N_("choose a file first")
_NOT_KEPT = N_("the file is not kept any more: it is kept for 30 min after its check; choose it again")
_GAVE_WAY = {
    Dropped.OF_TOKEN: N_("The file is not kept any more: of one login the last {files} checked files are kept."),
    Dropped.OF_TENANT: N_(
        "The file is not kept any more: newer files of {tenant} needed its room; of a tenant at most {files} checked "
        "files and {size:,} MB are kept."
    ),
    Dropped.OF_ALL: N_(
        "The file is not kept any more: newer files needed its room; of all tenants at most {files} checked files and "
        "{size:,} MB are kept."
    ),
}
_ROOM = {
    Dropped.OF_TOKEN: (MAX_FILES_OF_TOKEN, 0),
    Dropped.OF_TENANT: (MAX_FILES_OF_TENANT, MAX_BYTES_OF_TENANT),
    Dropped.OF_ALL: (MAX_FILES, MAX_BYTES),
}
_CHECKED_AGAIN = N_("the file was checked in another way meanwhile: look at the last check")


async def new(view: View) -> web.Response:
    """The form."""
    return await _form(view, {}, None)


async def _form(view: View, given: Mapping[str, str], refused: Refused | None) -> web.Response:
    """With what was filled in; a browser does not fill in files."""
    return view.render(
        "import_new.html",
        200 if refused is None else refused.kind.status,
        given={name: given.get(name, "") for name in _READ_AS},
        problem=refused,
        sources=[one.source for one in (await view.ask("list_sources")).sources],
        endings=ENDINGS,
        limit=MAX_FILE,
    )


async def check(view: View) -> web.Response:
    """Checks a file that was sent, and keeps it for a while."""
    try:
        if view.upload is None:
            raise Said(Kind.INVALID, view.say.gettext(_NO_FILE))
        wanted = await _wanted(view, view.form, check=True)
        tenant_id = view.call().tenant.tenant_id
        kept = view.shared.uploads.keep(view.upload, tenant_id, view.token)
        try:
            return await _checking(view, kept, wanted, view.form)
        except Refused:
            view.shared.uploads.drop(kept)
            raise
    except Refused as refused:
        return await _form(view, view.form, refused)


async def check_again(view: View) -> web.Response:
    """Checks a file that is kept, read in another way."""
    with _held(view) as kept:
        return await _checking(view, kept, await _wanted(view, view.form, check=True), view.form)


async def _checking(view: View, kept: KeptUpload, wanted: ImportWanted, given: Mapping[str, str]) -> web.Response:
    job = await _start(view, kept, wanted)
    kept.fields, kept.job_id = {name: given.get(name, "") for name in _READ_AS}, job.job_id
    return view.go(view.link(f"/imports/runs/{job.job_id}", upload=kept.key))


async def start(view: View) -> web.Response:
    """Imports the file as it was checked."""
    why = why_of(view)
    with _held(view) as kept:
        if view.form.get("job") != kept.job_id:
            raise Said(Kind.CONFLICT, view.say.gettext(_CHECKED_AGAIN))
        job = await _start(view, kept, await _wanted(view, {**kept.fields, "why": why}, check=False))
    uploads = view.shared.uploads
    assert job.task is not None
    job.task.add_done_callback(lambda _task: uploads.drop(kept) if job.state == "done" else None)
    return view.go(view.link(f"/imports/runs/{job.job_id}"))


async def _start(view: View, kept: KeptUpload, wanted: ImportWanted) -> Job:
    return await start_import(view.shared.means, view.shared.jobs, view.call(), kept.upload, wanted)


async def _wanted(view: View, given: Mapping[str, str], *, check: bool) -> ImportWanted:
    fields = {name: given.get(name, "") for name in (*_READ_AS, "why")}
    return await read_wanted(view.call(), {**fields, "dry_run": "true" if check else "false"})


@contextmanager
def _held(view: View) -> Iterator[KeptUpload]:
    """The file that the address names. Meanwhile it stays, though it may be kept no more. Raises Refused."""
    key = view.request.match_info["upload"]
    kept = _find(view, key)
    if kept is None:
        raise Said(Kind.GONE, _gave_way(view, key) or view.say.gettext(_NOT_KEPT))
    kept.upload.hold()
    try:
        yield kept
    finally:
        kept.upload.release()


def _find(view: View, key: str) -> KeptUpload | None:
    return view.shared.uploads.find(key, view.call().tenant.tenant_id, view.token)


def _gave_way(view: View, key: str) -> str | None:
    """The sentence for a file that made room for others; None for one that did not."""
    why = view.shared.uploads.dropped(key)
    if why is None:
        return None
    files, size = _ROOM[why]
    tenant = view.call().tenant.name
    return view.say.gettext(_GAVE_WAY[why]).format(files=files, size=size // 1_000_000, tenant=tenant)


async def run(view: View) -> web.Response:
    """How far a check, an import or an undoing is, and what came of it."""
    number, call = view.request.match_info["job"], view.call()
    job = view.shared.jobs.here(call.tenant.tenant_id, number)
    if job is not None and job.task is not None:
        # What is over soon is shown at once.
        await asyncio.wait([job.task], timeout=_SOON_S)
    document: JobDocument = await view.ask("get_job", path={"job": number})
    check_kind(document)
    if document.state == "running":
        return view.render("import_running.html", job=document, operate=view.may(Permission.OPERATE))
    kept = _find(view, view.query.get("upload", "")) if document.kind == "check_import" else None
    is_last = kept is not None and kept.job_id == document.id
    shown: Mapping[str, Any] | None = None
    if document.result is not None and document.kind != "undo_import":
        shown = result_of(view, document)
    fields = dict(kept.fields) if kept is not None else {}
    columns = (document.result or {}).get("columns")
    return view.render(
        "import_run.html",
        job=document,
        shown=shown,
        kept=kept if is_last else None,
        given={name: fields.get(name, "") for name in _READ_AS},
        suggestion=suggested_mapping(columns),
        sources=[one.source for one in (await view.ask("list_sources")).sources] if is_last else [],
        kept_min=int(KEPT_FOR_S / 60),
        gave_way=_gave_way(view, view.query.get("upload", "")),
        operate=view.may(Permission.OPERATE),
    )


async def rejects(view: View) -> web.Response:
    """The rejected rows, to be corrected and imported."""
    name, encoding, body = await job_file(view.shared.jobs, view.call(), view.request.match_info["job"])
    return rejects_response(name, encoding, body, {**SECURITY, **PERSONAL})
