"""Handing over leads of a rep: who would get them, then a reason, then the job that does it."""

import asyncio
from typing import Any

from aiohttp import web

from ops.api.ids import LEAD, number_of
from ops.api.running import JobDocument
from ops.console.pages.reps import path_of
from ops.console.refusal import why_of
from ops.console.view import View
from ops.text.translation import N_
from router.domain.access import Permission
from router.domain.worded import worded
from router.http.problems import Kind, Refused

_FIELDS = ("way", "to", "lead", "as_many")
_OFFERED = 200
# A few leads are moved in less: then the page of the job says at once what came of it.
_SOON_S = 1.0
_SHOWN_AS_PROBLEM = (Kind.INVALID, Kind.NOT_FOUND, Kind.CONFLICT)
RESULTS = {
    "moved": N_("handed over"),
    "passed_over": N_("left, as they had moved or were locked"),
    "already_handed_over": N_("handed over before"),
    "elsewhere": N_("not with this rep"),
}


async def handover(view: View) -> web.Response:
    """Who gets the leads, and once that is said: what would become of each of them."""
    rep_id, given = view.request.match_info["rep"], _given(view.query)
    rep = await view.ask("get_rep", path={"rep": rep_id})
    offered = await view.ask("list_loads", query={"only": "available", "limit": str(_OFFERED)})
    preview, problem, slow = None, None, False
    if given.get("way"):
        try:
            async with asyncio.timeout(view.shared.settings.page_deadline_s):
                preview = await view.ask("hand_over", body={**_wanted(rep_id, given), "dry_run": True})
        except TimeoutError:
            slow = True
        except Refused as refused:
            if refused.kind not in _SHOWN_AS_PROBLEM:
                raise
            problem = refused
    return view.render(
        "handover.html",
        503 if slow else 200 if problem is None else problem.kind.status,
        rep=rep,
        given=given,
        preview=preview,
        problem=problem,
        slow=slow,
        offered=[one for one in offered.reps if one["rep_id"] != rep_id],
        path=path_of(rep_id, "/handover"),
    )


async def start(view: View) -> web.Response:
    """Starts it as a job."""
    rep_id, why = view.request.match_info["rep"], why_of(view)
    wanted = _wanted(rep_id, _given(view.form))
    job: JobDocument = await view.ask("hand_over", body={**wanted, "why": why})
    running = view.shared.jobs.here(view.call().tenant.tenant_id, job.id)
    if running is not None and running.task is not None:
        await asyncio.wait([running.task], timeout=_SOON_S)
    return view.go(view.link(f"/handovers/{job.id}", rep=rep_id))


async def result(view: View) -> web.Response:
    """How far it is, and what came of it."""
    document: JobDocument = await view.ask("get_job", path={"job": view.request.match_info["job"]})
    if document.kind != "handover":
        return view.go(view.link(f"/jobs/{document.id}"))
    done = document.result or {}
    return view.render(
        "handover_job.html",
        job=document,
        done=done,
        counts=[(view.say.gettext(title), _number(done.get(name))) for name, title in RESULTS.items()],
        rep=done.get("from") or view.query.get("rep", ""),
        operate=view.may(Permission.OPERATE),
        manage=view.token.may(Permission.MANAGE),
    )


def _number(value: Any) -> int:
    return len(value) if isinstance(value, list) else int(value or 0)


def _given(fields: Any) -> dict[str, str]:
    return {name: fields[name].strip() for name in _FIELDS if fields.get(name, "").strip()}


def _wanted(rep_id: str, given: dict[str, str]) -> dict[str, Any]:
    """The body of the operation. Raises Refused for a way that there is not."""
    way = given.get("way")
    if way not in ("rep", "rules"):
        raise Refused(Kind.INVALID, worded("way is rep or rules"))
    wanted: dict[str, Any] = {"from": rep_id}
    if way == "rules":
        wanted["by_rules"] = True
    else:
        wanted |= {"to": given.get("to", ""), "as_many_as_fit": given.get("as_many") == "yes"}
    if given.get("lead"):
        wanted["leads"] = [number_of(given["lead"], LEAD)]
    return wanted
