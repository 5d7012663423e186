"""Imports of files: which there were, one of them, and taking one back, counted before."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ops.api.imports import ImportDocument
from ops.api.running import JobDocument
from ops.api.stored_jobs import job_of_import
from ops.console.import_words import field_words, warnings
from ops.console.refusal import why_of
from ops.console.view import View
from router.domain.access import Permission
from router.domain.worded import worded
from router.http.problems import Kind, Refused

SHOWN, IN_FILE = 50, 1_000
REJECTS_SHOWN = 10
_COLUMNS = (
    *("import_no", "began_at", "ended_at", "actor", "file", "mapping", "rows", "new", "merged", "parked", "repeated"),
    *("differing", "rejected", "removed", "undone_at", "undone_by"),
)


async def imports(view: View) -> web.Response:
    """The last one first."""
    document = await view.ask("list_imports", query=_asked(view, SHOWN))
    return view.render(
        "imports.html", imports=document.imports, next=document.next, operate=view.may(Permission.OPERATE)
    )


async def imports_csv(view: View) -> web.Response:
    """The same, as far as a file goes."""
    document = await view.ask("list_imports", query=_asked(view, IN_FILE))
    columns = ("import", *_COLUMNS[1:])
    return view.csv("imports", columns, ([getattr(one, name) for name in _COLUMNS] for one in document.imports))


def _asked(view: View, limit: int) -> dict[str, str]:
    after = view.query.get("after")
    return {"limit": str(limit), **({"after": after} if after else {})}


async def import_(view: View) -> web.Response:
    """One import; what only the job knew is there as long as the job is kept."""
    number = view.request.match_info["import"]
    document: ImportDocument = await view.ask("get_import", path={"import": number})
    job = await job_of_import(view.call(), document.import_no) if view.token.may(Permission.OPERATE) else None
    return view.render(
        "import.html",
        one=document,
        job=job,
        shown=None if job is None else result_of(view, job),
        undoable=view.may(Permission.OPERATE) and document.new > document.removed,
    )


def result_of(view: View, job: JobDocument) -> Mapping[str, Any]:
    """What a check or an import came to, for the templates."""
    result = job.result or {}
    columns = result.get("columns")
    return {
        "result": result,
        "columns": [(one["column"], field_words(one["became"], view.say)) for one in columns or ()],
        "warnings": list(warnings(result, view.say)) if "unseen" in result else [],
        "rejects": result.get("rejects", [])[:REJECTS_SHOWN],
        "file": job.file is not None,
    }


async def undo(view: View) -> web.Response:
    """What would be removed, what stays and why, and the form that does it. Counting may take too long."""
    number, plan = view.request.match_info["import"], None
    document: ImportDocument = await view.ask("get_import", path={"import": number})
    try:
        async with asyncio.timeout(view.shared.settings.page_deadline_s):
            plan = await view.ask("undo_import", path={"import": number}, body={"dry_run": True})
    except TimeoutError:
        plan = None
    return view.render("import_undo.html", one=document, plan=plan)


async def undo_now(view: View) -> web.Response:
    """Starts it as a job."""
    number, why = view.request.match_info["import"], why_of(view)
    job: JobDocument = await view.ask("undo_import", path={"import": number}, body={"why": why})
    return view.go(view.link(f"/imports/runs/{job.id}"))


def check_kind(job: JobDocument) -> None:
    """Raises Refused for a job of another kind: it has another page."""
    if job.kind not in ("check_import", "import_leads", "undo_import"):
        raise Refused(Kind.NOT_FOUND, worded("this job is not one of a file"))
