"""Imports over HTTP: which there were, taking one back, and undoing that a lead was merged."""

from functools import partial
from typing import Annotated

import msgspec

from ops.api.fields import Json, Moment, PageQuery
from ops.api.ids import IMPORT, not_there, number_of
from ops.api.leads import lead_of
from ops.api.means import Means
from ops.api.operating import PerhapsBecause
from ops.api.pages import page, read_cursor
from ops.api.personal import seen_by
from ops.api.refusals import refusals
from ops.api.running import ONE_OF_A_KIND, Job, JobDocument, Jobs, accepted
from ops.documents.imports import import_document, undone_document
from router.domain.access import Permission
from router.domain.worded import worded
from router.http.operations import Answer, Call, Operation
from router.manual.undo_import import UndoImport
from router.manual.unmerge_lead import unmerge_lead
from router.store.imports import Import, imports_of
from router.store.statements import Connection

_LARGEST = 2**53 - 1


class ImportDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An import of a file. `ended_at` null = it is under way, or was cut off: `rows` and `rejected` are not known then.

    `merged` and `parked` are parts of `new`, `differing` of `repeated`; `removed` = leads that were taken back.
    """

    import_no: int = msgspec.field(name="import")
    began_at: Moment
    ended_at: Moment | None
    actor: str
    file: str
    mapping: str
    rows: int
    rejected: int
    removed: int
    undone_at: Moment | None
    undone_by: str | None
    new: int
    repeated: int
    merged: int
    parked: int
    differing: int


class ImportPage(msgspec.Struct, frozen=True):
    """Imports, the last one first."""

    imports: list[ImportDocument]
    next: str | None


class UndoWanted(msgspec.Struct, frozen=True):
    """Whether it is only counted, and why it is done."""

    dry_run: Annotated[bool, msgspec.Meta(description="Only count what would be removed")] = False
    why: Annotated[str, msgspec.Meta(max_length=1000, description="The reason, recorded with it")] = ""


class UndoneDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What would be removed, by where it is. `stays` counts leads that a rep has or had, `locked` those that another
    session holds; `leads` has the first of both.
    """

    import_no: int = msgspec.field(name="import")
    file: str
    dry_run: bool
    removed: dict[str, int]
    stays: dict[str, int]
    locked: int
    leads: list[Json]


class Unmerged(msgspec.Struct, frozen=True):
    """A lead that waits for a rep by itself, and the lead that it was merged into."""

    lead_id: int
    was_merged_into: int


def operations(means: Means, jobs: Jobs) -> list[Operation]:
    """Of imports, and of repeats."""
    return [
        Operation(
            id="list_imports",
            method="GET",
            path="/v1/imports",
            summary="Imports of files: who, when, which file, and what it brought",
            handler=_list,
            answers={200: ImportPage},
            permission=Permission.READ,
            tag="imports",
            query=PageQuery,
        ),
        Operation(
            id="get_import",
            method="GET",
            path="/v1/imports/{import}",
            summary="One import",
            handler=_get,
            answers={200: ImportDocument},
            permission=Permission.READ,
            tag="imports",
        ),
        Operation(
            id="undo_import",
            method="POST",
            path="/v1/imports/{import}/undo",
            summary="Take an import back: remove its leads that no one has worked on, and name the rest: a job",
            description=(
                "Removed are leads that wait, are parked or merged, and that no rep ever had. With dry_run it counts "
                "at once, and answers 200. What is done stays done when the job ends before; start it again for the "
                f"rest. {ONE_OF_A_KIND}"
            ),
            handler=partial(_undo, means, jobs),
            answers={200: UndoneDocument, 202: JobDocument},
            permission=Permission.OPERATE,
            tag="imports",
            body=UndoWanted,
        ),
        Operation(
            id="unmerge_lead",
            method="POST",
            path="/v1/leads/{lead}/unmerge",
            summary="Undo that a lead was merged into another one as its repeat",
            description="It waits for a rep by itself, queued as of now, and is merged with no other lead any more.",
            handler=_unmerge,
            answers={200: Unmerged},
            permission=Permission.OPERATE,
            tag="imports",
            body=PerhapsBecause,
        ),
    ]


async def _list(call: Call) -> Answer:
    before, limit = read_cursor(call.query.after, int), call.query.limit
    if before is not None:
        before = max(0, min(before, _LARGEST))
    async with call.connection() as conn:
        found = await imports_of(conn, call.tenant.tenant_id, limit + 1, before=before)
    shown, following = page(found, limit, lambda one: one.import_no)
    return Answer(ImportPage([_document(call, one) for one in shown], following))


async def _get(call: Call) -> Answer:
    async with call.connection() as conn:
        return Answer(_document(call, await _import_of(conn, call)))


async def _import_of(conn: Connection, call: Call) -> Import:
    """The import that the path names: of the caller's tenant, since numbers are unique over all. Raises Refused."""
    number = number_of(call.path["import"], IMPORT)
    found = await imports_of(conn, call.tenant.tenant_id, 1, number)
    if not found:
        raise not_there(IMPORT, number)
    return found[0]


def _document(call: Call, one: Import) -> ImportDocument:
    return msgspec.convert(seen_by(call, import_document(one)), ImportDocument)


async def _undo(means: Means, jobs: Jobs, call: Call) -> Answer:
    wanted: UndoWanted = call.body
    with refusals(call, worded("a customer of these leads")):
        async with call.connection() as conn:
            what = await _import_of(conn, call)
            if wanted.dry_run:
                counted = UndoImport(conn, call.tenant.tenant_id, what, call.actor)
                done = await counted.run(lambda: None, dry_run=True)
                document = seen_by(call, undone_document(what, done, dry_run=True))
                return Answer(msgspec.convert(document, UndoneDocument))

    async def work(job: Job) -> Json:
        async with means.job_connection(call) as conn:
            doing = UndoImport(conn, call.tenant.tenant_id, what, call.actor, wanted.why.strip())
            job.step, job.total = "leads", what.new - what.removed
            await doing.run(lambda: job.reach(doing.done.seen))
        return undone_document(what, doing.done, dry_run=False)

    return accepted(call, await jobs.start("undo_import", call, work))


async def _unmerge(call: Call) -> Answer:
    with refusals(call, worded("the lead, or its customer,")):
        async with call.connection() as conn:
            found = await lead_of(conn, call)
            root = await unmerge_lead(conn, found, actor=call.actor, why=call.body.why.strip())
    return Answer(Unmerged(found.lead_id, root))
